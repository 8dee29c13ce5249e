"""Flicker: how much the picture trembles while nothing is done, as the second difference of three frames in a row.

Steps in which the picture moves do not count: a late world may be carrying out old actions. A frozen picture does not
flicker, so read it beside responsiveness.
"""

from __future__ import annotations

from collections import deque

import numpy as np

VERSION = "flicker-1"
KEPT = 256
FLICKERING = 0.04  # luma; a median above this is called flicker


def second_difference(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Mean |c - 2b + a| of luma (N, h, w), for each n."""
    return np.abs(c - 2 * b + a).mean(axis=(1, 2))


class Flicker:
    """The last 256 idle second differences of one episode."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=KEPT)

    def fold(self, tremble: np.ndarray) -> None:
        self._kept.extend(tremble.tolist())

    @property
    def median(self) -> float | None:
        """None when the episode never rested for two steps."""
        return float(np.median(self._kept)) if self._kept else None
