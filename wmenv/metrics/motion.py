"""How the picture moved from one step to the next: its best shift, and how much of the change that shift explains.

A search over squared differences of half thumbnails; phase correlation was dropped because blur blinds it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

VERSION = "ssd-18x32-4"
REACH = 4  # cells of the half thumbnail searched in each direction
STILL = 1e-7  # mean squared luma difference below which nothing changed
BIAS = 1e-9  # added per cell of shift, so that of equal shifts the shortest wins


class Motion(NamedTuple):
    """Per row: the shift in cells (down and right positive), and the share of squared change it leaves unexplained."""

    dy: np.ndarray
    dx: np.ndarray
    unexplained: np.ndarray


@functools.lru_cache(maxsize=32)
def _places(height: int, width: int) -> tuple[slice, slice, np.ndarray, np.ndarray]:
    """The middle of a (height, width) picture; the flat pixels of each place it may go to; the bias of each place."""
    reach = min(REACH, (min(height, width) - 1) // 3)
    rows, columns = (np.arange(size - 2 * reach) for size in (height, width))
    steps = np.arange(2 * reach + 1)
    down, right = np.add.outer(steps, rows), np.add.outer(steps, columns)
    pixels = down[:, None, :, None] * width + right[None, :, None, :]
    bias = BIAS * np.hypot(steps[:, None] - reach, steps - reach).ravel().astype(np.float32)
    return slice(reach, height - reach), slice(reach, width - reach), pixels.ravel(), bias


def motion(before: np.ndarray, after: np.ndarray) -> Motion:
    """The shift that turns `before` into `after`, both (N, h, w) luma; a picture that stays has none, all explained."""
    count, height, width = before.shape
    rows, columns, pixels, bias = _places(height, width)
    reach, span, middle = rows.start, 2 * rows.start + 1, before[:, rows, columns].reshape(count, 1, -1)
    apart = after.reshape(count, -1).take(pixels, axis=1).reshape(count, span * span, -1)
    apart -= middle
    errors = np.einsum("npi,npi->np", apart, apart) / middle.shape[2] + bias
    best = errors.argmin(axis=1)
    unmoved = errors[:, reach * span + reach]
    unexplained = np.where(unmoved > STILL, errors.min(axis=1) / np.maximum(unmoved, STILL), 0.0)
    return Motion(best // span - reach, best % span - reach, unexplained)
