"""U1: how far a world disagrees with itself about the next frame when only its chances are renewed.

A world that is surely wrong agrees with itself; what is new and open is no mistake. So it is a reason for doubt, not a
measure of error: G8 of the paired benchmark says how much it is worth for a given world.
"""

from __future__ import annotations

import numpy as np

from wmenv.metrics.thumbnail import thumbnails

VERSION = "u1-rms-1"


def disagreement(frames: np.ndarray) -> np.ndarray:
    """Of (twins, rows, H, W, 3) uint8 next frames, each row's spread among twins: root mean variance of luma, 0..1.

    >>> same = np.full((2, 1, 40, 40, 3), 90, np.uint8)
    >>> other = np.stack([same[0], 255 - same[0]])
    >>> [round(float(disagreement(twins)[0]), 3) for twins in (same, other)]
    [0.0, 0.147]
    """
    twins, rows = frames.shape[:2]
    looks = thumbnails(frames.reshape(twins * rows, *frames.shape[2:])).reshape(twins, rows, -1)
    return np.sqrt(looks.var(axis=0).mean(axis=-1))
