"""How far each row's episode is: steps taken, the time limit, the seed it began with, and whether it has ended.

Knows nothing of worlds or rewards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NO_LIMIT = np.iinfo(np.int64).max


class EpisodeBook:
    """One line per row."""

    FIELDS = ("steps", "limits", "seeds", "ended")

    def __init__(self, rows: int) -> None:
        self.steps = np.zeros(rows, np.int64)
        self.limits = np.full(rows, NO_LIMIT)
        self.seeds = np.zeros(rows, np.int64)
        self.ended = np.zeros(rows, np.bool_)

    def __len__(self) -> int:
        return len(self.steps)

    def begin(self, rows: Sequence[int], limits: Sequence[int | None], seeds: Sequence[int]) -> None:
        """New episodes in `rows`."""
        index = list(rows)
        self.steps[index], self.ended[index] = 0, False
        self.limits[index] = [NO_LIMIT if limit is None else limit for limit in limits]
        self.seeds[index] = seeds

    def count(self, active: np.ndarray, terminated: np.ndarray, cut: np.ndarray | None = None) -> np.ndarray:
        """One more step for the active rows; which of them the time limit, or `cut`, ends. Who has ended stays so."""
        self.steps = self.steps + active
        truncated = active & (self.steps >= self.limits if cut is None else cut | (self.steps >= self.limits))
        self.ended = self.ended | truncated | terminated
        return truncated

    def select(self, rows: Sequence[int]) -> EpisodeBook:
        """A copy of some lines."""
        part = EpisodeBook(len(rows))
        for name in self.FIELDS:
            setattr(part, name, getattr(self, name)[list(rows)])
        return part

    def put(self, rows: Sequence[int], other: EpisodeBook) -> None:
        """Copy the lines of `other` over `rows`."""
        for name in self.FIELDS:
            getattr(self, name)[list(rows)] = getattr(other, name)
