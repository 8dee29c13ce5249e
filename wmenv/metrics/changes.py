"""What change from step to step is usual in an episode, when acting and when not; other metrics measure against it.

A change is a jump when no shift of the picture explains it. Worlds whose ordinary moves are jumps (whole-view turns)
are not `smooth`, and metrics that look for odd jumps have nothing to say of them.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np

VERSION = "changes-2"
KEPT = 64
MAD_TO_SIGMA = 1.4826
IDLE_FLOOR = 0.25 / 255  # luma; a smaller change is rounding
ENOUGH_IDLE = 4
MOVED = 2.0  # times the idle change
UNEXPLAINED = 0.4  # share of the squared change that the best shift leaves
SMOOTH = 0.15  # share of moves that may be jumps
ENOUGH_MOVES = 24
UNIQUE_FACTOR = 1.5  # a frame is new when it changed by more than this times the idle change


class Changes:
    """The `median` and `spread` of all changes, and `idle`, the change that comes without acting."""

    def __init__(self) -> None:
        self.median = self.spread = 0.0
        self.idle = IDLE_FLOOR
        self._all: deque[float] = deque(maxlen=KEPT)
        self._idle: deque[float] = deque(maxlen=KEPT)
        self._acting = self._unique = self._moves = self._jumps = 0

    @property
    def smooth(self) -> bool:
        """Whether ordinary moves are known to be shifts, so that a jump is out of the ordinary."""
        return self._moves >= ENOUGH_MOVES and self._jumps <= SMOOTH * self._moves

    def jumps(self, change: np.ndarray, unexplained: np.ndarray) -> np.ndarray:
        """Which of these steps changed the picture in a way that no shift explains."""
        return (change > MOVED * self.idle) & (unexplained > UNEXPLAINED)

    @property
    def unique_share(self) -> float | None:
        """The share of steps with an action after which the picture was a new one."""
        return self._unique / self._acting if self._acting else None

    def fold(self, change: np.ndarray, jumped: np.ndarray, resting: np.ndarray, still: np.ndarray) -> None:
        """Changes of consecutive steps, and which of them were jumps.

        `resting` marks those at which nothing had been done for two steps or more, `still` those of them in which the
        picture did not move either: a late world may be carrying out old actions.
        """
        acting = change[~resting]
        self._acting += len(acting)
        self._unique += int((acting > UNIQUE_FACTOR * self.idle).sum())
        self._moves += int((change > MOVED * self.idle).sum())
        self._jumps += int(jumped.sum())
        self._all.extend(change.tolist())
        self._idle.extend(change[still].tolist())
        self.median = median(self._all)
        self.spread = MAD_TO_SIGMA * median(abs(value - self.median) for value in self._all)
        if len(self._idle) >= ENOUGH_IDLE:
            self.idle = max(IDLE_FLOOR, median(self._idle))
