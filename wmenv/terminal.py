"""A world in a text terminal: frames as coloured half blocks, and keys as they are pressed.

Knows nothing of worlds and environments: frames come in, key names go out.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
from functools import partial
from typing import Self

import numpy as np

from wmenv.errors import UnsupportedError

HOME = "\x1b[H"
CLEAR = "\x1b[2J"
RESET = "\x1b[0m"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"

KEY_NAMES = {  # what a terminal sends -> the name a browser gives that key; letters name themselves
    "\x1b[A": "ArrowUp",
    "\x1b[B": "ArrowDown",
    "\x1b[C": "ArrowRight",
    "\x1b[D": "ArrowLeft",
    "\x1b": "Escape",
    "\t": "Tab",
    "\r": "Enter",
    "\n": "Enter",
    "\x7f": "Backspace",
}


def half_blocks(frame: np.ndarray) -> str:
    """A frame (H, W, 3 uint8) as text: each cell shows the pixel above in its ink and the one below in its paper.

    >>> half_blocks(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8)) == "\\x1b[38;2;255;0;0;48;2;0;0;255m▀\\x1b[0m"
    True
    """
    if len(frame) % 2:
        frame = np.concatenate([frame, np.zeros_like(frame[:1])])
    lines = []
    for above, below in zip(frame[::2].tolist(), frame[1::2].tolist(), strict=True):
        cells = (f"\x1b[38;2;{r};{g};{b};48;2;{R};{G};{B}m▀" for (r, g, b), (R, G, B) in zip(above, below, strict=True))
        lines.append("".join(cells) + RESET)
    return "\n".join(lines)


def fitted(frame: np.ndarray, columns: int, lines: int) -> np.ndarray:
    """The frame thinned by a whole factor, if it needs to be, until its half blocks fit into `columns` x `lines`."""
    height, width = frame.shape[:2]
    factor = max(-(-width // columns), -(-height // (2 * lines)), 1)
    return frame[::factor, ::factor]


class Terminal:
    """The terminal that started the process: shows one frame with a line of text below it, and reads keys.

    Keys come as they are pressed, without Return. Clears up behind itself.
    """

    def __enter__(self) -> Self:
        if not sys.stdin.isatty() or os.name != "posix":
            raise UnsupportedError("keys need a POSIX terminal. Use --window, or --script 'forward*10,left'.")
        import termios  # not on every system
        import tty

        self._file = sys.stdin.fileno()
        self._unbuffered = partial(tty.setcbreak, self._file)
        self._as_before = partial(termios.tcsetattr, self._file, termios.TCSADRAIN, termios.tcgetattr(self._file))
        self._unbuffered()
        sys.stdout.write(CLEAR + HIDE_CURSOR)
        return self

    def __exit__(self, *problem: object) -> None:
        self._as_before()
        sys.stdout.write(RESET + SHOW_CURSOR + "\n")
        sys.stdout.flush()

    def show(self, frame: np.ndarray, caption: str) -> None:
        """Draw over what was there."""
        columns, lines = shutil.get_terminal_size()
        picture = half_blocks(fitted(frame, columns, lines - 2))
        sys.stdout.write(f"{HOME}{picture}\n\x1b[K{caption[: columns - 1]}")
        sys.stdout.flush()

    def pressed(self, wait_s: float | None) -> str | None:
        """The key pressed within `wait_s` seconds, however long if None; the latest if several, None if none."""
        if not select.select([self._file], [], [], wait_s)[0]:
            return None
        return last_key(os.read(self._file, 1024).decode(errors="replace"))

    def ask(self, prompt: str) -> str:
        """A line of text, typed and ended with Return."""
        self._as_before()
        sys.stdout.write(f"\r\x1b[K{SHOW_CURSOR}")
        try:
            return input(prompt)
        finally:
            sys.stdout.write(HIDE_CURSOR)
            self._unbuffered()


def last_key(typed: str) -> str:
    """The name of the last key in what a terminal sent.

    >>> last_key("a"), last_key("ab\\x1b[D"), last_key(" ")
    ('a', 'ArrowLeft', ' ')
    """
    for sequence, name in KEY_NAMES.items():
        if typed.endswith(sequence):
            return name
    return typed[-1:].lower()
