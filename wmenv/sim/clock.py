"""When a step was due, when it was taken, and when its bytes were there.

With `realtime` each step waits for its slot on a schedule that began with the last reset and never slips: whoever is
late stays late until they catch up, so a stall shows in every step that had to wait behind it. Knows nothing of what a
step does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from wmenv.contract import Span

_used: set[object] = set()  # what has run in this process before, and so is warm


class Started(NamedTuple):
    """A call under way: when it was meant to begin, and when it did."""

    intended_ns: int
    accepted_ns: int


class Clock:
    """Gives every step its span, and with `realtime` the moment it may begin."""

    def __init__(
        self,
        period_s: float,
        realtime: bool = False,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.period_ns = round(period_s * 1e9)
        self.realtime = realtime
        self._now_ns, self._sleep = now_ns, sleep
        self._due_ns = now_ns()

    def restart(self) -> None:
        """Start the schedule over: the next step is due one period from now."""
        self._due_ns = self._now_ns() + self.period_ns

    def at_once(self) -> Started:
        """Begin a call that no schedule governs."""
        now = self._now_ns()
        return Started(now, now)

    def in_slot(self) -> Started:
        """Begin a step, after waiting for its slot if there is a schedule."""
        if not self.realtime:
            return self.at_once()
        due, self._due_ns = self._due_ns, self._due_ns + self.period_ns
        early_ns = due - self._now_ns()
        if early_ns > 0:
            self._sleep(early_ns / 1e9)
        return Started(due, self._now_ns())

    def stop(self, started: Started, use: object) -> Span:
        """The span of a call whose bytes are there; `use` names what ran, to tell its first time from the rest."""
        span = Span(*started, self._now_ns(), cold=use not in _used)
        _used.add(use)
        return span
