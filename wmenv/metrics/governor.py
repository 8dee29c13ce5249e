"""Keeps recording cheap: raises the stride until it costs under 1 % of what steps cost, whatever it does besides.

A stride of s looks at one row-step in s. Knows only times; what to skip is the watcher's choice.
"""

from __future__ import annotations

import numpy as np

VERSION = "governor-2"
SHARE = 0.01  # of the step time; with the environment it makes 2 %
FLOOR_MS = 0.04  # a vector step may always spend this much: 1 % of a 50 us toy world would be nothing at all
FIRST = 16  # steps before the first decision; then twice as many each time
REVIEW = 128  # steps between decisions at most: the end of an episode is dear, and should fall into most of them
MOST = 4096.0  # a stride beyond this would see nothing
EASE = 0.8  # of the allowance; below it the stride may come down


class Governor:
    """Decides the stride from the time that watching and stepping took lately.

    >>> governor = Governor()
    >>> for _ in range(16): governor.account(own_ns=400_000, step_ns=10_000_000)
    >>> governor.stride
    2.0
    """

    def __init__(self, start: float = 1.0, share: float = SHARE, floor_ms: float = FLOOR_MS) -> None:
        self.stride = start
        self._share, self._floor_ns = share, floor_ms * 1e6
        self._own = np.zeros(REVIEW)
        self._step = np.zeros(REVIEW)
        self._seen, self._until = 0, FIRST

    def account(self, own_ns: int, step_ns: int) -> None:
        """What recording one vector step took, and the step itself."""
        self._own[self._seen], self._step[self._seen] = own_ns, step_ns
        self._seen += 1
        if self._seen == self._until:
            self._review()
            self._seen, self._until = 0, min(2 * self._until, REVIEW)

    def _review(self) -> None:
        allowed = max(self._share * float(np.median(self._step[: self._seen])), self._floor_ns)
        use = float(self._own[: self._seen].mean()) / allowed
        if use > 1 or use < EASE:
            # halve or double at most, so that one slow spell does not blind the watcher for long
            self.stride = float(np.clip(self.stride * np.clip(use, 0.5, 2.0), 1.0, MOST))


class FixedStride(Governor):
    """A stride that nothing changes: for tests, calibration, and runs where completeness matters more than cost."""

    def __init__(self, stride: float = 1.0) -> None:
        super().__init__(start=stride)

    def account(self, own_ns: int, step_ns: int) -> None:
        """Times change nothing."""
