"""Hard cuts: one step jumps, and changes the picture far more than steps here usually do. A cross-fade goes unseen.

Says nothing of worlds whose ordinary moves are jumps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.metrics.changes import Changes
from wmenv.metrics.rates import per_1000

VERSION = "cuts-2"
SPREADS = 8.0
SMALLEST = 0.15  # luma; less is no cut even in a still world
CUTTING = 5.0  # per 1000 steps, lower end of the interval, above which a world is said to cut


class Cuts:
    """Counts the cuts of one episode, and the steps in which one could have been told from a move."""

    def __init__(self) -> None:
        self._events = self._exposed = 0

    def fold(self, change: np.ndarray, jumped: np.ndarray, usual: Changes) -> None:
        """Call before `usual` has folded these changes."""
        if usual.smooth:
            large = change > max(usual.median + SPREADS * usual.spread, SMALLEST)
            self._events += int((jumped & large).sum())
            self._exposed += len(change)

    def record(self) -> dict[str, Any]:
        return per_1000(self._events, self._exposed, "exposed_steps")
