"""Omega squared against the textbook sums, its lag against known lags, and against motion that is not obedience."""

import numpy as np
import pytest

from wmenv.contract import ActionTable
from wmenv.metrics.responsiveness import (
    MIN_STEPS,
    UNRESPONSIVE,
    MotionSeries,
    action_classes,
    omega_squared,
    responsiveness,
)


def sticky(n: int, kinds: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    actions = rng.integers(kinds, size=n)
    for t in range(1, n):
        if rng.random() < 0.85:
            actions[t] = actions[t - 1]
    return actions


def textbook(classes: np.ndarray, values: np.ndarray) -> float:
    groups = [values[classes == kind] for kind in np.unique(classes)]
    between = sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (len(values) - len(groups))
    total = ((values - values.mean()) ** 2).sum()
    return (between - (len(groups) - 1) * within) / (total + within)


@pytest.mark.parametrize("shift", [0, 1, 7, 50])
def test_one_transform_gives_the_textbook_value_at_every_shift(shift):
    rng = np.random.default_rng(1)
    classes, values = rng.integers(3, size=101), rng.normal(size=(101, 2))
    found = omega_squared(classes, values)
    for feature in range(2):
        assert found[shift, feature] == pytest.approx(textbook(np.roll(classes, shift), values[:, feature]))


@pytest.mark.parametrize("lag", [0, 1, 5, 10])
def test_the_lag_is_found(lag):
    actions = sticky(400)
    moved = np.roll(actions, lag)[:, None] + np.random.default_rng(2).normal(0, 0.3, (400, 1))
    found = responsiveness(actions, moved)
    assert found.lag == lag
    assert found.omega2 > 0.8
    assert found.omega2 > found.chance


@pytest.mark.parametrize(
    "motion",
    [
        pytest.param(np.zeros(400), id="frozen"),
        pytest.param(np.random.default_rng(3).normal(size=400), id="random"),
        pytest.param(np.sin(np.arange(400) / 7), id="autonomous"),
        pytest.param(sticky(400, seed=9).astype(float), id="obeys somebody else"),
    ],
)
def test_motion_that_does_not_obey_is_no_better_than_chance(motion):
    found = responsiveness(sticky(400), motion[:, None])
    assert found.omega2 <= max(found.chance, UNRESPONSIVE)
    assert found.lag is None


def test_a_frozen_picture_scores_exactly_nothing():
    found = responsiveness(sticky(400), np.full((400, 3), 0.3))
    assert (found.omega2, found.chance) == (0, 0)


def test_too_few_steps_or_one_action_say_nothing():
    assert responsiveness(sticky(MIN_STEPS - 1), np.ones((MIN_STEPS - 1, 1))) is None
    assert responsiveness(np.zeros(400, int), np.random.default_rng(0).normal(size=(400, 1))) is None


def test_a_series_keeps_the_last_steps_only():
    series, actions = MotionSeries(), sticky(3000)
    obeyed = (actions * (np.arange(3000) > 900)).astype(np.float32)  # deaf at first
    for at in range(0, 3000, 16):
        part = obeyed[at : at + 16]
        series.fold(actions[at : at + 16].tolist(), part, np.zeros_like(part), np.zeros_like(part))
    assert series.measure().omega2 > 0.99


def test_actions_of_every_kind_have_classes():
    discrete = ActionTable(("a", "b"))
    multi = ActionTable(("x", "y"), kind="multi_discrete", sizes=(3, 2))
    box = ActionTable(("throttle", "steer"), kind="box", low=(0, -1), high=(1, 1))
    assert action_classes(discrete, np.array([1, 0])).tolist() == [1, 0]
    assert action_classes(multi, np.array([[2, 1], [0, 0]])).tolist() == [5, 0]
    assert action_classes(box, np.array([[0, -1], [0.5, 0], [1, 1]], np.float32)).tolist() == [0, 4, 8]
