"""How fast and how evenly steps come: latency, lateness against the slot, jitter, stutters, real-time factor.

Works on the times of finished steps in nanoseconds. Late is measured from the slot a step was meant for, so a stall
is charged to every step it pushes back. Knows nothing of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.metrics.bootstrap import block_mean
from wmenv.metrics.quantiles import quantile_record

VERSION = "latency-1"
STUTTER_WINDOW = 19  # steps around a step that say what is usual
STUTTER_FACTOR = 2.0
MISS_DRAWS = 400
STALLING = 3.0  # stutters per 1000 steps, lower end of the interval, above which a world is said to stall


@dataclass(frozen=True)
class Times:
    """When each step of an episode was meant for, accepted and ready, in monotonic nanoseconds."""

    intended: np.ndarray
    accepted: np.ndarray
    ready: np.ndarray

    def __len__(self) -> int:
        return len(self.ready)

    @property
    def latency_ms(self) -> np.ndarray:
        return (self.ready - self.accepted) / 1e6

    @property
    def late_ms(self) -> np.ndarray:
        return (self.ready - self.intended) / 1e6

    @property
    def paced(self) -> bool:
        """Whether a schedule said when steps were due; without one, each is due when it is asked for."""
        return bool((self.intended != self.accepted).any())

    @property
    def between_ms(self) -> np.ndarray:
        """Between one step's bytes and the next one's, with whatever the agent did in that time."""
        return np.diff(self.ready) / 1e6

    @property
    def period_ms(self) -> np.ndarray:
        """What one step's bytes came after the last one's; what the agent did is left out where no schedule ran."""
        return self.between_ms if self.paced else self.latency_ms[1:]


def misses(late_ms: np.ndarray, slot_ms: float) -> dict[str, Any]:
    """The share of steps that came after the end of their slot, and how far over they were on average, in slots."""
    if not len(late_ms):
        return {"rate": None, "rate_ci": None, "mean_overrun_slots": None, "n": 0}
    missed = late_ms > slot_ms
    rate = block_mean(missed, draws=MISS_DRAWS)
    overrun = float((late_ms[missed] / slot_ms - 1).mean()) if missed.any() else 0.0
    return {
        "rate": rate.estimate,
        "rate_ci": [rate.low, rate.high],
        "mean_overrun_slots": overrun,
        "n": len(late_ms),
    }


def jitter_ms(period_ms: np.ndarray) -> float | None:
    """How much a period usually differs from the one before."""
    return float(np.median(np.abs(np.diff(period_ms)))) if len(period_ms) > 1 else None


def stutters(period_ms: np.ndarray, slot_ms: float) -> int | None:
    """How many periods last over twice the median of those around them, and longer than a slot, or nobody would see it.

    None when there are too few to say.
    """
    if len(period_ms) < STUTTER_WINDOW:
        return None
    if not (period_ms > slot_ms).any():
        return 0
    half = STUTTER_WINDOW // 2
    around = np.lib.stride_tricks.sliding_window_view(np.pad(period_ms, half, mode="reflect"), STUTTER_WINDOW)
    usual = np.median(around, axis=1)
    return int(((period_ms > STUTTER_FACTOR * usual) & (period_ms > slot_ms)).sum())


def real_time_factor(times: Times, slot_ms: float) -> float | None:
    """World time made per wall time spent, from the first accepted action on; 1 is real time."""
    if not len(times):
        return None
    wall_ms = (times.ready[-1] - times.accepted[0]) / 1e6
    return float(len(times) * slot_ms / wall_ms) if wall_ms > 0 else None


def pace_record(times: Times, slot_ms: float) -> dict[str, Any]:
    """Everything the clock says of one episode, as its record shows it."""
    period, between = times.period_ms, times.between_ms
    return {
        "paced": times.paced,
        "latency_ms": quantile_record(times.latency_ms),
        "latency_from_intended_ms": quantile_record(times.late_ms),
        "misses": misses(times.late_ms, slot_ms),
        "jitter_ms": jitter_ms(period),
        "stutters": stutters(period, slot_ms),
        "steps_per_second": 1e3 / float(between.mean()) if len(between) and between.mean() > 0 else None,
        "real_time_factor": real_time_factor(times, slot_ms),
    }
