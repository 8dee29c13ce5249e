"""What runs in a room: the branch that goes on, perhaps another one or the real environment beside it, and the timeline
that remembers them all.

Every change takes effect as a whole: what a world refuses leaves the scene as it was. Whoever calls sees to it that one
call follows the other. Knows nothing of people or pace.
"""

from __future__ import annotations

import asyncio
import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.contract import Actions, Direction, Event, Start
from wmenv.episodes import Directed
from wmenv.errors import OptionError, UnsupportedError, WmenvError
from wmenv.live.rows import Rows
from wmenv.live.save import Stretch
from wmenv.live.stock import Stock
from wmenv.live.timeline import LONGEST_NAME, Branch, Moment, Timeline
from wmenv.serve.book import Kept, Sight

LIVED_AGAIN = 2**18  # bytes of a moment that is a past to live again: some ten thousand steps
THINNED_EVERY = 64  # steps; a multiple of those after which a state is kept
MOST_SAVED = 2**30  # bytes of pictures in one stretch, before they are compressed


@dataclass(frozen=True)
class Line:
    """A row that goes on, the branch that remembers it, and the real environment's row beside it, if there is one."""

    row: str
    branch: Branch
    ghost: str | None = None


@dataclass(frozen=True)
class Stepped:
    """What one step of the scene showed: each view by its name, and the moment that the main one became."""

    views: dict[str, Sight]
    moment: Moment


class Scene:
    """The rows of one room, known to the hubs as `client`. It begins with `begin`."""

    def __init__(self, stock: Stock, client: str, moment_bytes: int) -> None:
        self.stock, self.spec, self.passes = stock, stock.spec, stock.passes
        self.timeline = Timeline(moment_bytes)
        self.twin: Line | None = None
        self.inexact = False  # whether what was lived again last came out another way
        self._client = client
        self._rows = Rows(stock.hub(self.passes), client)
        self._ghosts = Rows(stock.ghost_hub, client) if stock.ghost_hub is not None else None
        self._main: Line | None = None

    @property
    def main(self) -> Line:
        """What goes on."""
        assert self._main is not None, "a scene begins with begin()"
        return self._main

    @property
    def last(self) -> Moment:
        """The moment at which it stands."""
        return self.main.branch.moment(self.main.branch.tip)

    def keep_alive(self) -> None:
        """Renew the leases of what stands still."""
        for rows in (self._rows, self._ghosts):
            if rows is not None:
                rows.renew()

    def close(self) -> None:
        for rows in (self._rows, self._ghosts):
            if rows is not None:
                rows.close()

    # --- steps ------------------------------------------------------------------------------------------------------

    async def step(self, action: Actions, direction: Direction | None) -> Stepped:
        """The same action for all; a direction for the current branch and the real environment beside it."""
        self.timeline.check_room()
        line, twin = self.main, self.twin
        moves = {"main": self._rows.advance(line.row, action, direction)}
        if twin is not None:
            moves["twin"] = self._rows.advance(twin.row, action, None)
        if line.ghost is not None and self._ghosts is not None:
            moves["ghost"] = self._ghosts.advance(line.ghost, action, direction)
        views = dict(zip(moves, await asyncio.gather(*moves.values()), strict=True))
        moment = Moment.of(views["main"], line.branch.tip + 1, action=action[0])
        moment.directed = _directed(direction, views["main"])
        if "ghost" in views:
            moment.ghost = Moment.of(views["ghost"], moment.step)
        self.timeline.add(line.branch, moment)
        if twin is not None:
            self.timeline.add(twin.branch, Moment.of(views["twin"], twin.branch.tip + 1, action=action[0]))
        return Stepped(views, moment)

    async def keep(self) -> None:
        """Let the moment at which it stands hold the states."""
        if self.spec.snapshots is None:
            return
        moment = self.last
        moment.state = await self._rows.keep(self.main.row)
        if moment.ghost is not None and self.main.ghost is not None and self._ghosts is not None:
            moment.ghost.state = await self._ghosts.keep(self.main.ghost)
        if moment.step % THINNED_EVERY == 0:
            self.timeline.thin()

    async def caption(self) -> str:
        """What is in view, in the world's words."""
        moment = self.last
        if moment.caption is None and self.spec.words:
            moment.caption = await self._rows.words(self.main.row)
        return moment.caption or ""

    # --- beginnings -------------------------------------------------------------------------------------------------

    async def begin(self, start: Start, seed: int, **begun: Any) -> tuple[Event, ...]:
        """A new line of its own; `begun` says how it began, besides the seed. Returns what the world says of it."""
        self.timeline.check_branches()
        sight = await self._rows.open(start, seed)
        await self._go_on(sight.session, Moment.of(sight, 0), {"seed": seed, **begun})
        return sight.events

    async def begin_beside_the_real(self) -> None:
        """The real environment, and the generated world from its first picture, with the seed and template of now."""
        if self._ghosts is None:
            raise UnsupportedError(f"there is no real environment that {self.stock.name} could be held against.")
        self.timeline.check_branches()
        begun = self.timeline.now.begun
        seed, template = begun.get("seed", 0), begun.get("template")
        real = await self._ghosts.open(Start(template=template), seed)
        try:
            sight = await self._rows.open(Start(picture=real.frames[-1]), seed)
        except WmenvError:
            self._ghosts.drop(real.session)
            raise
        first = Moment.of(sight, 0, ghost=Moment.of(real, 0))
        await self._go_on(sight.session, first, {"seed": seed, "template": template, "ghost": True}, real.session)

    async def _go_on(self, row: str, first: Moment, begun: dict[str, Any], ghost: str | None = None) -> None:
        """Go on with a row that has just begun."""
        self.inexact = False
        await self._leave()
        self._main = Line(row, self.timeline.begin(first, begun, _name_of(begun)), ghost)
        await self.keep()

    def end_ghost(self) -> None:
        """Go on without the real environment."""
        if self.main.ghost is not None and self._ghosts is not None:
            self._ghosts.drop(self.main.ghost)
        self._main = Line(self.main.row, self.main.branch)

    # --- branches ---------------------------------------------------------------------------------------------------

    async def fork(self, number: int, step: int) -> None:
        """Go on from a moment of the past, on a branch of its own."""
        self.timeline.check_branches()
        row, ghost = await self._reach(number, step)
        await self._leave()
        self._main = Line(row, self.timeline.fork(number, step), ghost)
        await self.keep()

    async def go(self, number: int) -> None:
        """Go on from the end of another branch."""
        branch = self.timeline.branch(number)
        if branch is self.timeline.now:
            return
        row, ghost = await self._reach(number, branch.tip)
        if self.twin is not None and self.twin.branch is branch:
            self.end_twin()
        await self._leave()
        self.timeline.current = number
        self._main = Line(row, branch, ghost)

    async def compare(self, number: int) -> None:
        """Let the end of another branch go on beside this one."""
        branch = self.timeline.branch(number)
        if branch is self.timeline.now:
            raise OptionError("a branch is compared with another one. Branch off first.")
        row, ghost = await self._reach(number, branch.tip)
        if ghost is not None and self._ghosts is not None:
            self._ghosts.drop(ghost)
        self.end_twin()
        self.twin = Line(row, branch)

    def end_twin(self) -> None:
        """Go on alone."""
        if self.twin is not None:
            self._rows.drop(self.twin.row)
            self.twin = None

    def remove(self, number: int) -> None:
        """Forget a branch."""
        self.timeline.remove(number)
        if self.twin is not None and self.twin.branch.id == number:
            self.end_twin()

    async def _leave(self) -> None:
        """Let what goes on now rest, with the states at its end."""
        line = self._main
        if line is None:
            return
        if self._rows.stands_at(line.row, line.branch.tip):  # else it was lost in a step that failed
            await self.keep()
        self._rows.drop(line.row)
        if line.ghost is not None and self._ghosts is not None:
            self._ghosts.drop(line.ghost)
        self._main = None

    # --- the past ---------------------------------------------------------------------------------------------------

    async def stretch(self, number: int, first: int, last: int) -> Stretch:
        """Some moments of a branch, with the state at the first."""
        branch = self.timeline.branch(number)
        moments = branch.stretch(first, last)
        if sum(math.prod(moment.shape) for moment in moments) > MOST_SAVED:
            raise OptionError(f"one file holds at most {MOST_SAVED:,} bytes of pictures. Choose a shorter stretch.")
        state = None
        if self.spec.snapshots is not None:
            row, ghost = await self._reach(number, first)
            state = (await self._rows.keep(row)).state
            self._rows.drop(row)
            if ghost is not None and self._ghosts is not None:
                self._ghosts.drop(ghost)
        return Stretch(self._spec_now, branch.name, branch.begun, moments, state)

    async def _reach(self, number: int, step: int) -> tuple[str, str | None]:
        """A row, and one of the real environment, as they were at a moment: from a kept state, by the same steps."""
        if self.spec.snapshots is None:
            raise UnsupportedError(f"{self.stock.name} keeps no moments, so there is no way back. Begin again instead.")
        anchor, way = self.timeline.way_to(number, step)
        row, shown = await _lived_again(self._rows, anchor.state, way)
        self.inexact = shown is not None and not np.array_equal(shown, way[-1].frame)
        if anchor.ghost is None or anchor.ghost.state is None or self._ghosts is None:
            return row, None
        ghost, _ = await _lived_again(self._ghosts, anchor.ghost.state, way)
        return row, ghost

    # --- what it is made of -----------------------------------------------------------------------------------------

    async def look(self, passes: int) -> None:
        """Look that often at every frame from now on: every row moves to the hub that does."""
        if self.passes is None:
            raise UnsupportedError(f"{self.stock.name} has no passes to choose.")
        hub = self.stock.hub(passes)
        if hub is self._rows.hub:
            return
        rows, line, twin = Rows(hub, self._client), self.main, self.twin
        self._main = Line(await rows.put(await self._rows.keep(line.row)), line.branch, line.ghost)
        self.twin = twin and Line(await rows.put(await self._rows.keep(twin.row)), twin.branch)
        self._rows.close()
        self._rows, self.passes = rows, passes

    def most_bytes(self, kind: str) -> int:
        """How long a picture or a saved moment of this world can be."""
        if kind == "picture":
            return self.spec.height * self.spec.width * 3
        kept = self.timeline.now.moment(0).state
        return LIVED_AGAIN if self.spec.snapshots == "replay" or kept is None else 2 * kept.nbytes + 2**16

    @property
    def _spec_now(self) -> Any:
        """The spec, with the passes of now."""
        passes = {} if self.passes is None else {"passes": str(self.passes)}
        return self.spec.with_(provenance={**self.spec.provenance, **passes})


async def _lived_again(rows: Rows, kept: Kept | None, way: list[Moment]) -> tuple[str, np.ndarray | None]:
    """A row that was put back and stepped on, and what it showed last."""
    assert kept is not None, "the way to a moment begins at a state"
    row, shown = await rows.put(kept), None
    for moment in way:
        direction = Direction(moment.directed.text) if moment.directed else None
        shown = (await rows.advance(row, np.asarray([moment.action]), direction)).frames[-1]
    return row, shown


def _directed(direction: Direction | None, sight: Sight) -> Directed | None:
    """A direction and what became of it, as an episode keeps it."""
    if direction is None:
        return None
    receipt = sight.answer.receipt if sight.answer else None
    return Directed(sight.step, direction.text, bool(receipt and receipt.applied), receipt.reason if receipt else "")


def _name_of(begun: dict[str, Any]) -> str:
    """What a new line is called until somebody names it."""
    if begun.get("dropped"):
        return f"your {begun['dropped']}"
    if begun.get("prompt"):
        return textwrap.shorten(begun["prompt"], LONGEST_NAME)
    template = (begun.get("template") or "").replace("_", " ")
    return f"{template} {begun['seed']}".strip() + (" beside the real" if begun.get("ghost") else "")
