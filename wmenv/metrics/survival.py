"""How long things last when some outlive the watching: Kaplan-Meier with right-censoring.

Where the median is never reached, the mean restricted to a horizon (RMST) says what can be said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VERSION = "kaplan-meier-1"


@dataclass(frozen=True)
class Survival:
    """A survival curve: after `times[i]`, the share `shares[i]` still lasts; before the first time, all do."""

    times: np.ndarray
    shares: np.ndarray

    def at(self, time: float) -> float:
        """The share that outlasts `time`."""
        passed = int(np.searchsorted(self.times, time, side="right"))
        return 1.0 if passed == 0 else float(self.shares[passed - 1])

    @property
    def median(self) -> float | None:
        """When half are gone; None if that was never seen."""
        gone = np.flatnonzero(self.shares <= 0.5)
        return float(self.times[gone[0]]) if gone.size else None

    def restricted_mean(self, horizon: float) -> float:
        """The mean time lasted, each counted up to `horizon` at most: the area under the curve until there."""
        inside = self.times < horizon
        edges = np.concatenate([[0.0], self.times[inside], [horizon]])
        heights = np.concatenate([[1.0], self.shares[inside]])
        return float((np.diff(edges) * heights).sum())


def kaplan_meier(durations: np.ndarray, ended: np.ndarray) -> Survival:
    """The curve of `durations`, of which those not `ended` were still going when last seen.

    >>> curve = kaplan_meier(np.array([3, 5, 5, 8]), np.array([True, True, False, True]))
    >>> curve.median, curve.at(5), curve.restricted_mean(10)
    (5.0, 0.5, 6.0)
    """
    durations, ended = np.asarray(durations, dtype=float), np.asarray(ended, dtype=bool)
    times = np.unique(durations[ended])
    at_risk = (durations[None] >= times[:, None]).sum(axis=1)
    ends = ((durations == times[:, None]) & ended).sum(axis=1)
    return Survival(times, np.cumprod(1 - ends / np.maximum(at_risk, 1)))
