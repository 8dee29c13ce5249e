"""Recorded beginnings for a DIAMOND world: a few frames of a real game and the actions between them.

A released checkpoint holds weights only, and the model continues a past that it must be given. A bank is a plain
safetensors file; any recording of the game at the model's size makes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file, save_file

from wmenv.errors import CheckpointError


@dataclass(frozen=True)
class StartBank:
    """`frames` (starts, history, H, W, 3) uint8, oldest first; `actions` (starts, history - 1) taken between them."""

    frames: np.ndarray
    actions: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def save(self, path: str | Path) -> None:
        """Write the bank to a safetensors file."""
        save_file({"frames": self.frames, "actions": self.actions.astype(np.int64)}, path)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The bank in a file that `save` wrote."""
        try:
            return cls(**load_file(path))
        except Exception as problem:  # a missing file, foreign names and damage are one story to the reader
            raise CheckpointError(
                f"{path} is no bank of starts ({problem}). Write one with StartBank.save()."
            ) from problem

    def check(self, history: int, size: int, actions: int) -> Self:
        """This bank, or a named error if a model of that history, frame size and number of actions cannot use it."""
        wanted = (history, size, size, 3)
        if self.frames.dtype != np.uint8 or self.frames.shape[1:] != wanted or not len(self):
            raise CheckpointError(
                f"starts need uint8 frames of (n, {wanted}), got {self.frames.dtype} {self.frames.shape}."
            )
        if self.actions.shape != (len(self), history - 1):
            raise CheckpointError(f"starts need {history - 1} actions each, got {self.actions.shape}.")
        if not ((self.actions >= 0) & (self.actions < actions)).all():
            raise CheckpointError(f"an action in the starts is outside 0..{actions - 1}.")
        return self

    @classmethod
    def blank(cls, history: int, size: int) -> Self:
        """One start of black frames in which nothing was done."""
        return cls(np.zeros((1, history, size, size, 3), np.uint8), np.zeros((1, history - 1), np.int64))
