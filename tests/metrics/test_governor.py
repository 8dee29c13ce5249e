"""The governor: what it allows, how fast it reacts, and what it never does."""

import pytest

from wmenv.metrics.governor import FLOOR_MS, REVIEW, SHARE, FixedStride, Governor

MS = 1_000_000


def run(governor: Governor, cost_ms: float, step_ms: float, reviews: int = 30) -> float:
    """Spend `cost_ms` per stride-one step for a while; gives the share of the step time in the end."""
    for _ in range(reviews * REVIEW):
        spent = cost_ms / governor.stride
        governor.account(int(spent * MS), int(step_ms * MS))
    return spent / step_ms


@pytest.mark.parametrize(("cost_ms", "step_ms"), [(1, 5), (10, 5), (0.5, 20), (3, 100)])
def test_the_share_of_the_step_ends_up_within_the_allowance(cost_ms, step_ms):
    share = run(Governor(), cost_ms, step_ms)
    assert share <= max(SHARE, FLOOR_MS / step_ms) * 1.001


def test_what_is_cheap_enough_is_watched_in_full():
    governor = Governor(start=64)
    run(governor, cost_ms=0.05, step_ms=5)
    assert governor.stride == 1


def test_a_fast_world_is_still_watched():
    governor = Governor()
    run(governor, cost_ms=0.09, step_ms=0.05)
    assert governor.stride < 4  # never less than the floor allows, though that is most of such a step


def test_one_slow_spell_at_most_doubles_the_stride():
    governor = Governor()
    run(governor, cost_ms=0.05, step_ms=5)
    run(governor, cost_ms=50, step_ms=5, reviews=1)
    assert governor.stride == 2


def test_a_fixed_stride_is_fixed():
    governor = FixedStride(3)
    run(governor, cost_ms=100, step_ms=1)
    assert governor.stride == 3
