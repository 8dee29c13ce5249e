"""Hard cuts: one step changes the picture far more than steps here usually do. A cross-fade goes unseen."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.metrics.changes import Changes
from wmenv.metrics.rates import per_1000

VERSION = "cuts-1"
SPREADS = 8.0
SMALLEST = 0.15  # luma; less is no cut even in a still world
CUTTING = 5.0  # per 1000 steps, lower end of the interval, above which a world is said to cut


class Cuts:
    """Counts the cuts of one episode."""

    def __init__(self) -> None:
        self._events = self._steps = 0

    def fold(self, change: np.ndarray, usual: Changes) -> None:
        """Call before `usual` has folded these changes; until it knows what is usual, nothing counts."""
        if usual.known:
            self._events += int((change > max(usual.median + SPREADS * usual.spread, SMALLEST)).sum())
            self._steps += len(change)

    def record(self) -> dict[str, Any]:
        return per_1000(self._events, self._steps)
