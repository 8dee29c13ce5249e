"""Drawing actions from chances, each row from its own stream, so that it does not matter which rows run together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def picks(chances: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """One action per row of (rows, actions) chances.

    >>> picks(np.array([[0.0, 1.0], [1.0, 0.0]]), [np.random.default_rng(0), np.random.default_rng(1)]).tolist()
    [1, 0]
    """
    edges = np.cumsum(chances.astype(float), axis=1)
    drawn = np.array([rng.random() for rng in rngs])[:, None] * edges[:, -1:]
    return (drawn >= edges[:, :-1]).sum(axis=1)
