"""A world in a window of OpenCV: frames enlarged, and keys as they are pressed.

Knows nothing of worlds and environments: frames come in, key names go out.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Self

import numpy as np

from wmenv.errors import UnsupportedError

SIDE = 560  # pixels that the longer side of a small frame is enlarged to
FOREVER_S = 0.1  # how long one wait for a key takes when the caller has all the time
KEY_NAMES = {  # OpenCV's codes (GTK and Qt, then Windows, then macOS) -> the names a browser gives these keys
    **dict.fromkeys((65361, 2424832, 63234), "ArrowLeft"),
    **dict.fromkeys((65362, 2490368, 63232), "ArrowUp"),
    **dict.fromkeys((65363, 2555904, 63235), "ArrowRight"),
    **dict.fromkeys((65364, 2621440, 63233), "ArrowDown"),
    27: "Escape",
    13: "Enter",
    10: "Enter",
    9: "Tab",
    8: "Backspace",
}


class Window:
    """One window that shows a frame at a time. Closing it counts as Escape."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __enter__(self) -> Self:
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise UnsupportedError("there is no display to open a window on. Leave --window out.")  # OpenCV would abort
        import cv2

        self._cv2 = cv2
        cv2.namedWindow(self._title, cv2.WINDOW_AUTOSIZE)
        return self

    def __exit__(self, *problem: object) -> None:
        self._cv2.destroyAllWindows()

    def show(self, frame: np.ndarray, caption: str) -> None:
        """Draw over what was there; the caption becomes the title."""
        factor = max(1, SIDE // max(frame.shape[:2]))
        enlarged = frame.repeat(factor, axis=0).repeat(factor, axis=1)
        self._cv2.imshow(self._title, enlarged[:, :, ::-1])
        self._cv2.setWindowTitle(self._title, f"{self._title}  {caption}")

    def pressed(self, wait_s: float | None) -> str | None:
        """The key pressed within `wait_s` seconds, however long if None; None if there was none."""
        deadline = None if wait_s is None else time.monotonic() + wait_s
        while True:
            left_s = FOREVER_S if deadline is None else deadline - time.monotonic()
            key = self._cv2.waitKeyEx(max(1, round(1000 * left_s)))
            if self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
                return "Escape"
            if key >= 0:
                return KEY_NAMES.get(key, chr(key & 0xFF).lower())
            if deadline is not None and time.monotonic() >= deadline:
                return None

    def ask(self, prompt: str) -> str:
        """A line of text, typed into the terminal."""
        return input(prompt)
