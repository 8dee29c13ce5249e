"""An estimate with the confidence interval around it. Knows nothing of how either was found."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """An estimate and its two-sided 95 % confidence interval, unless the maker was asked for another level."""

    estimate: float
    low: float
    high: float
