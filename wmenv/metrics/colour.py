"""Which way the colours of a picture lean, however few there are. Sees a hue that turns where mean colours hardly move.

Blind to a turn of the hue of a picture that has all hues alike.
"""

from __future__ import annotations

import numpy as np

VERSION = "colour-1"
USUAL = 0.1  # length of a change of the lean that counts as usual
GREY = 0.002  # mean distance from grey at which colours count half


def lean(frame: np.ndarray) -> np.ndarray:
    """(2,) the mean colour, as red-green and yellow-blue, by the mean distance from grey of one (H, W, 3) uint8 frame.

    >>> red = np.full((4, 4, 3), (200, 0, 0), np.uint8)
    >>> lean(red).round(2), lean(red[..., [2, 0, 1]]).round(2)
    (array([0.89, 0.45], dtype=float32), array([-0.89,  0.45], dtype=float32))
    """
    red, green, blue = np.moveaxis(frame.astype(np.float32) / 255, -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue])
    return opponents.mean(axis=(1, 2)) / (np.hypot(*opponents).mean() + GREY)
