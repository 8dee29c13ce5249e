"""One episode while it is made: everything that its row shows, until it is an `Episode`.

Copies what it keeps, so that no batch stays in memory for the sake of one row. Knows nothing of other rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from wmenv.contract import Direction, Outcome, Receipt, Start, WorldSpec
from wmenv.episodes import Directed, Episode

ROOM = 512  # frames that a reel holds at most; a longer episode moves to one of its own


def _idle() -> int:
    """References to a reel on a shelf that nobody looks at, as `take` counts them: how many the counting adds differs
    between Pythons."""
    for reel in [np.empty(0)]:
        return sys.getrefcount(reel)
    raise AssertionError


IDLE = _idle()


class Reels:
    """Memory for frames, used again when nobody holds what was in it: fresh pages cost more than copying into them."""

    def __init__(self, spec: WorldSpec, longest: int) -> None:
        self._shape = (min(ROOM, longest * spec.frames_per_step + 1), spec.height, spec.width, 3)
        self._shelf: list[np.ndarray] = []

    def take(self) -> np.ndarray:
        for reel in self._shelf:
            if sys.getrefcount(reel) <= IDLE:  # an episode whose frames are a view of it would be one more
                return reel
        self._shelf.append(np.empty(self._shape, np.uint8))
        return self._shelf[-1]


class Tape:
    """Records the row of one episode on a reel; `first` is the outcome of its opening, with that row alone."""

    def __init__(self, spec: WorldSpec, reel: np.ndarray, first: Outcome, words: str | None) -> None:
        self._spec = spec
        self._frames = reel
        self._length = 0
        self._keep(np.asarray(first.frames))
        self._actions: list[Any] = []
        self._rewards: list[float] = []
        self._audio: list[np.ndarray] = []
        self._pose = [np.array(first.pose[0], np.float32)] if first.pose is not None else []
        self._words = [] if words is None else [words]
        self._directed: list[Directed] = []

    def __len__(self) -> int:
        """How many steps were taken."""
        return len(self._actions)

    def add(self, action: Any, outcome: Outcome, row: int, reward: float | None, words: str | None) -> None:
        """A step that `row` of the batch took."""
        self._keep(outcome.frames[row : row + 1] if outcome.chunk is None else outcome.chunk[row])
        self._actions.append(action)
        if reward is not None:
            self._rewards.append(reward)
        if outcome.audio is not None:
            self._audio.append(np.array(outcome.audio[row], np.int16))
        if outcome.pose is not None:
            self._pose.append(np.array(outcome.pose[row], np.float32))
        if words is not None:
            self._words.append(words)

    def told(self, direction: Direction, receipt: Receipt | None) -> None:
        """The step just added came with a direction."""
        step, receipt = len(self) - 1, receipt or Receipt(True)
        self._directed.append(Directed(step, direction.text, receipt.applied, receipt.reason, direction.lock))

    def episode(
        self, terminated: bool, truncated: bool, seed: int, start: Start, metadata: Mapping[str, Any]
    ) -> Episode:
        """All of it."""
        return Episode(
            frames=self._frames[: self._length],
            actions=np.array(self._actions, np.float32 if self._spec.actions.kind == "box" else np.int64),
            spec=self._spec,
            rewards=np.array(self._rewards, np.float32) if self._rewards else None,
            terminated=terminated,
            truncated=truncated,
            directions=tuple(self._directed),
            audio=np.stack(self._audio) if self._audio else None,
            pose=np.stack(self._pose) if self._pose else None,
            words=tuple(self._words) if self._words else None,
            seed=seed,
            start=start,
            metadata=metadata,
        )

    def _keep(self, frames: np.ndarray) -> None:
        wanted = self._length + len(frames)
        if wanted > len(self._frames):
            bigger = np.empty((max(wanted, 2 * len(self._frames)), *self._frames.shape[1:]), np.uint8)
            bigger[: self._length] = self._frames[: self._length]
            self._frames = bigger
        self._frames[self._length : wanted] = frames
        self._length = wanted
