"""G4: do reward and end come when they really come?"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.bench.paired.pair import Film, Pair
from wmenv.metrics.bootstrap import bootstrap

TOLERANCE = 2  # steps by which an event may come early or late
Figure = dict[str, Any]


def events(pair: Pair, film: Film) -> Figure:
    """G4: Matthews correlation of rewarded steps and of ends with the real ones, and the error of the return.

    An event matches one within two steps of it. A world that never rewards is right nearly always, and has 0 here.
    """
    figure: Figure = {}
    for name in ("reward", "terminated"):
        real, shown = getattr(pair.real, name), getattr(film, name)
        if real is None or shown is None:
            figure[name] = {"unsupported": f"{'the real environment' if real is None else 'the world'} has none"}
            continue
        real, shown = real != 0, shown != 0
        if name == "terminated":
            real, shown = first_only(real), first_only(shown)
        if not real.any():
            figure[name] = {"unsupported": "none came in these episodes"}
            continue
        counts = np.stack([matched(real[:, row], shown[:, row]) for row in range(real.shape[1])])
        interval = bootstrap(counts, lambda rows: matthews(*rows.sum(axis=0)))
        hit, missed, false, _ = counts.sum(axis=0).tolist()
        f1 = 2 * hit / max(2 * hit + missed + false, 1)
        figure[name] = {"estimate": interval.estimate, "ci": list(interval[1:]), "f1": f1, "real": int(hit + missed)}
    if pair.real.reward is not None and film.reward is not None:
        figure["return_error"] = float(np.abs(pair.real.reward.sum(axis=0) - film.reward.sum(axis=0)).mean())
    known = [part["estimate"] for part in figure.values() if isinstance(part, dict) and "estimate" in part]
    return figure | ({"estimate": min(known)} if known else {"unsupported": "no event to compare"})


def matched(real: np.ndarray, shown: np.ndarray) -> tuple[int, int, int, int]:
    """(hits, missed, false, rightly silent steps) of one episode; each event matches one other at most."""
    left = np.flatnonzero(shown).tolist()
    hits = 0
    for step in np.flatnonzero(real):
        near = [other for other in left if abs(other - step) <= TOLERANCE]
        if near:
            hits += 1
            left.remove(min(near, key=lambda other: abs(other - step)))
    missed = int(real.sum()) - hits
    return hits, missed, len(left), len(real) - hits - missed - len(left)


def matthews(hits: float, missed: float, false: float, silent: float) -> float:
    """The correlation of two yes-or-no series from their four counts; 0 where one of them never changes.

    >>> matthews(5, 0, 0, 95), matthews(0, 5, 0, 95)
    (1.0, 0.0)
    """
    product = float(hits + false) * (hits + missed) * (silent + false) * (silent + missed)
    return float((hits * silent - false * missed) / np.sqrt(product)) if product > 0 else 0.0


def first_only(ends: np.ndarray) -> np.ndarray:
    """Only the step at which each row ended first; what has ended stays so."""
    return ends & (np.cumsum(ends, axis=0) == 1)
