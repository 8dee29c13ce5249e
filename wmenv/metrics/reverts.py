"""Revert snaps: the scene jumps back to where the episode began, though nothing moved it there.

A return counts as a snap when the view was far from the start, is back within three steps, and no shift of the picture
explains the last of them. Steps count as exposed only where that could be seen: the view has been clearly away from the
start, and ordinary steps are explained by shifts. Where they are not (whole-view turns), exposure is 0 and the metric
says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.metrics.rates import per_1000

VERSION = "reverts-2"
AWAY_FACTOR = 6.0  # times the idle change, before "away from the start" means anything
FAR, HOME = 0.35, 0.75  # likeness to the start, 1 = the same, 0 = as far as it ever was
WITHIN = 3  # steps from far to home
JUMP = 0.6  # share of the change that no shift explains
MOVED = 2.0  # times the idle change
SMOOTH = 0.25  # share of ordinary moves that may be jumps before the metric gives up
MIN_MOVES = 16
REVERTING = 0.5  # per 1000 exposed steps, lower end of the interval, above which a world is said to revert


def jumps(change: np.ndarray, unexplained: np.ndarray, idle: float) -> np.ndarray:
    """Which steps changed the picture in a way that no movement explains."""
    return (unexplained > JUMP) & (change > MOVED * idle)


class Reverts:
    """Counts the snaps to the start of one episode, and the steps in which one could have been seen."""

    def __init__(self) -> None:
        self._furthest = 0.0
        self._since_far = WITHIN
        self._moves = self._jumps = 0
        self._exposed = self._events = 0

    def fold(self, away: np.ndarray, change: np.ndarray, unexplained: np.ndarray, idle: float) -> None:
        """Consecutive steps: the distance to the first frame, the change, and what of it no shift explains."""
        moved = (change > MOVED * idle).tolist()
        jumped = jumps(change, unexplained, idle).tolist()
        for step in zip(away.tolist(), moved, jumped, strict=True):
            self._step(*step, idle)

    def _step(self, away: float, moved: bool, jumped: bool, idle: float) -> None:
        self._furthest = max(self._furthest, away)
        likeness = 1 - away / self._furthest if self._furthest else 1.0
        exposed = self._furthest > AWAY_FACTOR * idle and self._smooth
        snapped = exposed and jumped and likeness >= HOME and self._since_far < WITHIN
        self._exposed += exposed
        self._events += snapped
        self._moves += moved and not snapped
        self._jumps += jumped and not snapped
        self._since_far = 0 if likeness <= FAR else WITHIN if snapped else self._since_far + 1

    @property
    def _smooth(self) -> bool:
        return self._moves >= MIN_MOVES and self._jumps <= SMOOTH * self._moves

    def record(self) -> dict[str, Any]:
        return per_1000(self._events, self._exposed, "exposed_steps")
