"""How many of torch's threads a step takes: torch's own choice, a number, or the quickest, found by trying.

More threads are quicker only where there is work for them: on a machine with many cores one row is often stepped faster
by a few. Sums may come out differently in their last bits on another number of threads, so a number that was found by
trying is used only where that was asked for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Literal

import torch

TRIES = 5


class Threads:
    """Holds torch to `wanted` threads while a step runs; `rehearse` makes one step of so many rows, to be timed."""

    def __init__(self, wanted: int | Literal["quickest"] | None, rehearse: Callable[[int], object]) -> None:
        self.wanted, self._rehearse = wanted, rehearse
        self._quickest: dict[int, int] = {}

    @contextlib.contextmanager
    def held(self, rows: int) -> Iterator[None]:
        """While it lasts, torch takes as many threads as a step of that many rows should."""
        if self.wanted is None:
            yield
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self._for(rows))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _for(self, rows: int) -> int:
        if isinstance(self.wanted, int):
            return self.wanted
        if rows not in self._quickest:
            counts = candidates(torch.get_num_threads())
            self._quickest[rows] = min(counts, key=lambda count: self._seconds(rows, count))
        return self._quickest[rows]

    def _seconds(self, rows: int, count: int) -> float:
        """The median of a few rehearsals on that many threads, after one that warms up."""
        torch.set_num_threads(count)
        spent = []
        for _ in range(TRIES + 1):
            begun = time.perf_counter()
            self._rehearse(rows)
            spent.append(time.perf_counter() - begun)
        return median(spent[1:])


def candidates(most: int) -> list[int]:
    """1, 2, 4 and so on, and all of them."""
    return sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})
