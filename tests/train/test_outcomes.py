"""How far two sets of futures are apart: nothing where they are drawn alike, all where they never meet."""

import numpy as np

from wmenv.train.quality.outcomes import KINDS, distance

FLOOR, WALL = KINDS["floor"], KINDS["wall"]


def coins(share, count=4000, seed=0):
    """One slot that is floor so often, and one that always is."""
    floor = np.random.default_rng(seed).random((count, 2)) < (share, 1.0)
    return np.where(floor, FLOOR, WALL)


def test_two_draws_of_one_chance_are_close():
    assert distance(coins(0.5), coins(0.5, seed=1)) < 0.03


def test_what_differs_is_measured_on_open_slots_only():
    assert abs(distance(coins(0.5), coins(0.8, seed=1)) - 0.3) < 0.03
    assert distance(coins(0.0), coins(1.0)) == 1
    assert np.isnan(distance(coins(1.0), coins(1.0, seed=1)))


def test_a_slot_that_one_of_the_two_has_settled_is_open():
    assert abs(distance(coins(1.0), coins(0.85, seed=1)) - 0.15) < 0.02
