"""The interquartile mean of runs, and intervals that draw runs anew within each task.

A mean is swayed by one lucky run and a median by the middle one alone; the mean of the middle half stands between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wmenv.metrics.bootstrap import DRAWS
from wmenv.metrics.interval import Interval

VERSION = "iqm-1"


def iqm(values: np.ndarray) -> float:
    """The mean of what is left when a quarter of the values, rounded down, is cut off at either end.

    >>> iqm(np.array([0.0, 0.5, 0.6, 0.7, 9.0]))
    0.6
    """
    ordered = np.sort(np.asarray(values, dtype=float).ravel())
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def stratified(
    strata: Sequence[np.ndarray],
    statistic: Callable[[Sequence[np.ndarray]], float],
    draws: int = DRAWS,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`statistic` of all strata, with the percentile interval of runs drawn anew within each of them."""
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(stratum) for stratum in strata]
    drawn = [statistic([a[rng.integers(len(a), size=len(a))] for a in arrays]) for _ in range(draws)]
    return Interval(statistic(arrays), *bounds(np.array(drawn), confidence))


def bounds(drawn: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of draws, without those in which the statistic does not exist; NaN if it never does."""
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
