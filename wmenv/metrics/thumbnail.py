"""Small grey pictures of frames, cheap enough to make at every step: area means of luma on at most 36 x 64 cells.

Every online metric looks at these, so that a frame is read once. Knows nothing of time.
"""

from __future__ import annotations

import functools

import numpy as np

VERSION = "luma-36x64-1"
HEIGHT, WIDTH = 36, 64
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def area_weights(size: int, cells: int) -> np.ndarray:
    """The (cells, size) matrix that averages `size` pixels into `cells` equal stretches, split pixels shared.

    >>> (area_weights(3, 2) * 3).round(3).tolist()
    [[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    """
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * cells / size).astype(np.float32)


@functools.lru_cache(maxsize=32)
def _averaging(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What to multiply (H, W * 3) bytes by, from the left and from the right, for luma cells between 0 and 1."""
    across = area_weights(width, min(width, WIDTH))
    return area_weights(height, min(height, HEIGHT)), np.kron(across, LUMA / 255).T.copy()


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 frames as (N, h, w) float32 luma in 0..1, h <= 36 and w <= 64.

    A frame with more than four pixels per cell is read at every second, third, ... pixel first.
    """
    skip = max(1, min(frames.shape[1] // (2 * HEIGHT), frames.shape[2] // (2 * WIDTH)))
    frames = frames[:, ::skip, ::skip]
    count, height, width = frames.shape[:3]
    down, across = _averaging(height, width)
    rows = frames.reshape(count * height, width * 3).astype(np.float32) @ across
    return down @ rows.reshape(count, height, -1)


@functools.lru_cache(maxsize=32)
def _halving(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return area_weights(height, max(1, height // 2)), area_weights(width, max(1, width // 2)).T.copy()


def halved(thumbs: np.ndarray) -> np.ndarray:
    """The thumbnails at half the height and width."""
    down, across = _halving(*thumbs.shape[1:])
    return down @ thumbs @ across
