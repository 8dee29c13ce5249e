"""Confidence intervals by resampling: whole units (episodes, scenes), or blocks of one autocorrelated series.

The draws are seeded, so the same values give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wmenv.metrics.interval import Interval

VERSION = "bootstrap-1"
DRAWS = 2000


def bootstrap(
    units: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    draws: int = DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`statistic` of `units` (first axis), with the percentile interval of units drawn with replacement."""
    units = np.asarray(units)
    picks = np.random.default_rng(seed).integers(len(units), size=(draws, len(units)))
    return _percentiles(float(statistic(units)), np.array([statistic(units[pick]) for pick in picks]), confidence)


def block_mean(
    series: np.ndarray, block: int | None = None, draws: int = DRAWS, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """The mean of a series whose neighbours are alike, resampled in circular blocks of about sqrt(n) values."""
    series = np.asarray(series, dtype=float)
    if (series == series[0]).all():
        return Interval(*[float(series[0])] * 3)  # whatever is drawn
    n = len(series)
    block = block or max(1, round(math.sqrt(n)))
    count = math.ceil(n / block)
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series[:block]]))])
    starts = np.random.default_rng(seed).integers(n, size=(draws, count))
    means = (sums[starts + block] - sums[starts]).sum(axis=1) / (count * block)
    return _percentiles(float(series.mean()), means, confidence)


def _percentiles(estimate: float, drawn: np.ndarray, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high))
