"""Where the seed of each episode comes from: the caller, or the row's own stream.

Every row has a stream of its own, so what happens in row i is the same however many rows there are. Knows nothing of
worlds.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from wmenv.errors import OptionError

SEEDS = 2**31  # what every library that takes seeds can take
LARGEST = 2**63  # what a snapshot can keep


class SeedStreams:
    """One stream of episode seeds per row."""

    def __init__(self, rows: int) -> None:
        self._streams = [np.random.default_rng() for _ in range(rows)]

    def draw(self, row: int, given: int | None = None) -> int:
        """The seed of the next episode of `row`: `given`, which begins its stream anew, or the next of the stream."""
        if given is None:
            return int(self._streams[row].integers(SEEDS))
        self._streams[row] = np.random.default_rng(given)
        return given

    def keep(self, rows: Sequence[int]) -> tuple[dict[str, Any], ...]:
        """Where the streams of some rows are, as plain values."""
        return tuple(copy.deepcopy(dict(self._streams[row].bit_generator.state)) for row in rows)

    def put(self, rows: Sequence[int], places: Sequence[dict[str, Any]]) -> None:
        """Let the streams of some rows go on from kept places."""
        for row, place in zip(rows, places, strict=True):
            self._streams[row] = np.random.default_rng(0)
            self._streams[row].bit_generator.state = place


def row_seeds(seed: Any, rows: int) -> list[int | None]:
    """One seed or None per row; a single whole number gives row i that number plus i."""
    if seed is None:
        return [None] * rows
    if isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str):
        if len(seed) != rows:
            raise OptionError(f"{rows} rows take one seed or a list of {rows}, got {len(seed)}.")
        return [None if one is None else whole(one) for one in seed]
    first = whole(seed)
    if first + rows > LARGEST:
        raise OptionError(
            f"row i gets the seed {first} + i, and a seed is from 0 to 2**63 - 1: for {rows} rows begin at "
            f"2**63 - {rows} at most, or give a list."
        )
    return [first + row for row in range(rows)]


def whole(seed: Any) -> int:
    """`seed` as a whole number from 0 on, or a named error."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise OptionError(f"a seed is a whole number or None, got {seed!r}.") from None
    if not 0 <= number < LARGEST:
        raise OptionError(f"a seed is from 0 to 2**63 - 1, got {number}.")
    return number
