"""G8: does the world know where it is wrong? Its own disagreement with itself, set against its true error."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.bench.paired.pair import Pair
from wmenv.bench.paired.state import Reading
from wmenv.bench.take import Take
from wmenv.contract import World
from wmenv.metrics.bootstrap import bootstrap
from wmenv.metrics.thumbnail import thumbnails

EVERY = 8  # steps between two questions
Figure = dict[str, Any]


def calibration(pair: Pair, reading: Reading, world: World) -> Figure:
    """G8: how well the difference between two re-seeded next frames tells right moments from wrong ones.

    AUROC, 0.5 being chance; and the error that is left when the least certain half is left out. A world whose chances
    cannot be renewed in mid-stream has no such disagreement.
    """
    if "moment" not in world.spec.starts:
        return {"unsupported": "the world cannot go on from a moment with other chances"}
    wrong, doubts = [], []
    take = Take.opened(world, pair.starts, pair.seeds)
    for step, actions in enumerate(pair.actions):
        if step % EVERY == 0:
            twins = [take.reseeded([seed + turn * 7_000_003 for seed in pair.seeds]).act(actions) for turn in (1, 2)]
            a, b = (thumbnails(twin.view) for twin in twins)
            doubts.append(np.abs(a - b).mean(axis=(1, 2)))
            wrong.append(reading.wrong[step])
        take.act(actions)
    is_wrong, doubt = np.stack(wrong, axis=1), np.stack(doubts, axis=1)  # (rows, moments)
    if is_wrong.all() or not is_wrong.any():
        kind = "wrong" if is_wrong.all() else "right"
        return {"unsupported": f"all moments were {kind}, so there is nothing to tell apart"}
    pairs = np.stack([is_wrong, doubt], axis=2)
    interval = bootstrap(pairs, lambda rows: auroc(rows[..., 0].ravel() > 0, rows[..., 1].ravel()))
    surest = doubt.ravel().argsort(kind="stable")[: doubt.size // 2]
    return {
        "estimate": interval.estimate,
        "ci": list(interval[1:]),
        "wrong_share": float(is_wrong.mean()),
        "wrong_share_of_surest_half": float(is_wrong.ravel()[surest].mean()),
    }


def auroc(positive: np.ndarray, score: np.ndarray) -> float:
    """P(a positive scores above a negative), ties split; 0.5 where one kind is missing.

    >>> auroc(np.array([True, False, True]), np.array([3.0, 1.0, 2.0]))
    1.0
    """
    high, low = score[positive][:, None], score[~positive]
    if not high.size or not low.size:
        return 0.5
    return float((high > low).mean() + 0.5 * (high == low).mean())
