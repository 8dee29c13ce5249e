"""The randomness of one row at one step: a pure function of its seed and its step number.

Because nothing is drawn from a shared stream, a row sees the same noise whatever runs beside it, and a snapshot needs
to keep two integers, not a generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SEED_BITS = (1 << 63) - 1  # seeds live in int64 tensors


def fold_seed(seed: int) -> int:
    """Any integer as a seed that fits an int64 tensor."""
    return int(seed) & SEED_BITS


def row_generator(seed: int, step: int) -> np.random.Generator:
    """The generator of the row that was opened with `seed`, at its step number `step`.

    >>> row_generator(7, 3).random() == row_generator(7, 3).random() != row_generator(7, 4).random()
    True
    """
    return np.random.Generator(np.random.Philox(key=[fold_seed(seed), int(step)]))


def row_normals(generators: Sequence[np.random.Generator], shape: Sequence[int]) -> np.ndarray:
    """Standard normal float32 of (rows, *shape), each row from its own generator."""
    return np.stack([generator.standard_normal(tuple(shape), dtype=np.float32) for generator in generators])
