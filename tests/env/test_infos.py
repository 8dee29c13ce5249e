"""The vector info: what Gymnasium's own makes of single infos, and sound where that loses values."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import VectorEnv

from wmenv.env.infos import InfoBatch, row_info

ROWS = {
    0: {"n": 1, "x": 0.5, "ok": True, "text": "a", "array": np.arange(3), "in": {"m": 7}},
    2: {"n": 2, "x": 1.5, "ok": False, "text": "b", "array": np.ones(3, int), "in": {"m": 8, "k": [1, 2]}},
}


def batched(rows):
    batch = InfoBatch(3)
    batch.put_records(rows)
    return batch.as_dict()


def test_the_layout_is_gymnasiums():
    env, expected = VectorEnv(), {}
    env.num_envs = 3
    for row, info in ROWS.items():
        expected = env._add_info(expected, info, row)
    ours = batched(ROWS)
    assert ours.keys() == expected.keys()
    for key in ("n", "x", "ok", "text", "array", "_n", "_in"):
        np.testing.assert_array_equal(ours[key], expected[key])
        assert ours[key].dtype == expected[key].dtype
    assert ours["in"].keys() == expected["in"].keys()


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_reads_back_as_it_was_put(row):
    given, read = ROWS.get(row, {}), row_info(batched(ROWS), row)
    assert {key: type(value) for key, value in read.items()} == {key: type(value) for key, value in given.items()}
    np.testing.assert_equal(read, given)


@pytest.mark.parametrize("values", [(1, 0.5), (1, None), ("a", 2), (np.ones(2), np.ones(3)), ({"a": 1}, 5)])
def test_mixed_values_are_kept_whole(values):
    read = batched({row: {"key": value} for row, value in enumerate(values)})
    for row, value in enumerate(values):
        np.testing.assert_equal(row_info(read, row)["key"], value)
