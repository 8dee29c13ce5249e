"""Rows of one world under way: acts on all of them at once, forks them, and keeps the picture shown last.

A take knows how to act and to look. What to do, and what it means, is the probes' business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from wmenv.contract import Direction, Outcome, Receipt, Start, State, World, no_directions
from wmenv.runtime import to_host

SIDE = 128  # pixels; larger pictures are averaged down to at most about this before they are compared
Meter = Callable[[int], None]  # is told how many row-steps were taken


def ignore(row_steps: int) -> None:
    """A meter for whoever does not care."""


class Take:
    """`frames` are the pictures shown last (rows, H, W, 3) uint8, `over` the rows that have ended."""

    def __init__(self, world: World, state: State, frames: np.ndarray, over: np.ndarray, meter: Meter = ignore) -> None:
        self.world, self.state, self.frames, self.over, self._meter = world, state, frames, over, meter
        self.receipts: Sequence[Receipt | None] = [None] * len(over)
        self.outcome: Outcome | None = None
        self.seconds = 0.0  # that the last step took

    @classmethod
    def opened(cls, world: World, starts: Sequence[Start], seeds: Sequence[int], meter: Meter = ignore) -> Self:
        """New rows."""
        state, outcome = world.open(starts, seeds)
        return cls(world, state, to_host(outcome.frames), np.zeros(len(seeds), bool), meter)

    def __len__(self) -> int:
        return len(self.over)

    @property
    def view(self) -> np.ndarray:
        """The pictures shown last, small enough to compare."""
        return reduced(self.frames)

    def act(self, actions: int | np.ndarray, directions: Sequence[str | None] | None = None) -> Self:
        """One step of every row; one action may stand for all."""
        rows = len(self)
        wishes = (
            no_directions(rows) if directions is None else [Direction(text) if text else None for text in directions]
        )
        chosen = np.array(actions)
        if chosen.ndim < 2:  # else every row has fields of its own
            chosen = np.broadcast_to(chosen, (rows,)).copy()
        began = time.perf_counter()
        self.state, outcome = self.world.advance(self.state, chosen, wishes)
        self.frames = to_host(outcome.frames)
        self.seconds = time.perf_counter() - began
        self.outcome, self.receipts = outcome, outcome.receipts or [None] * rows
        if outcome.terminated is not None:
            self.over = self.over | to_host(outcome.terminated).astype(bool)
        self._meter(rows)
        return self

    def repeat(self, actions: int | np.ndarray, times: int | np.ndarray, rest: int) -> Self:
        """Each row acts its own number of `times`, all at once; a row that is done does `rest` until the last is."""
        times = np.broadcast_to(times, (len(self),))
        for step in range(int(times.max(initial=0))):
            self.act(np.where(step < times, actions, rest))
        return self

    def select(self, rows: Sequence[int] | np.ndarray) -> Take:
        """An independent copy of some rows; a row may be asked for more than once."""
        index = np.asarray(rows, np.int64)
        state = self.state.select(index.tolist())
        return Take(self.world, state, self.frames[index], self.over[index], self._meter)

    def fork(self) -> Take:
        """An independent copy of every row: same past, own future."""
        return self.select(np.arange(len(self)))

    def reseeded(self, seeds: Sequence[int]) -> Take:
        """A copy whose past is the same and whose chances from now on are those of other seeds."""
        moments = [self.state.select([row]).to_bytes() for row in range(len(self))]
        state, _ = self.world.open([Start(moment=moment) for moment in moments], seeds)
        return Take(self.world, state, self.frames.copy(), self.over.copy(), self._meter)


def joined(takes: Sequence[Take]) -> Take:
    """The rows of several takes as those of one. The parts stay usable."""
    first = takes[0]
    state = type(first.state).concat([take.state for take in takes])
    frames, over = (np.concatenate([getattr(take, part) for take in takes]) for part in ("frames", "over"))
    return Take(first.world, state, frames, over, first._meter)


def reduced(frames: np.ndarray) -> np.ndarray:
    """Frames averaged over square cells until they are about `SIDE` pixels high and wide; small ones stay."""
    factor = max(1, -(-max(frames.shape[-3:-1]) // SIDE))
    if factor == 1:
        return frames
    height, width = (size // factor for size in frames.shape[-3:-1])
    cut = frames[..., : height * factor, : width * factor, :]
    cells = cut.reshape(*frames.shape[:-3], height, factor, width, factor, 3)
    return np.rint(cells.mean(axis=(-4, -2))).astype(np.uint8)
