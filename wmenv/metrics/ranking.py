"""G6: do policies rank in a world as they rank in truth? Correlations, the worst wrong preference, and what is chance.

Takes success or return per policy and episode from both sides. Knows nothing of policies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from wmenv.metrics.bootstrap import DRAWS
from wmenv.metrics.iqm import bounds

VERSION = "ranking-1"
FEWEST = 8  # policies below which a correlation says nothing


def pearson(real: np.ndarray, shown: np.ndarray) -> float:
    """The linear correlation; NaN where one side never varies.

    >>> pearson(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.3, 0.5]))
    1.0
    """
    a, b = real - real.mean(), shown - shown.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return round(float((a * b).sum() / scale), 12) if scale > 0 else float("nan")


def kendall_tau_b(real: np.ndarray, shown: np.ndarray) -> float:
    """The share of pairs in the same order less that in the other, corrected for ties."""
    return float(stats.kendalltau(real, shown, variant="b").statistic)


def mmrv(real: np.ndarray, shown: np.ndarray) -> float:
    """Mean maximum rank violation: how much worse in truth, on average, a policy can be than one it is preferred to.

    For each policy the largest real gap to another one that the world orders differently; then the mean.

    >>> mmrv(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.2, 0.9])), mmrv(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    (0.0, 1.0)
    """
    gaps = np.abs(real[:, None] - real)
    violated = (shown[:, None] > shown) != (real[:, None] > real)
    return float((gaps * violated).max(axis=1).mean())


def ranking_record(real: np.ndarray, shown: np.ndarray, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """All of it for (policies, episodes) results from both sides, with intervals and the permutation null.

    Intervals draw policies anew, and episodes anew within each. `without_extremes` leaves out the best and the worst
    policy, since one terrible and one perfect policy alone give a correlation of nearly one.
    """
    a, b = real.mean(axis=1), shown.mean(axis=1)
    order = np.argsort(a, kind="stable")[1:-1]
    figures: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "pearson_r": pearson,
        "kendall_tau_b": kendall_tau_b,
        "mmrv": mmrv,
    }
    record: dict[str, Any] = {"policies": len(a), "episodes": real.shape[1], "enough": len(a) >= FEWEST}
    rng = np.random.default_rng(seed)
    drawn = [_drawn_anew(real, shown, rng) for _ in range(draws)]
    for name, figure in figures.items():
        low, high = bounds(np.array([figure(*means) for means in drawn]))
        record |= {name: figure(a, b), f"{name}_lo": low, f"{name}_hi": high}
    chance = np.array([pearson(a, rng.permutation(b)) for _ in range(draws)])
    record |= {
        "pearson_r_without_extremes": pearson(a[order], b[order]),
        "null_pearson_r_p95": bounds(chance, confidence=0.9)[1],
        "p_value": float((1 + (chance >= record["pearson_r"]).sum()) / (1 + draws)),
        "bias": float((b - a).mean()),
        "real_range": float(a.max() - a.min()),
    }
    return {name: None if value != value else value for name, value in record.items()}  # NaN is not equal to itself


def _drawn_anew(real: np.ndarray, shown: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean results of policies drawn with replacement, each over episodes drawn with replacement."""
    policies, episodes = real.shape
    lines = rng.integers(policies, size=(policies, 1))
    picks = rng.integers(episodes, size=(policies, episodes))
    return real[lines, picks].mean(axis=1), shown[lines, picks].mean(axis=1)
