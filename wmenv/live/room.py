"""One room: a world that runs at its pace for the people in it, and the timeline of what it has shown.

Steps and everything that changes the room come one at a time, under one lock; what people press and say meanwhile
waits for the next step. Knows nothing of sockets.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wmenv.contract import Actions, Direction, Span, Start
from wmenv.env.directions import checked_text
from wmenv.episodes import Directed
from wmenv.errors import BusyError, OptionError, UnsupportedError, WmenvError
from wmenv.live import messages as said
from wmenv.live.encode import picture, view
from wmenv.live.gauges import Gauges
from wmenv.live.hands import Hands, Press
from wmenv.live.messages import AnyMessage, told
from wmenv.live.pace import Pace
from wmenv.live.people import People, Person
from wmenv.live.rows import Rows
from wmenv.live.save import Kind, Saved, Stretch, save
from wmenv.live.stock import Stock
from wmenv.live.timeline import Branch, Moment, Timeline
from wmenv.metrics.onset import PATIENCE, Onset
from wmenv.serve.book import Kept, Sight
from wmenv.worlds.remote.schema import spec_message

MOST_WISHES = 8  # directions that wait for their steps
CAPTIONED_EVERY = 5  # steps; nobody reads faster
GAUGED_EVERY_S = 1.0
MOST_SAVED = 2**30  # bytes of pictures in one file, before it is compressed
LIVED_AGAIN = 2**18  # bytes of a moment that is a past to live again: some ten thousand steps

log = logging.getLogger("wmenv.live")


@dataclass
class Wish:
    """A direction, who said it, and what became of it."""

    text: str
    person: Person
    id: int
    received_at: int
    came: float = field(default_factory=time.monotonic)
    applied_at: int | None = None
    waited_ms: float | None = None
    onset: Onset | None = None


@dataclass(frozen=True)
class Line:
    """A row that goes on, and the branch that remembers it."""

    row: str
    branch: Branch


class Room:
    """A world for the people in it. `stock` has the hubs, `name` is what the invitation says."""

    def __init__(self, name: str, stock: Stock, moment_bytes: int, grace_s: float) -> None:
        self.name, self._stock, self.spec = name, stock, stock.spec
        self.people = People(grace_s)
        self.timeline = Timeline(moment_bytes)
        self.hands = Hands(self.spec.actions)
        self.used_at = time.monotonic()  # when somebody last did something
        self.paused, self.fps, self.passes = False, self.spec.fps, stock.passes
        self._pace = Pace(self.fps / self.spec.frames_per_step)
        self._client = f"room {name}"
        self._rows = Rows(stock.hub(self.passes), self._client)
        self._ghosts: Rows | None = None
        self._main: Line | None = None
        self._twin: Line | None = None
        self._ghost: str | None = None
        self._gauges: Gauges | None = None
        self._wishes: deque[Wish] = deque()
        self._watched: list[Wish] = []
        self._over = self._failed = ""
        self._single = False
        self._nudged = asyncio.Event()
        self._lock, self._saving = asyncio.Lock(), asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    # --- its life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the first scene, and let the world run."""
        first = self.spec.templates[0] if self.spec.templates else None
        await self._begin(Start(template=first), 0, {"seed": 0, "template": first, "prompt": None})
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._tell_gauges())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._rows.close()
        if self._ghosts is not None:
            self._ghosts.close()

    def keep_alive(self) -> None:
        """Renew the leases of what stands still."""
        for rows in (self._rows, self._ghosts):
            if rows is not None:
                rows.renew()

    def nudge(self) -> None:
        """Something changed that the world may wait for."""
        self._nudged.set()

    @property
    def _resting(self) -> bool:
        return self.paused or bool(self._over or self._failed) or not self.people.here or self.hands.idle

    async def _run(self) -> None:
        while True:
            slot = await self._slot()
            async with self._lock:
                if slot is not None and not (self._over or self._failed):
                    await self._guarded(functools.partial(self._step, slot))

    async def _slot(self) -> int | None:
        """Wait until a step is due; gives when it was, in nanoseconds, or None if the world was stopped meanwhile."""
        while self._resting:
            self._nudged.clear()
            if not (self._over or self._failed) and (self._single or self.hands.pressed):
                self._single = False
                return time.monotonic_ns()
            await self._nudged.wait()
        slot = self._pace.next_ns()
        await asyncio.sleep(self._pace.wait_s(slot))
        return None if self._resting else slot

    async def _guarded(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do something with the world; if it fails, stop and say so, and wait for somebody to begin again."""
        try:
            await call()
        except WmenvError as problem:
            self._failed = str(problem)
            self.tell_all()
        except Exception:
            log.exception("room %s failed", self.name)
            self._failed = "This is a mistake in the server or the world; the server's log says more."
            self.tell_all()

    # --- a step -----------------------------------------------------------------------------------------------------

    async def _step(self, slot: int) -> None:
        """One step of everything on the stage."""
        main, twin = self._main, self._twin
        assert main is not None, "a room that runs has a scene"
        full = self.timeline.full()
        if full:
            raise OptionError(full)
        action, presses = self.hands.take()
        wish = self._wishes.popleft() if self._wishes else None
        accepted = time.monotonic_ns()
        direction = Direction(wish.text) if wish else None
        sights = await asyncio.gather(*self._moves(action, direction))
        span = Span(slot, accepted, time.monotonic_ns())
        sight = sights[0]
        directed = _directed(wish, sight)
        moment = Moment.of(sight, main.branch.tip + 1, action=action[0], directed=directed, latency_ms=span.latency_ms)
        if self._ghost is not None:
            moment.ghost = Moment.of(sights[-1], moment.step)
        self.timeline.add(main.branch, moment)
        if twin is not None:
            self.timeline.add(twin.branch, Moment.of(sights[1], twin.branch.tip + 1, action=action[0]))
        self._show(main.branch, sights, sight, presses)
        await self._after(main, moment, sight, action, span, wish)

    def _moves(self, action: Actions, direction: Direction | None) -> list[Coroutine[Any, Any, Sight]]:
        """The same action for all; a direction for the current branch and the real world beside it."""
        assert self._main is not None, "a room that runs has a scene"
        moves = [self._rows.advance(self._main.row, action, direction)]
        if self._twin is not None:
            moves.append(self._rows.advance(self._twin.row, action, None))
        if self._ghost is not None and self._ghosts is not None:
            moves.append(self._ghosts.advance(self._ghost, action, direction))
        return moves

    async def _after(
        self, main: Line, moment: Moment, sight: Sight, action: Actions, span: Span, wish: Wish | None
    ) -> None:
        """What has time until the picture is out."""
        assert self._gauges is not None, "a scene has its gauges"
        self._gauges.see(sight, action, span)
        if wish is not None:
            self._answer(wish, moment)
        if self.timeline.wants_state(moment.step):
            await self._keep(main, moment)
        if self.spec.words and (self.paused or moment.step % CAPTIONED_EVERY == 0):
            await self._caption(main, moment)
        if moment.terminated:
            self._over = f"After {moment.step} steps" + (
                f", with a reward of {moment.reward:g}." if moment.reward else "."
            )
            self.tell_all()

    async def _keep(self, line: Line, moment: Moment) -> None:
        """Let a moment hold the state of the world as it is now."""
        if self.spec.snapshots is None:
            return
        moment.state = await self._rows.keep(line.row)
        if moment.ghost is not None and self._ghost is not None and self._ghosts is not None:
            moment.ghost.state = await self._ghosts.keep(self._ghost)

    async def _caption(self, line: Line, moment: Moment) -> None:
        moment.caption = await self._rows.words(line.row)
        self._say_all(told("caption", text=moment.caption or ""))

    # --- showing ----------------------------------------------------------------------------------------------------

    def _show(self, branch: Branch, sights: list[Sight], main: Sight, presses: list[Press]) -> None:
        """Send what the step showed to everybody; each is told which of their own presses it answers."""
        names = ["main", *(["twin"] if self._twin else []), *(["ghost"] if self._ghost else [])]
        views = [view(name, sight.frames[-1]) for name, sight in zip(names, sights, strict=True)]
        head = {"kind": "frame", "branch": branch.id, "step": branch.tip}
        sound = main.audio.astype("<i2").tobytes() if main.audio is not None else None
        for person in self.people.here:
            assert person.outbox is not None, "whoever is here has an outbox"
            draw = functools.partial(_drawn, head, views, sound if person.sound else None)
            person.outbox.show("frame", draw, [press.id for press in presses if press.person == person.id])

    def _look(self, person: Person, branch: int, step: int, kind: str = "look") -> None:
        """Send one person a moment of the past, or the last one as if it had just been."""
        if person.outbox is None:
            return
        moment = self.timeline.branch(branch).moment(step)
        views = [view("main", moment.frame)]
        if moment.ghost is not None:
            views.append(view("ghost", moment.ghost.frame))
        if self._twin is not None and kind == "frame":
            views.append(view("twin", self._twin.branch.moment(self._twin.branch.tip).frame))
        head = {"kind": kind, "branch": branch, "step": step, "caption": moment.caption}
        person.outbox.show(kind, functools.partial(_drawn, head, views, None))

    def facts(self, person: Person) -> dict[str, Any]:
        """All that a page needs to know of the room."""
        begun = self._main.branch.begun if self._main else {}
        return told(
            "room",
            room=self.name,
            world=self._stock.name,
            spec=_spec_facts(self._stock),
            passes=self.passes,
            most_passes=self._stock.most_passes,
            has_ghost=self._stock.ghost_hub is not None,
            seed=begun.get("seed"),
            template=begun.get("template"),
            paused=self.paused,
            fps=self.fps,
            over=self._over,
            failed=self._failed,
            ghost=self._ghost is not None,
            twin=self._twin.branch.id if self._twin else None,
            current=self.timeline.current,
            branches=[_branch_facts(branch) for branch in self.timeline.branches.values()],
            waiting=self._stock.waiting,
            **self.people.facts(person),
        )

    def tell_all(self) -> None:
        """Tell everybody how the room is now."""
        for person in self.people.here:
            person.say(self.facts(person))

    def welcome(self, person: Person) -> None:
        """Show somebody who has just come, or come back, where things are."""
        self.tell_all()
        self._look(person, self.timeline.current, self.timeline.now.tip, kind="frame")
        self.nudge()

    def _say_all(self, message: dict[str, Any]) -> None:
        for person in self.people.here:
            person.say(message)

    # --- directions -------------------------------------------------------------------------------------------------

    def _direct(self, person: Person, message: said.Direct) -> None:
        self.spec.need("directions")
        if len(self._wishes) >= MOST_WISHES:
            raise BusyError(f"{MOST_WISHES} directions wait for their steps already. Let the world go on.")
        wish = Wish(checked_text(message.text), person, message.id, self.timeline.now.tip)
        self._wishes.append(wish)
        self._receipt(wish, "received")

    def _answer(self, wish: Wish, moment: Moment) -> None:
        """A direction was taken, or refused, with this moment."""
        assert moment.directed is not None, "a wish becomes a direction"
        wish.applied_at, wish.waited_ms = moment.step, (time.monotonic() - wish.came) * 1e3
        self._receipt(wish, "applied" if moment.directed.applied else "refused", moment.directed.reason)
        if moment.directed.applied and self._gauges is not None:
            wish.onset = self._gauges.expect()
            self._watched.append(wish)
        self.tell_all()  # its mark on the timeline

    def _receipt(self, wish: Wish, state: str, reason: str = "") -> None:
        effect = None
        if wish.onset is not None and wish.onset.began is not None and wish.applied_at is not None:
            effect = wish.applied_at + wish.onset.began - wish.onset.asked
        for person in self.people.here:
            person.say(
                told(
                    "receipt",
                    id=wish.id,
                    by=wish.person.id,
                    mine=person is wish.person,
                    text=wish.text,
                    state=state,
                    reason=reason,
                    received_at=wish.received_at,
                    applied_at=wish.applied_at,
                    waited_ms=wish.waited_ms,
                    effect_at=effect,
                )
            )

    def _tell_effects(self) -> None:
        """Say when directions began to show, once that is known."""
        for wish in list(self._watched):
            assert wish.onset is not None, "only what was applied is watched"
            if wish.onset.began is not None:
                self._receipt(wish, "applied")
            if wish.onset.began is not None or self.timeline.now.tip > (wish.applied_at or 0) + 2 * PATIENCE:
                self._watched.remove(wish)

    async def _tell_gauges(self) -> None:
        while True:
            await asyncio.sleep(GAUGED_EVERY_S)
            if self._gauges is not None and self.people.here and not self._resting:
                facts = self._gauges.facts(1e3 * self.spec.frames_per_step / self.fps)
                self._say_all(told("gauges", **facts))
                self._tell_effects()

    # --- what people do ---------------------------------------------------------------------------------------------

    async def hear(self, person: Person, message: AnyMessage) -> None:
        """Do what somebody asks for, or raise the reason why not."""
        if isinstance(message, said.Look):
            return self._look_at(person, message)
        self.used_at = time.monotonic()
        match message:
            case said.Want():
                person.sound = message.sound
            case said.Give():
                self.people.give(person, message.role, message.to)
                self.hands.let_go()
                self.tell_all()
            case said.Direct():
                self._need_role(person, "direct")
                self._direct(person, message)
            case _:
                self._need_role(person, "move")
                await self._moved(person, message)
        self.nudge()
        return None

    def _look_at(self, person: Person, message: said.Look) -> None:
        if message.branch is not None:
            self._look(person, message.branch, message.step)
        else:
            self._look(person, self.timeline.current, self.timeline.now.tip, kind="frame")

    async def _moved(self, person: Person, message: AnyMessage) -> None:
        """What only whoever moves may do."""
        match message:
            case said.Act():
                self.hands.press(Press(_plain(message.action), person.id, message.id))
            case said.Hold():
                self.hands.hold(_plain(message.action))
            case said.Step():
                self._single = self.paused
            case said.Pace():
                self._set_pace(message)
            case said.Rename():
                self.timeline.rename(message.branch, message.name)
                self.tell_all()
            case _:
                async with self._lock:
                    await self._changed(message)
                self.tell_all()

    async def _changed(self, message: AnyMessage) -> None:
        """What changes the scene; nothing steps meanwhile."""
        match message:
            case said.Begin():
                start = Start(template=message.template, prompt=message.prompt)
                known = {"seed": message.seed, "template": message.template, "prompt": message.prompt}
                await self._begin(start, message.seed, known)
            case said.Branch():
                await self._branch(message.branch, message.step)
            case said.Go():
                await self._go(message.branch)
            case said.Compare():
                await self._compare(message.branch)
            case said.Ghost():
                await self._set_ghost(message.on)
            case said.Passes():
                await self._set_passes(message.passes)
            case said.Remove():
                if self._twin is not None and self._twin.branch.id == message.branch:
                    self._end_twin()
                self.timeline.remove(message.branch)

    def _need_role(self, person: Person, role: str) -> None:
        if not self.people.may(person, role):
            holder = self.people.roles[role]
            who = f"{holder.name} {role}s" if holder else f"nobody {role}s"
            raise OptionError(f"{who} here; you look on. Open People to ask for it or take it.")

    def _set_pace(self, message: said.Pace) -> None:
        if message.fps is not None:
            self.fps = message.fps
            self._pace.change(self.fps / self.spec.frames_per_step)
        if message.paused is not None:
            self.paused = message.paused
        self.tell_all()

    # --- scenes -----------------------------------------------------------------------------------------------------

    def most_bytes(self, kind: str) -> int:
        """How long a picture or a saved moment of this world can be."""
        if kind == "picture":
            return self.spec.height * self.spec.width * 3
        kept = self.timeline.now.moment(0).state
        return LIVED_AGAIN if self.spec.snapshots == "replay" or kept is None else 2 * kept.nbytes + 2**16

    async def begin_from(self, person: Person, kind: str, data: bytes, seed: int) -> None:
        """A scene from somebody's own picture, as RGB bytes of the world's size, or from a moment that was saved."""
        self._need_role(person, "move")
        self.used_at = time.monotonic()
        if kind == "picture":
            start = Start(picture=_picture_of(data, self.spec.height, self.spec.width))
        else:
            start = Start(moment=data)
        async with self._lock:
            await self._begin(start, seed, {"seed": seed, "dropped": kind})
        self.tell_all()
        self.nudge()

    async def _begin(self, start: Start, seed: int, begun: dict[str, Any]) -> None:
        """A new scene on a line of its own. If the world refuses it, all stays as it was."""
        sight = await self._rows.open(start, seed)
        await self._leave()
        first = Moment.of(sight, 0)
        branch = self.timeline.begin(first, begun, _name_of(begun))
        await self._enter(Line(sight.session, branch), first)

    async def _branch(self, number: int, step: int) -> None:
        row, ghost = await self._reach(number, step)
        await self._leave()
        branch = self.timeline.fork(number, step)
        await self._enter(Line(row, branch), branch.moment(step), ghost)

    async def _go(self, number: int) -> None:
        branch = self.timeline.branch(number)
        if branch is self.timeline.now:
            return
        row, ghost = await self._reach(number, branch.tip)
        if self._twin is not None and self._twin.branch is branch:
            self._end_twin()
        await self._leave()
        self.timeline.current = number
        await self._enter(Line(row, branch), branch.moment(branch.tip), ghost)

    async def _leave(self) -> None:
        """Let the current branch rest, with the state at its end."""
        if self._main is not None:
            branch = self._main.branch
            if not self._failed:  # else the row is lost, or ahead of what was shown; earlier moments have their states
                await self._keep(self._main, branch.moment(branch.tip))
            self._rows.drop(self._main.row)
            self._main = None

    async def _enter(self, line: Line, moment: Moment, ghost: str | None = None) -> None:
        """Go on with this row, on this branch, from this moment."""
        self._end_ghost()
        self._main, self._ghost = line, ghost
        if moment.state is None:
            await self._keep(line, moment)
        if self.spec.words and moment.caption is None:
            moment.caption = await self._rows.words(line.row)
        self.hands.let_go()
        self._wishes.clear()
        self._watched.clear()
        self._gauges = Gauges(self.spec, moment.frame)
        self._failed = ""
        self._over = f"After {moment.step} steps." if moment.terminated else ""
        for person in self.people.here:
            self._look(person, line.branch.id, moment.step, kind="frame")

    async def _reach(self, number: int, step: int) -> tuple[str, str | None]:
        """A row, and one of the real environment, as they were at a moment: from a kept state, by the same steps."""
        if self.spec.snapshots is None:
            raise UnsupportedError(
                f"{self._stock.name} keeps no moments, so there is no way back. Begin again instead."
            )
        anchor, way = self.timeline.way_to(number, step)
        assert anchor.state is not None, "an anchor holds a state"
        row = await self._rows.put(anchor.state)
        ghost = None
        if anchor.ghost is not None and anchor.ghost.state is not None and self._ghosts is not None:
            ghost = await self._ghosts.put(anchor.ghost.state)
        for moment in way:
            sight = await self._again(self._rows, row, moment)
            if ghost is not None and self._ghosts is not None:
                await self._again(self._ghosts, ghost, moment)
        if way and not np.array_equal(sight.frames[-1], way[-1].frame):
            self._say_all(told("note", text="This moment was lived again, and came out a little different."))
        return row, ghost

    async def _again(self, rows: Rows, row: str, moment: Moment) -> Sight:
        direction = Direction(moment.directed.text) if moment.directed else None
        return await rows.advance(row, np.asarray([moment.action]), direction)

    async def _compare(self, number: int | None) -> None:
        self._end_twin()
        if number is None:
            return
        branch = self.timeline.branch(number)
        if branch is self.timeline.now:
            raise OptionError("a branch is compared with another one. Branch off first.")
        row, ghost = await self._reach(number, branch.tip)
        if ghost is not None and self._ghosts is not None:
            self._ghosts.drop(ghost)
        self._twin = Line(row, branch)

    def _end_twin(self) -> None:
        if self._twin is not None:
            self._rows.drop(self._twin.row)
            self._twin = None

    async def _set_ghost(self, on: bool) -> None:
        """Begin the real environment and the generated world from the same picture; or let the real one go."""
        hub = self._stock.ghost_hub
        if not on or hub is None:
            return self._end_ghost()
        begun = self.timeline.now.begun
        seed, template = begun.get("seed") or 0, begun.get("template")
        self._end_twin()
        self._ghosts = self._ghosts or Rows(hub, self._client)
        template = template if template in hub.spec.templates else None
        real = await self._ghosts.open(Start(template=template), seed)
        try:
            sight = await self._rows.open(Start(picture=real.frames[-1]), seed)
        except WmenvError:
            self._ghosts.drop(real.session)
            raise
        await self._leave()
        first = Moment.of(sight, 0, ghost=Moment.of(real, 0))
        known = {"seed": seed, "template": template, "ghost": True}
        await self._enter(Line(sight.session, self.timeline.begin(first, known, _name_of(known))), first, real.session)
        return None

    def _end_ghost(self) -> None:
        if self._ghost is not None and self._ghosts is not None:
            self._ghosts.drop(self._ghost)
        self._ghost = None

    async def _set_passes(self, passes: int) -> None:
        """Move every row to the hub that looks so often."""
        if self.passes is None:
            raise UnsupportedError(f"{self._stock.name} has no passes to choose.")
        rows = Rows(self._stock.hub(passes), self._client)
        if rows.hub is self._rows.hub:
            return
        moved = [
            line and Line(await rows.put(await self._rows.keep(line.row)), line.branch)
            for line in (self._main, self._twin)
        ]
        self._rows.close()
        self._main, self._twin = moved
        self._rows, self.passes = rows, passes

    # --- files ------------------------------------------------------------------------------------------------------

    async def save(self, kind: Kind, number: int, first: int, last: int) -> Saved:
        """A file of some moments."""
        branch = self.timeline.branch(number)
        moments = branch.stretch(first, last)
        if sum(math.prod(moment.shape) for moment in moments) > MOST_SAVED:
            raise OptionError(f"one file holds at most {MOST_SAVED:,} bytes of pictures. Choose a shorter stretch.")
        state = await self._state_at(number, first) if kind in ("moment", "episode") else None
        spec = self.spec.with_(
            provenance={**self.spec.provenance, "passes": str(self.passes)} if self.passes else self.spec.provenance
        )
        stretch = Stretch(spec, branch.name, branch.begun, moments, state.state if state else None)
        async with self._saving:
            return await asyncio.to_thread(save, kind, stretch)

    async def _state_at(self, number: int, step: int) -> Kept | None:
        """The state of a moment, lived again where it was not kept."""
        if self.spec.snapshots is None:
            return None
        async with self._lock:
            row, ghost = await self._reach(number, step)
            kept = await self._rows.keep(row)
            self._rows.drop(row)
            if ghost is not None and self._ghosts is not None:
                self._ghosts.drop(ghost)
        return kept


def _directed(wish: Wish | None, sight: Sight) -> Directed | None:
    """What became of a wish, as an episode keeps it."""
    if wish is None:
        return None
    receipt = sight.answer.receipt if sight.answer else None
    return Directed(sight.step, wish.text, bool(receipt and receipt.applied), receipt.reason if receipt else "")


def _drawn(
    head: dict[str, Any], views: list[tuple[dict[str, Any], bytes]], sound: bytes | None, acts: list[int]
) -> bytes:
    """A picture as it is sent to somebody, with those of their presses that it answers."""
    return picture({**head, "acts": acts}, views, sound)


def _branch_facts(branch: Branch) -> dict[str, Any]:
    marks = [
        {"step": moment.step, "text": moment.directed.text, "applied": moment.directed.applied}
        for moment in branch.own
        if moment.directed is not None
    ]
    return {
        "id": branch.id,
        "name": branch.name,
        "fork": branch.fork if branch.parent is not None else None,
        "first": 0,
        "tip": branch.tip,
        "marks": marks,
    }


def _spec_facts(stock: Stock) -> dict[str, Any]:
    facts = spec_message(stock.spec)
    kept = ("height", "width", "fps", "actions", "directions", "words", "audio", "starts", "templates", "suggestions")
    return {name: facts[name] for name in kept}


def _name_of(begun: dict[str, Any]) -> str:
    """What a new scene is called until somebody names it."""
    if begun.get("dropped"):
        return f"your {begun['dropped']}"
    template = (begun.get("template") or "").replace("_", " ")
    return f"{template} {begun['seed']}".strip() + (" beside the real" if begun.get("ghost") else "")


def _picture_of(data: bytes, height: int, width: int) -> np.ndarray:
    if len(data) != height * width * 3:
        raise OptionError(f"a picture for this world has {height} x {width} x 3 bytes, got {len(data)}.")
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _plain(action: Any) -> Any:
    """A list of fields as the tuple that tables take."""
    return tuple(action) if isinstance(action, list) else action
