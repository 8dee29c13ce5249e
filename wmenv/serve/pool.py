"""The states of all sessions, kept in the batches in which they were last stepped.

Sessions that step together again need no copy; others are copied out of their batches into a new one. Everything here
runs in the one thread that owns the world. Knows nothing of clients, steps or time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from wmenv.contract import Actions, Describes, Directions, Instructs, Outcome, Start, State, World
from wmenv.errors import SessionError, StateConsumedError
from wmenv.runtime import is_tensor, to_host


@dataclass(eq=False)
class Cohort:
    """Sessions whose rows are one state; a row whose session has left has no name."""

    state: State
    names: list[str | None]

    @property
    def rows(self) -> list[int]:
        """Those that still are somebody's."""
        return [row for row, name in enumerate(self.names) if name is not None]


class Pool:
    """The rows of a world, by name.

    >>> import numpy as np
    >>> from wmenv.worlds.pan import PanWorld
    >>> pool = Pool(PanWorld())
    >>> _ = pool.open(["a", "b"], [Start(), Start()], [1, 2])
    >>> pool.advance(["b"], np.array([0]), [None]).frames.shape
    (1, 64, 64, 3)
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._places: dict[str, tuple[Cohort, int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def open(self, names: Sequence[str], starts: Sequence[Start], seeds: Sequence[int]) -> Outcome:
        """New rows under these names."""
        state, outcome = self.world.open(starts, seeds)
        self.add(names, state)
        return on_host(outcome)

    def add(self, names: Sequence[str], state: State) -> None:
        """The rows of a state under these names; the state is ours from now on."""
        assert len(names) == len(state), f"{len(names)} names for {len(state)} rows"
        cohort = Cohort(state, list(names))
        self._places.update({name: (cohort, row) for row, name in enumerate(names)})

    def advance(self, names: Sequence[str], actions: Actions, directions: Directions) -> Outcome:
        """One step of these rows and no others. If it fails half way, they are gone."""
        cohort = self._gathered(names)
        order = [names.index(str(name)) for name in cohort.names]
        try:
            cohort.state, outcome = self.world.advance(cohort.state, actions[order], [directions[i] for i in order])
        except Exception:
            if not is_live(cohort.state):
                self.drop(names)
            raise
        straight = order == list(range(len(order)))
        return on_host(outcome if straight else outcome.select([cohort.names.index(name) for name in names]))

    def take(self, names: Sequence[str]) -> State:
        """A copy of these rows, in this order."""
        order, state = self._copied(names)
        return state if order == list(names) else state.select([order.index(name) for name in names])

    def drop(self, names: Iterable[str]) -> None:
        """Let these rows go; their memory is free when half of their batch is."""
        left = {self._leave(name) for name in names if name in self._places}
        for cohort in left:
            self._compact(cohort)

    def words(self, names: Sequence[str]) -> tuple[list[str] | None, list[str] | None]:
        """What is in view, and the task, of each; None where the world has no words for it."""
        state, world = self.take(names), self.world
        described = world.describe(state) if world.spec.words and isinstance(world, Describes) else None
        return described, world.instructions(state) if isinstance(world, Instructs) else None

    def nbytes(self, name: str) -> int:
        """The memory of one row."""
        state = self._places[name][0].state
        return state.nbytes // len(state)

    def _place(self, name: str) -> tuple[Cohort, int]:
        if name not in self._places:
            raise SessionError(f"session {name} is gone: its last step failed half way.", gone=[name])
        return self._places[name]

    def _gathered(self, names: Sequence[str]) -> Cohort:
        """A cohort of exactly these rows."""
        cohort, _ = self._place(names[0])
        if len(cohort.names) != len(names) or set(cohort.names) != set(names):
            order, state = self._copied(names)
            self.drop(names)
            self.add(order, state)
            cohort, _ = self._places[names[0]]
        return cohort

    def _copied(self, names: Sequence[str]) -> tuple[list[str], State]:
        """A copy of these rows, batch by batch, and the order that this makes."""
        found: dict[Cohort, list[int]] = {}
        for cohort, row in map(self._place, names):
            found.setdefault(cohort, []).append(row)
        parts = [cohort.state.select(rows) for cohort, rows in found.items()]
        order = [str(cohort.names[row]) for cohort, rows in found.items() for row in rows]
        return order, parts[0] if len(parts) == 1 else type(parts[0]).concat(parts)

    def _leave(self, name: str) -> Cohort:
        cohort, row = self._places.pop(name)
        cohort.names[row] = None
        return cohort

    def _compact(self, cohort: Cohort) -> None:
        rows = cohort.rows
        if rows and 2 * len(rows) <= len(cohort.names):
            cohort.state, cohort.names = cohort.state.select(rows), [cohort.names[row] for row in rows]
            self._places.update({str(name): (cohort, row) for row, name in enumerate(cohort.names)})


def is_live(state: State) -> bool:
    """Whether a state can still be used."""
    try:
        state.check_live()
    except StateConsumedError:
        return False
    return True


def on_host(outcome: Outcome) -> Outcome:
    """The outcome with every tensor as a numpy array."""
    tensors: dict[str, Any] = {}
    for part in fields(outcome):
        if is_tensor(value := getattr(outcome, part.name)):
            tensors[part.name] = to_host(value)
    return replace(outcome, **tensors)
