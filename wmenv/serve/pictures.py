"""Frames as a connection wants them: raw pixels, PNG or JPEG."""

from __future__ import annotations

import cv2
import numpy as np

JPEG_QUALITY = 90
EXTENSIONS = {"png": ".png", "jpeg": ".jpg"}
PARAMETERS = {"png": [cv2.IMWRITE_PNG_COMPRESSION, 1], "jpeg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]}


def encoded(frame: np.ndarray, codec: str) -> bytes:
    """One frame (height, width, 3) as bytes.

    >>> encoded(np.zeros((2, 3, 3), np.uint8), "raw") == bytes(18)
    True
    """
    if codec == "raw":
        return frame.tobytes()
    _, file = cv2.imencode(EXTENSIONS[codec], cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), PARAMETERS[codec])
    return file.tobytes()
