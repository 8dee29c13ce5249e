"""Keeps the watching cheap: raises the stride until looking at frames costs under 1 % of what steps cost.

A stride of s looks at one row-step in s. Knows only times; what to skip is the watcher's choice.
"""

from __future__ import annotations

import numpy as np

VERSION = "governor-1"
SHARE = 0.01  # of the step time; with bookkeeping and the environment it makes 2 %
FLOOR_MS = 0.04  # a vector step may always spend this much: 1 % of a 50 us toy world would be nothing at all
REVIEW = 32  # steps between decisions
MOST = 4096.0  # a stride beyond this would see nothing
EASE = 0.8  # of the allowance; below it the stride may come down


class Governor:
    """Decides the stride from the time that watching and stepping took lately.

    >>> governor = Governor()
    >>> for _ in range(32): governor.account(look_ns=400_000, step_ns=10_000_000)
    >>> governor.stride
    2.0
    """

    def __init__(self, start: float = 1.0, share: float = SHARE, floor_ms: float = FLOOR_MS) -> None:
        self.stride = start
        self._share, self._floor_ns = share, floor_ms * 1e6
        self._look = np.zeros(REVIEW)
        self._step = np.zeros(REVIEW)
        self._seen = 0

    def account(self, look_ns: int, step_ns: int) -> None:
        """What one vector step spent on looking at frames, and on the step itself."""
        at = self._seen % REVIEW
        self._look[at], self._step[at] = look_ns, step_ns
        self._seen += 1
        if self._seen % REVIEW == 0:
            self._review()

    def _review(self) -> None:
        allowed = max(self._share * float(np.median(self._step)), self._floor_ns)
        use = float(self._look.mean()) / allowed
        if use > 1 or use < EASE:
            # halve or double at most, so that one slow spell does not blind the watcher for long
            self.stride = float(np.clip(self.stride * np.clip(use, 0.5, 2.0), 1.0, MOST))


class FixedStride(Governor):
    """A stride that nothing changes: for tests, calibration, and runs where completeness matters more than cost."""

    def __init__(self, stride: float = 1.0) -> None:
        super().__init__(start=stride)

    def account(self, look_ns: int, step_ns: int) -> None:
        """Times change nothing."""
