"""Faults of delivery: the world may be sound, but what arrives is late, garbage or missing."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wmenv.worlds.broken.fault import Fault, Moment


@dataclass(frozen=True)
class Stalls(Fault):
    """Now and then, every `every` steps, a step takes `ms` milliseconds longer."""

    every: int = 50
    ms: float = 300.0

    def before(self, moment: Moment) -> None:
        if (moment.own["clock"] % self.every == 0).any():
            time.sleep(self.ms / 1000)


@dataclass(frozen=True)
class NanFrames(Fault):
    """From step `at` on the network has diverged: pictures are the black that NaN becomes in uint8, numbers are NaN."""

    at: int = 20

    def after(self, moment: Moment) -> None:
        rows = np.flatnonzero(moment.own["clock"] >= self.at)
        moment.show_instead(np.zeros_like(moment.outcome.frames[rows]), rows)
        reward, pose = (with_nan(value, rows) for value in (moment.outcome.reward, moment.outcome.pose))
        moment.outcome = replace(moment.outcome, reward=reward, pose=pose)


@dataclass(frozen=True)
class NeverRewards(Fault):
    """Whatever is achieved, the reward is 0."""

    needs: ClassVar[tuple[str, ...]] = ("reward",)

    def after(self, moment: Moment) -> None:
        moment.outcome = replace(moment.outcome, reward=np.zeros(moment.rows, np.float32))


def with_nan(numbers: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """A copy of what there is, with NaN in these rows."""
    if numbers is None:
        return None
    numbers = numbers.copy()
    numbers[rows] = np.nan
    return numbers
