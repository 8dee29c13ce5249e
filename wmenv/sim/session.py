"""One run of a world: the only place that replaces its state.

Opens rows, advances them, puts new ones in the place of old ones, keeps and restores moments, and brings what the world
shows to the host before the clock stops. Knows nothing of rewards, episodes or Gymnasium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from wmenv.contract import Actions, Array, Directions, Outcome, Span, Start, State, World
from wmenv.errors import LifecycleError, StateConsumedError
from wmenv.runtime import is_tensor, to_host, to_tensor
from wmenv.sim.clock import Clock, Started
from wmenv.worlds.catalog import load_world

PICTURES = ("frames", "chunk")
NUMBERS = ("reward", "terminated", "audio", "pose")


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call of the world showed: its frames as the world made them, everything on the host, and when."""

    frames: Array
    outcome: Outcome
    span: Span


@dataclass(frozen=True, slots=True)
class Moment:
    """Some rows of a session, kept: they can go on from here any number of times."""

    state: State
    frames: Array

    def __len__(self) -> int:
        return len(self.state)


class Session:
    """A world running for some rows.

    With `output="torch"` its frames stay as the world made them; unless somebody on the host is `watched` for, the
    pictures of its outcomes stay there too.
    """

    def __init__(
        self,
        world: World | str,
        *,
        output: Literal["numpy", "torch"] = "numpy",
        watched: bool = True,
        realtime: bool = False,
    ) -> None:
        self.world = load_world(world) if isinstance(world, str) else world
        self.spec = self.world.spec
        self.clock = Clock(self.spec.frames_per_step / self.spec.fps, realtime)
        self._engine = (self.spec.name, str(sorted(self.spec.provenance.items())))  # what is cold until it has run
        self._output = output
        self.watched = watched or output == "numpy"
        self._state: State | None = None
        self._frames: Array = None

    @property
    def frames(self) -> Array:
        """The last frame of every row; never written to again."""
        self._live()
        return self._frames

    @property
    def state(self) -> State:
        """The state of the moment, to be read; `advance` consumes it."""
        return self._live()

    @property
    def is_open(self) -> bool:
        return self._state is not None

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> Shown:
        """Begin anew with as many rows as there are starts."""
        self._state, shown = self._open(starts, seeds)
        self._frames = shown.frames
        self.clock.restart()
        return shown

    def reopen(self, rows: Sequence[int], starts: Sequence[Start], seeds: Sequence[int]) -> Shown:
        """Put new rows in the place of `rows`; the others do not notice."""
        live = self._live()
        fresh, shown = self._open(starts, seeds)
        self._state = live.put(rows, fresh)
        self._frames = replaced(self._frames, rows, shown.frames)
        return shown

    def advance(self, actions: Actions, directions: Directions) -> Shown:
        """One step of every row."""
        state = self._live()
        started = self.clock.in_slot()
        self._state, made = self.world.advance(state, actions, directions)
        shown = self._shown(made, started, "advance")
        self._frames = shown.frames
        return shown

    def snapshot(self, rows: Sequence[int]) -> Moment:
        """Keep `rows` as they are now."""
        return Moment(self._live().select(rows), self._frames[list(rows)])

    def restore(self, moment: Moment, rows: Sequence[int]) -> None:
        """Put the rows of a kept moment in the place of `rows`; the moment can be used again."""
        self._state = self._live().put(rows, moment.state.fork())
        self._frames = replaced(self._frames, rows, self._kept(moment.frames))

    def revive(self, moment: Moment) -> None:
        """Begin with the rows of a kept moment, whatever ran before, if that was of the same world."""
        if self._state is not None:
            self._state.check_kin(moment.state)
        self._state = moment.state.fork()
        self._frames = self._kept(moment.frames[list(range(len(moment)))])
        self.clock.restart()

    def fork(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Let the rows `targets` go on from where the rows `sources` are."""
        live = self._live()
        self._state = live.put(targets, live.select(sources))
        self._frames = replaced(self._frames, targets, self._frames[list(sources)])

    def close(self) -> None:
        self._state, self._frames = None, None

    def _open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Shown]:
        started = self.clock.at_once()
        state, made = self.world.open(starts, seeds)
        return state, self._shown(made, started, "open")

    def _shown(self, made: Outcome, started: Started, call: str) -> Shown:
        """The outcome with its bytes on the host; then the clock stops."""
        outcome = made if self.spec.output == "numpy" else self._on_host(made)
        span = self.clock.stop(started, use=(*self._engine, call, len(made.frames)))
        return Shown(self._kept(made.frames if self._output == "torch" else outcome.frames), outcome, span)

    def _on_host(self, made: Outcome) -> Outcome:
        tensors: dict[str, Any] = {}
        for name in (*PICTURES, *NUMBERS) if self.watched else NUMBERS:
            if is_tensor(value := getattr(made, name)):
                tensors[name] = to_host(value)
        return replace(made, **tensors)

    def _kept(self, frames: Array) -> Array:
        """Frames as this session gives them out."""
        return to_tensor(frames, beside=self._frames) if self._output == "torch" else to_host(frames)

    def _live(self) -> State:
        if self._state is None:
            raise LifecycleError(f"nothing runs in {self.spec.name!r} yet, or any more. Call reset() first.")
        try:
            self._state.check_live()
        except StateConsumedError as problem:
            raise LifecycleError(f"the last step of {self.spec.name!r} failed half way. Call reset().") from problem
        return self._state


def replaced(frames: Array, rows: Sequence[int], new: Any) -> Array:
    """A copy of `frames` with some rows exchanged: whoever holds the old array keeps what they saw."""
    copy = frames.clone() if is_tensor(frames) else np.array(frames)
    copy[list(rows)] = new
    return copy
