"""When a direction begins to show: the first step after it whose change no movement explains.

A flag for the record, found without a second world to compare with; a whole-view turn can be taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

VERSION = "onset-1"
PATIENCE = 32  # steps; what begins later is not credited to the direction


@dataclass(slots=True)
class Onset:
    """A direction was given with step `asked`; `began` is when something stirred, None while nothing did."""

    asked: int
    began: int | None = None

    def fold(self, stirred: Iterable[int]) -> None:
        """Steps, in order, at which something changed that no movement explains."""
        if self.began is None:
            self.began = next((step for step in stirred if self.asked <= step <= self.asked + PATIENCE), None)
