"""Confidence intervals for shares of trials and for counts per exposure. Both are right at zero and at one."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Any

from wmenv.metrics.interval import Interval

VERSION = "rate-1"


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The share of `trials` that succeeded, with Wilson's score interval; without trials it may be anything.

    >>> [round(bound, 2) for bound in wilson(0, 8)]
    [0.0, 0.0, 0.32]
    """
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrink = successes / trials, 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(share, low, high)


def poisson(events: int, exposure: float, per: float = 1.0, confidence: float = 0.95) -> Interval:
    """Events per `per` units of exposure with the exact (Garwood) interval; without exposure it may be anything.

    >>> [round(bound, 2) for bound in poisson(0, 1000, per=1000)]
    [0.0, 0.0, 3.69]
    """
    if exposure <= 0:
        return Interval(math.nan, 0.0, math.inf)
    tail = (1 - confidence) / 2
    low = _poisson_mean(events - 1, 1 - tail) if events else 0.0
    high = _poisson_mean(events, tail)
    scale = per / exposure
    return Interval(events * scale, low * scale, high * scale)


@functools.lru_cache(maxsize=4096)
def _poisson_mean(events: int, chance: float) -> float:
    """The mean at which at most `events` come with that `chance`, found by halving."""
    low, high = 0.0, events + 10 * math.sqrt(events + 1) + 10
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(events, middle) > chance else (low, middle)
    return (low + high) / 2


def _at_most(events: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    logs = (k * math.log(mean) - math.lgamma(k + 1) - mean for k in range(events + 1))
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def per_1000(events: int, steps: int, unit: str = "steps") -> dict[str, Any]:
    """A count, its exposure, and the rate per 1000 of it with its interval; None where there was no exposure."""
    rate = poisson(events, steps, per=1000)
    known = {"per_1000": rate.estimate, "per_1000_ci": [rate.low, rate.high]}
    return {"events": events, unit: steps} | (known if steps else dict.fromkeys(known))
