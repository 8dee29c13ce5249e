"""How different two frames are, without learned weights. Each distance has a name and a version for the reports.

`ThumbnailL1` is for every step; `MultiScale` (msgc-1) sees structure and colour and is for probes. Neither forgives a
picture that is shifted by a few pixels.
"""

from __future__ import annotations

import functools
from typing import Protocol

import numpy as np

from wmenv.metrics.thumbnail import LUMA, area_weights, thumbnails

SCALES = 3
WINDOW = 5  # side of the box that SSIM compares
CHROMA_WEIGHT = 2.0
CHROMA_CELL = 4  # pixels
STABLE_MEAN, STABLE_VARIANCE = 0.01**2, 0.03**2  # keep SSIM finite on flat regions, as is usual


class Distance(Protocol):
    """A number for each pair of frames (N, H, W, 3) uint8: 0 for equal ones, more for more different ones."""

    name: str
    version: str

    @property
    def weights_sha256(self) -> str | None:
        """Which learned weights it rests on, if any."""

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(N,) distances between `a` and `b`."""


class ThumbnailL1:
    """Mean absolute difference of luma thumbnails, 0..1.

    >>> black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    >>> ThumbnailL1()(black, white).round(3).tolist()
    [1.0]
    """

    name, version, weights_sha256 = "thumbnail-l1", "1", None

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs(thumbnails(a) - thumbnails(b)).mean(axis=(1, 2))


class MultiScale:
    """Half of what SSIM over three scales of luma misses, plus the opponent-colour difference on 4 x 4 cells."""

    name, version, weights_sha256 = "msgc", "1", None

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = (frames.astype(np.float32) / 255 for frames in (a, b))
        structure = structure_similarity(a @ LUMA, b @ LUMA)
        colour = np.abs(opponents(a) - opponents(b)).mean(axis=(1, 2, 3))
        return (1 - structure) / 2 + CHROMA_WEIGHT * colour


def structure_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM of luma (N, H, W) in 0..1, averaged over pixels and over scales that halve each time."""
    total: np.ndarray = np.zeros(len(a))
    for scale in range(SCALES):
        if scale:
            a, b = (_shrunk(_shrunk(luma, 1, 2), 2, 2) for luma in (a, b))
        total += ssim(a, b).mean(axis=(1, 2))
    return total / SCALES


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The SSIM map of luma (N, H, W) in 0..1."""

    down, across = (_box(size) for size in a.shape[1:])

    def around(x: np.ndarray) -> np.ndarray:
        return down @ x @ across.T

    mean_a, mean_b = around(a), around(b)
    var_a, var_b = around(a * a) - mean_a**2, around(b * b) - mean_b**2
    both = around(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + STABLE_MEAN) / (mean_a**2 + mean_b**2 + STABLE_MEAN)
    return light * (2 * both + STABLE_VARIANCE) / (var_a + var_b + STABLE_VARIANCE)


@functools.lru_cache(maxsize=32)
def _box(size: int) -> np.ndarray:
    """The (size, size) matrix that averages `WINDOW` neighbours along one axis, mirrored at the edges."""
    half = WINDOW // 2
    mirrored = np.pad(np.eye(size, dtype=np.float32), ((half, half), (0, 0)), mode="symmetric")
    return np.stack([mirrored[k : k + size] for k in range(WINDOW)]).mean(axis=0)


def opponents(frames: np.ndarray) -> np.ndarray:
    """Red-green and yellow-blue of frames in 0..1, averaged on cells: (N, h, w, 2)."""
    red, green, blue = np.moveaxis(frames, -1, 0)
    pair = np.stack([red - green, (red + green) / 2 - blue], axis=-1)
    return _shrunk(_shrunk(pair, 1, CHROMA_CELL), 2, CHROMA_CELL)


def _shrunk(array: np.ndarray, axis: int, factor: int) -> np.ndarray:
    size = array.shape[axis]
    weights = area_weights(size, max(1, size // factor))
    return np.moveaxis(np.tensordot(weights, array, axes=(1, axis)), 0, axis)
