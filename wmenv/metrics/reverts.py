"""Revert snaps: the scene jumps back to where the episode began, though nothing moved it there.

A return counts as a snap when the view was far from the start, is back within three steps, and no shift of the picture
explains the last of them. A step is exposed, so that a snap would show, once the view has been clearly away from the
start in a world whose ordinary moves are shifts. Of worlds whose moves are jumps the metric says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.metrics.changes import Changes
from wmenv.metrics.rates import per_1000

VERSION = "reverts-2"
AWAY_FACTOR = 6.0  # times the idle change, before "away from the start" means anything
FAR, HOME = 0.35, 0.75  # likeness to the start, 1 = the same, 0 = as far as it ever was
WITHIN = 3  # steps from far to home
REVERTING = 1  # snaps in an episode from which on a world is said to revert: sound worlds have none


class Reverts:
    """Counts the snaps to the start of one episode, and the steps in which one would have shown."""

    def __init__(self) -> None:
        self._furthest = 0.0
        self._since_far = WITHIN
        self._exposed = self._events = 0

    def fold(self, away: np.ndarray, jumped: np.ndarray, usual: Changes) -> None:
        """Consecutive steps: the distance to the first frame, and whether the picture jumped."""
        for distance, jump in zip(away.tolist(), jumped.tolist(), strict=True):
            self._step(distance, jump, usual)

    def _step(self, away: float, jumped: bool, usual: Changes) -> None:
        self._furthest = max(self._furthest, away)
        likeness = 1 - away / self._furthest if self._furthest else 1.0
        exposed = usual.smooth and self._furthest > AWAY_FACTOR * usual.idle
        self._exposed += exposed
        self._events += exposed and jumped and likeness >= HOME and self._since_far < WITHIN
        self._since_far = 0 if likeness <= FAR else WITHIN if likeness >= HOME else self._since_far + 1

    def record(self) -> dict[str, Any]:
        return per_1000(self._events, self._exposed, "exposed_steps")
