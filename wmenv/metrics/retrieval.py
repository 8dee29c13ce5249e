"""Which of several pictures is this one? Forgives a shift of a few pixels, for all candidates alike.

A generated world may come back a pixel or two beside where it left, which no absolute distance forgives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmenv.metrics.distance import Distance
from wmenv.metrics.thumbnail import LUMA

VERSION = "retrieval-1"
REACH = 3  # pixels searched in each direction


def aligned(distance: Distance, a: np.ndarray, b: np.ndarray, reach: int = REACH) -> np.ndarray:
    """(N,) distances between the middles of `a` and those parts of `b` (N, H, W, 3) that fit them best."""
    dy, dx = best_shift(a @ LUMA, b @ LUMA, reach)
    height, width = a.shape[1] - 2 * reach, a.shape[2] - 2 * reach
    parts = [b[n, y : y + height, x : x + width] for n, (y, x) in enumerate(zip(dy, dx, strict=True))]
    return distance(a[:, reach : reach + height, reach : reach + width], np.stack(parts))


def best_shift(a: np.ndarray, b: np.ndarray, reach: int = REACH) -> tuple[np.ndarray, np.ndarray]:
    """The corners in `b` (N, H, W), from 0 to 2 * `reach`, of the part most like the middle of `a`."""
    height, width = a.shape[1] - 2 * reach, a.shape[2] - 2 * reach
    middle = a[:, reach : reach + height, reach : reach + width]
    span = 2 * reach + 1
    errors = np.stack(
        [
            ((b[:, y : y + height, x : x + width] - middle) ** 2).mean(axis=(1, 2))
            + 1e-6 * np.hypot(y - reach, x - reach)  # of equal shifts the shortest
            for y in range(span)
            for x in range(span)
        ]
    )
    best = errors.argmin(axis=0)
    return best // span, best % span


def nearest(distance: Distance, queries: np.ndarray, candidates: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Per query the index of the candidate it is nearest to, and its distance to each (candidates, N)."""
    apart = np.stack([aligned(distance, queries, candidate) for candidate in candidates])
    return apart.argmin(axis=0), apart
