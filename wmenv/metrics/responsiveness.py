"""Does what is shown follow what is done? The share of motion that actions explain (omega squared), and how late.

Circular shifts of the actions against the motion give the level that chance reaches, with the same search over lags,
and one Fourier transform gives all shifts at once. Autonomous or random motion scores near 0, a still picture 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmenv.contract import ActionTable

VERSION = "omega2-1"
MAX_LAG = 10  # steps
MIN_STEPS = 64
GUARD = 8  # shifts beyond the searched lags that may still carry a true effect
CHANCE = 0.95  # quantile of the shifted maxima
UNRESPONSIVE = 0.10  # below this, or below chance, a world is said to ignore its actions
BOX_LEVELS = 3  # a continuous field counts as low, middle or high


@dataclass(frozen=True)
class Responsiveness:
    """Omega squared at its best lag, that lag in steps (None in a world that does not respond), and chance's level."""

    omega2: float
    lag: int | None
    chance: float


def action_classes(table: ActionTable, actions: np.ndarray) -> np.ndarray:
    """One small whole number per action: its index, or its combination of fields."""
    if table.kind == "discrete":
        return np.asarray(actions)
    if table.kind == "multi_discrete":
        return np.ravel_multi_index(tuple(np.asarray(actions).T), table.sizes)
    low, high = np.array(table.low), np.array(table.high)
    level = np.clip((np.asarray(actions) - low) / (high - low) * BOX_LEVELS, 0, BOX_LEVELS - 1).astype(np.int64)
    return level @ BOX_LEVELS ** np.arange(level.shape[1])


def omega_squared(classes: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Omega squared of each feature (N, D) by class, for every circular shift of the classes: (N, D)."""
    n = len(classes)
    kinds, which = np.unique(classes, return_inverse=True)
    centred = features - features.mean(axis=0)
    total = (centred**2).sum(axis=0)
    member = np.fft.rfft((which == np.arange(len(kinds))[:, None]).astype(float), axis=1)  # (A, n/2+1)
    moved = np.fft.rfft(centred, axis=0)
    sums = np.fft.irfft(moved[None] * member.conj()[:, :, None], n=n, axis=1)  # per class and shift
    between = (sums**2 / np.bincount(which)[:, None, None]).sum(axis=0)
    within = (total - between) / (n - len(kinds))
    return np.where(total > 1e-9 * n, (between - (len(kinds) - 1) * within) / np.maximum(total + within, 1e-12), 0.0)


def responsiveness(classes: np.ndarray, features: np.ndarray) -> Responsiveness | None:
    """How much of the motion `features` (N, D) the actions explain; None with fewer than 64 steps or one class only.

    Feature t is what was seen after action t. The best feature counts, here and in the level of chance.
    """
    kinds = len(np.unique(classes))
    if len(classes) < MIN_STEPS or kinds < 2 or kinds > len(classes) // 4:
        return None
    best = omega_squared(classes, np.asarray(features, dtype=float)).max(axis=1)
    lags = best[: MAX_LAG + 1]
    elsewhere = np.lib.stride_tricks.sliding_window_view(best[MAX_LAG + GUARD : len(best) - GUARD], len(lags))
    chance = float(np.quantile(elsewhere.max(axis=1), CHANCE))
    omega2 = float(max(lags.max(), 0.0))
    lag = int(lags.argmax()) if omega2 > max(chance, UNRESPONSIVE) else None
    return Responsiveness(omega2, lag, max(chance, 0.0))


class MotionSeries:
    """The last 2048 watched steps of an episode: what was done, and what moved."""

    CAPACITY = 2048
    FEATURES = 3  # shift down, shift right, size of the change

    def __init__(self) -> None:
        self._classes = np.zeros(self.CAPACITY, np.int64)
        self._features = np.zeros((self.CAPACITY, self.FEATURES), np.float32)
        self._count = 0

    def fold(self, classes: Sequence[int], dy: np.ndarray, dx: np.ndarray, change: np.ndarray) -> None:
        at = np.arange(self._count, self._count + len(classes)) % self.CAPACITY
        self._classes[at] = classes
        self._features[at] = np.stack([dy, dx, change], axis=1)
        self._count += len(classes)

    def measure(self) -> Responsiveness | None:
        order = np.arange(max(0, self._count - self.CAPACITY), self._count) % self.CAPACITY
        return responsiveness(self._classes[order], self._features[order])
