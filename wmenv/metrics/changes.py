"""What change from step to step is usual in an episode, when acting and when not; other metrics measure against it.

Keeps the last 64 changes, and brings its figures up to date with every block of steps it is given.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np

VERSION = "changes-1"
KEPT = 64
ENOUGH = 16  # changes that must be known before their median means something
MAD_TO_SIGMA = 1.4826
IDLE_FLOOR = 0.25 / 255  # luma; a smaller change is rounding
IDLE_QUANTILE = 0.75
ENOUGH_IDLE = 4
UNIQUE_FACTOR = 1.5  # a frame is new when it changed by more than this times the idle change


class Changes:
    """The `median` and `spread` of all changes, and `idle`, the change that comes without acting."""

    def __init__(self) -> None:
        self.median = self.spread = 0.0
        self.idle = IDLE_FLOOR
        self._all: deque[float] = deque(maxlen=KEPT)
        self._idle: deque[float] = deque(maxlen=KEPT)
        self._acting = self._unique = 0

    @property
    def known(self) -> bool:
        """Whether enough was seen for `median` and `spread` to mean something."""
        return len(self._all) >= ENOUGH

    @property
    def unique_share(self) -> float | None:
        """The share of steps with an action after which the picture was a new one."""
        return self._unique / self._acting if self._acting else None

    def fold(self, change: np.ndarray, resting: np.ndarray) -> None:
        """Changes of consecutive steps; `resting` marks those at which nothing had been done for two steps or more."""
        acting = change[~resting]
        self._acting += len(acting)
        self._unique += int((acting > UNIQUE_FACTOR * self.idle).sum())
        self._all.extend(change.tolist())
        self._idle.extend(change[resting].tolist())
        self.median = median(self._all)
        self.spread = MAD_TO_SIGMA * median(abs(value - self.median) for value in self._all)
        if len(self._idle) >= ENOUGH_IDLE:
            self.idle = max(IDLE_FLOOR, sorted(self._idle)[int(IDLE_QUANTILE * len(self._idle))])
