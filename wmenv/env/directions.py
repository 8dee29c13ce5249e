"""Directions that wait for the next step: text typed between two steps changes the world with the second.

Each row takes one per step, in the order they came. Knows nothing of what a direction means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmenv.contract import Direction, Directions
from wmenv.errors import DirectionError

LONGEST = 500  # characters; nobody directs in more, and an endless text should not reach a text encoder


def checked_text(text: object) -> str:
    """`text` if a world can be asked to read it, or a named error."""
    if not isinstance(text, str) or not text.strip():
        raise DirectionError(f"a direction is text that says what changes, got {text!r}.")
    if len(text) > LONGEST:
        raise DirectionError(f"a direction has at most {LONGEST} characters, got {len(text)}: {text[:40]!r}...")
    if not text.isprintable():
        raise DirectionError(f"a direction is one line of printable text, got {text[:80]!r}.")
    return text


class DirectionQueue:
    """What waits, for each row."""

    def __init__(self, rows: int) -> None:
        self._waiting: list[tuple[Direction, ...]] = [()] * rows

    def add(self, direction: Direction, rows: Sequence[int]) -> None:
        for row in rows:
            self._waiting[row] += (direction,)

    def take(self, active: np.ndarray) -> Directions:
        """The next direction of every active row; the others keep theirs."""
        taken: list[Direction | None] = [None] * len(self._waiting)
        if not any(self._waiting):
            return taken
        for row, waiting in enumerate(self._waiting):
            if waiting and active[row]:
                taken[row], self._waiting[row] = waiting[0], waiting[1:]
        return taken

    def waiting(self, row: int) -> tuple[Direction, ...]:
        return self._waiting[row]

    def replace(self, row: int, waiting: tuple[Direction, ...] = ()) -> None:
        self._waiting[row] = waiting
