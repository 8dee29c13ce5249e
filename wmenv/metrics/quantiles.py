"""Quantiles with confidence intervals from order statistics, and the number of values below which there is none.

The interval assumes nothing of the distribution but independence; use `bootstrap.block_mean` where that fails.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wmenv.metrics.interval import Interval

VERSION = "quantile-1"


def minimum_n(q: float, confidence: float = 0.95) -> int:
    """The fewest values for which the `q` quantile has a two-sided interval with equal tails.

    >>> [minimum_n(q) for q in (0.5, 0.9, 0.95, 0.99, 0.999)]
    [6, 36, 72, 368, 3688]
    """
    tail = (1 - confidence) / 2
    return math.ceil(math.log(tail) / math.log(max(q, 1 - q)))


def binomial_shares(n: int, p: float) -> np.ndarray:
    """The probability of 0, 1, ... n successes in `n` trials of chance `p`."""
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    log_ways = log_factorials[n] - log_factorials[k] - log_factorials[n - k]
    return np.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p))


@functools.lru_cache(maxsize=4096)
def order_bounds(n: int, q: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Which of `n` sorted values (from 0) bound the `q` quantile; None below the minimum n."""
    if n < minimum_n(q, confidence):
        return None
    tail = (1 - confidence) / 2
    below = np.cumsum(binomial_shares(n, q))[:n]  # P(at most k values lie below the quantile), k = 0..n-1
    low = int(np.flatnonzero(below <= tail)[-1])
    high = int(np.flatnonzero(below >= 1 - tail)[0])
    return low, high


def quantile(values: np.ndarray, q: float, confidence: float = 0.95) -> Interval | None:
    """The `q` quantile, itself one of the values, with its interval; None below `minimum_n`.

    >>> quantile(np.arange(1, 101), 0.5)
    Interval(estimate=50.0, low=40.0, high=61.0)
    """
    return _of_sorted(np.sort(np.asarray(values, dtype=float)), q, confidence)


def _of_sorted(ordered: np.ndarray, q: float, confidence: float = 0.95) -> Interval | None:
    bounds = order_bounds(len(ordered), q, confidence)
    if bounds is None:
        return None
    middle = math.ceil(q * len(ordered)) - 1
    return Interval(*(float(ordered[at]) for at in (middle, *bounds)))


def quantile_record(values: np.ndarray, qs: Sequence[float] = (0.5, 0.95, 0.99)) -> dict[str, Any]:
    """`n`, and per quantile its value and interval, None where n is too small for an honest one."""
    ordered = np.sort(np.asarray(values, dtype=float))
    record: dict[str, Any] = {"n": len(ordered)}
    for q in qs:
        found = _of_sorted(ordered, q)
        name = f"p{100 * q:g}"
        record[name] = None if found is None else found.estimate
        record[f"{name}_ci"] = None if found is None else [found.low, found.high]
    return record
