"""Gymnasium's vector info: one array per key over all rows, beside a mask of the rows that have it.

`InfoBatch` builds that layout from some rows at a time; `row_info` reads one row back as the info of a single
environment. Knows only the layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

SCALARS = (bool, int, float, np.number)
Rows = Sequence[int] | np.ndarray


class InfoBatch:
    """An info for `num_envs` rows, filled key by key.

    >>> batch = InfoBatch(3)
    >>> batch.put("steps", [0, 2], [5, 7])
    >>> batch.as_dict()["steps"].tolist(), batch.as_dict()["_steps"].tolist()
    ([5, 0, 7], [True, False, True])
    """

    def __init__(self, num_envs: int) -> None:
        self._num_envs = num_envs
        self._arrays: dict[str, Any] = {}
        self._masks: dict[str, np.ndarray] = {}
        self._nested: dict[str, InfoBatch] = {}

    def put(self, key: str, rows: Rows, values: Any) -> None:
        """`values`, an array or a list with one entry per row, under `key`."""
        array = values if isinstance(values, np.ndarray) else as_array(values)
        if key not in self._arrays:
            empty = None if array.dtype == object else 0
            self._arrays[key] = np.full((self._num_envs, *array.shape[1:]), empty, array.dtype)
        self._arrays[key][np.asarray(rows, np.intp)] = array
        self._mark(key, rows)

    def put_objects(self, key: str, rows: Rows, values: Sequence[Any]) -> None:
        """`values` as they are, in an array of objects."""
        self.put(key, rows, as_objects(values))

    def put_records(self, records: Mapping[int, Mapping[str, Any]]) -> None:
        """What each row says of itself; a mapping within a record becomes a nested info."""
        every, told = np.fromiter(records, np.intp, len(records)), list(records.values())
        for key in dict.fromkeys(chain.from_iterable(told)):
            values = [record[key] for record in told if key in record]
            rows = every if len(values) == len(told) else every[[key in record for record in told]]
            if all(issubclass(kind, Mapping) for kind in set(map(type, values))):
                self.nest(key, rows).put_records(dict(zip(rows.tolist(), values, strict=True)))
            else:
                self.put(key, rows, values)

    def nest(self, key: str, rows: Rows) -> InfoBatch:
        """The info within this one under `key`, which `rows` now have."""
        self._mark(key, rows)
        return self._nested.setdefault(key, InfoBatch(self._num_envs))

    def as_dict(self) -> dict[str, Any]:
        """The layout as Gymnasium's vector environments give it."""
        nested = {key: batch.as_dict() for key, batch in self._nested.items()}
        return self._arrays | nested | {f"_{key}": mask for key, mask in self._masks.items()}

    def _mark(self, key: str, rows: Rows) -> None:
        if key not in self._masks:
            self._masks[key] = np.zeros(self._num_envs, np.bool_)
        self._masks[key][np.asarray(rows, np.intp)] = True


def as_array(values: Sequence[Any]) -> np.ndarray:
    """Numbers and equally shaped arrays as one array; whatever else, and any mixture, as objects."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and isinstance(values[0], SCALARS):
        return np.array(values, kinds.pop())
    if kinds == {np.ndarray} and len({(value.shape, value.dtype) for value in values}) == 1:
        return np.stack(values)
    return as_objects(values)


def as_objects(values: Sequence[Any]) -> np.ndarray:
    """A flat array that holds each value whole."""
    return np.fromiter(values, object, len(values))


def row_info(infos: Mapping[str, Any], row: int) -> dict[str, Any]:
    """What `row` has in a vector info, as plain Python numbers, arrays and dicts."""
    has = {key: infos[f"_{key}"][row] for key in infos if f"_{key}" in infos}
    return {key: row_value(infos[key], row) for key, there in has.items() if there}


def row_value(values: Any, row: int) -> Any:
    """One row's part of a value of a vector info."""
    if isinstance(values, dict):
        return row_info(values, row)
    value = values[row]
    return value.item() if isinstance(value, np.generic) else value
