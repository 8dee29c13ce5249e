"""When a direction begins to show: the first step from it on at which the picture jumps.

A flag for the record, found without a second world to compare with; a whole-view turn can be taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

VERSION = "onset-1"
PATIENCE = 32  # steps; what begins later is not credited to the direction


@dataclass(slots=True)
class Onset:
    """A direction was given with step `asked`; `began` is when the picture jumped, None while it has not."""

    asked: int
    began: int | None = None

    def fold(self, jumps: Iterable[int]) -> None:
        """Steps, in order, at which the picture jumped."""
        if self.began is None:
            self.began = next((step for step in jumps if self.asked <= step <= self.asked + PATIENCE), None)

    def open_at(self, step: int) -> bool:
        """Whether a jump after `step` could still be credited to the direction."""
        return self.began is None and step < self.asked + PATIENCE
