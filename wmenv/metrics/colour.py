"""How far colours spread around grey. Sees a hue that turns where the mean does not: few coloured things on grey.

Blind to a turn of the hue of a picture that has all hues alike.
"""

from __future__ import annotations

import numpy as np

VERSION = "colour-1"
FEATURES = ("red_green_spread", "yellow_blue_spread")
USUAL = np.array([0.02, 0.02])  # as for the mean colours of image health


def colour_spread(frame: np.ndarray) -> np.ndarray:
    """The standard deviations of red-green and of yellow-blue of one (H, W, 3) uint8 frame.

    >>> grey = np.full((4, 4, 3), 90, np.uint8)
    >>> colour_spread(grey).tolist()
    [0.0, 0.0]
    """
    red, green, blue = np.moveaxis(frame.astype(np.float32) / 255, -1, 0)
    return np.array([(red - green).std(), ((red + green) / 2 - blue).std()])
