"""When the next step of a room is due. The slots of all rooms lie on one grid, so that rooms of the same pace share
their calls of the world. A stall is not made up for by running fast: slots that have gone by are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """A number of slots per second, until told otherwise."""

    def __init__(self, per_second: float, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self.period_ns = round(1e9 / per_second)
        self._last = now_ns() // self.period_ns

    def change(self, per_second: float) -> None:
        """Other slots from now on."""
        self.period_ns = round(1e9 / per_second)
        self._last = self._now_ns() // self.period_ns

    def next_ns(self) -> int:
        """When the next slot begins; one that began already may still be used, older ones may not."""
        self._last = max(self._last + 1, self._now_ns() // self.period_ns)
        return self._last * self.period_ns

    def wait_s(self, slot_ns: int) -> float:
        """How long until then."""
        return max(0, slot_ns - self._now_ns()) / 1e9
