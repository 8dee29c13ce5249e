"""Doubt: asks a world for the next frame several times over, with other chances each time, and cuts the episodes in
which the answers differ too much.

So an agent does not learn from what the world itself is not sure of. Knows nothing of what "differ" means: that is a
function it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from wmenv.contract import Actions, Event, Outcome, Start, State, World, no_directions
from wmenv.errors import OptionError, UnsupportedError
from wmenv.runtime import to_host

Apart = Callable[[np.ndarray], np.ndarray]  # (twins, rows, H, W, 3) next frames -> (rows,) how far they differ
STRIDE = 7_000_003  # between the seeds of twins


class Doubt:
    """Asks every `every` steps with `twins` re-seeded copies, and cuts the rows that are more than `limit` apart.

    It costs `twins` world steps and as many copies of a row each time it asks, so one in four steps or fewer is wise.
    """

    def __init__(self, limit: float, apart: Apart, every: int = 4, twins: int = 2) -> None:
        if not limit >= 0 or every < 1 or twins < 2:
            raise OptionError(f"doubt takes limit >= 0, every >= 1 and twins >= 2, got {limit}, {every} and {twins}.")
        self.limit, self.every, self.twins = limit, every, twins
        self._apart = apart

    def check(self, world: World) -> None:
        """Refuse a world whose chances cannot be renewed in mid-episode."""
        if "moment" not in world.spec.starts:
            raise UnsupportedError(
                f"world {world.spec.name!r} cannot go on from a moment with other chances, so it cannot be doubted. "
                "Leave truncate_on_doubt out."
            )

    def ask(
        self, world: World, state: State, actions: Actions, steps: np.ndarray, seeds: np.ndarray, active: np.ndarray
    ) -> np.ndarray | None:
        """How far apart each row's possible next frames are, NaN for rows that are not asked; None if none is."""
        rows = np.flatnonzero(active & (steps % self.every == self.every - 1)).tolist()
        if not rows:
            return None
        moments = [Start(moment=state.select([row]).to_bytes()) for row in rows]
        frames = [self._next(world, moments, actions[rows], seeds[rows] + STRIDE * turn) for turn in range(self.twins)]
        apart = np.full(len(active), np.nan)
        apart[rows] = self._apart(np.stack(frames))
        return apart

    def cuts(self, apart: np.ndarray | None, rows: int) -> np.ndarray:
        """Which rows end here because the world is no longer to be trusted."""
        return np.zeros(rows, np.bool_) if apart is None else np.nan_to_num(apart) > self.limit

    def told(self, outcome: Outcome, apart: np.ndarray | None) -> Outcome:
        """The outcome with an event for each row that is cut."""
        cut = self.cuts(apart, len(outcome.frames))
        if apart is None or not cut.any():
            return outcome
        events = list(outcome.events or [()] * len(cut))
        for row in np.flatnonzero(cut).tolist():
            events[row] = (*events[row], Event("doubt", f"next frames are {apart[row]:.3f} apart, over {self.limit:g}"))
        return replace(outcome, events=events)

    def _next(self, world: World, moments: Sequence[Start], actions: Actions, seeds: np.ndarray) -> np.ndarray:
        state, _ = world.open(moments, [int(seed) % 2**63 for seed in seeds])
        _, outcome = world.advance(state, actions, no_directions(len(moments)))
        return to_host(outcome.frames)
