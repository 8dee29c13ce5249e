"""Directions that wait for the next step: what is said or played between two steps changes the world with the second.

Each row takes one per step, in the order they came. Knows nothing of what a direction means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wmenv.contract import Direction, Directions, WorldSpec
from wmenv.errors import DirectionError

LONGEST = 500  # characters; nobody directs in more, and an endless text should not reach a text encoder
MOST_STEPS = 100  # that one sound may last
A_SOUND = "(a sound)"  # what records call a direction that was played


def checked_text(text: object) -> str:
    """`text` if a world can be asked to read it, or a named error."""
    if not isinstance(text, str) or not text.strip():
        raise DirectionError(f"a direction is text that says what changes, got {text!r}.")
    if len(text) > LONGEST:
        raise DirectionError(f"a direction has at most {LONGEST} characters, got {len(text)}: {text[:40]!r}...")
    if not text.isprintable():
        raise DirectionError(f"a direction is one line of printable text, got {text[:80]!r}.")
    return text


def checked_direction(text: object, lock: Any, spec: WorldSpec) -> Direction:
    """What was typed as the world can be asked to take it, or a named error."""
    direction = Direction(checked_text(text), lock).check(spec)
    if direction.lock is None:
        return direction
    top, left, height, width = map(int, direction.lock)  # numpy's numbers are none that a snapshot's JSON can hold
    return replace(direction, lock=(top, left, height, width))


def checked_sound(pcm: object, spec: WorldSpec) -> list[Direction]:
    """A sound as the world can be asked to hear it, one direction per step, or a named error."""
    sound, samples = np.asarray(pcm), spec.audio.samples if spec.audio else 0
    if sound.dtype != np.int16 or sound.ndim != 1 or not 0 < len(sound) <= MOST_STEPS * samples:
        raise DirectionError(
            f"a sound for {spec.name!r} is int16 of shape (n,), {samples} samples a step and at most {MOST_STEPS} "
            f"steps; got {sound.dtype} {sound.shape}."
        )
    steps = np.pad(sound, (0, -len(sound) % samples)).reshape(-1, samples)
    return [Direction(A_SOUND, sound=step.astype("<i2").tobytes()) for step in steps]


class DirectionQueue:
    """What waits, for each row."""

    def __init__(self, rows: int) -> None:
        self._waiting: list[tuple[Direction, ...]] = [()] * rows

    def add(self, direction: Direction, rows: Sequence[int]) -> None:
        for row in rows:
            self._waiting[row] += (direction,)

    def take(self, active: np.ndarray) -> Directions:
        """The next direction of every active row; the others keep theirs."""
        taken: list[Direction | None] = [None] * len(self._waiting)
        if not any(self._waiting):
            return taken
        for row, waiting in enumerate(self._waiting):
            if waiting and active[row]:
                taken[row], self._waiting[row] = waiting[0], waiting[1:]
        return taken

    def waiting(self, row: int) -> tuple[Direction, ...]:
        return self._waiting[row]

    def replace(self, row: int, waiting: tuple[Direction, ...] = ()) -> None:
        self._waiting[row] = waiting
