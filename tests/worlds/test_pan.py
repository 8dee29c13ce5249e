"""The pan world is what its docstring says: known truth, seeded, with directions that stay in scene coordinates."""

import numpy as np
import pytest

from wmenv.contract import Direction, Start
from wmenv.errors import DirectionError, SnapshotError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.pan import ACTIONS, COLOURS, SCENE, STRIDE, PanWorld

LEFT, RIGHT, UP, DOWN, NOOP = range(5)
VARIANTS = {
    "plain": {},
    "noisy": {"noise": 4.0},
    "dynamic": {"dynamic": 6},
    "lag": {"lag": 5},
    "beacon": {"beacon": True},
}


def play(world, state, actions, wish=None):
    """The frames of one row; the wish comes with the first action."""
    frames = []
    for action in actions:
        direction = Direction(wish) if wish else None
        state, outcome = world.advance(state, np.array([action]), [direction])
        frames.append(outcome.frames[0])
        wish = None
    return state, frames


def opened(world, seed=3, **start):
    state, outcome = world.open([Start(**start)], [seed])
    return state, outcome.frames[0]


def count_colour(frame, name):
    return int((frame == COLOURS[name]).all(axis=-1).sum())


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_keeps_the_contract(variant, clause):
    check_clause(PanWorld(**VARIANTS[variant]), clause)


@pytest.mark.parametrize("there", [LEFT, RIGHT, UP, DOWN])
def test_going_and_returning_shows_the_same_frame(there):
    world = PanWorld()
    state, first = opened(world)
    state, away = play(world, state, [there] * 16)
    _, back = play(world, state, [ACTIONS.inverse[there]] * 16)
    assert (back[-1] == first).all()
    assert np.abs(away[-1].astype(int) - first).mean() > 20


def test_a_pan_shifts_the_view_by_four_pixels():
    world = PanWorld()
    state, first = opened(world)
    _, (right,) = play(world, state, [RIGHT])
    assert (right[:, :-4] == first[:, 4:]).all()


def test_what_is_placed_stays_while_out_of_view_and_vanishes_on_demand():
    world = PanWorld()
    state, first = opened(world)
    state, placed = play(world, state, [NOOP], "A purple disc appears ahead.")
    added = count_colour(placed[-1], "purple") - count_colour(first, "purple")
    assert added > 100
    state, _ = play(world, state, [RIGHT] * 20 + [LEFT] * 20)
    state, kept = play(world, state, [NOOP])
    assert (kept[0] == placed[-1]).all()
    _, gone = play(world, state, [NOOP], "the purple disc vanishes")
    assert (gone[0] == first).all()


@pytest.mark.parametrize(("where", "column"), [("on the left", 16), ("ahead", 32), ("on the right", 48)])
def test_things_appear_where_the_words_say(where, column):
    world = PanWorld()
    state, first = opened(world)
    _, (shown,) = play(world, state, [NOOP], f"a blue square appears {where}")
    changed = np.flatnonzero((shown != first).any(axis=(0, 2)))
    assert abs(changed.mean() - column) <= 1


def test_night_darkens_everything_and_day_brings_it_back():
    world = PanWorld()
    state, first = opened(world)
    state, (dark,) = play(world, state, [NOOP], "night falls")
    _, (light,) = play(world, state, [NOOP], "day breaks")
    assert (dark == first // 3).all()
    assert (light == first).all()


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        ("a red disc appears ahead", (20, 20, 20, 20)),
        ("night falls", (0, 0, 4, 4)),
        ("the green square vanishes", None),
        ("make me a sandwich", None),
    ],
)
def test_a_direction_it_cannot_follow_is_refused_with_a_reason_and_changes_nothing(text, lock):
    world = PanWorld()
    state, first = opened(world)
    _, outcome = world.advance(state, np.array([NOOP]), [Direction(text, lock)])
    assert not outcome.receipts[0].applied
    assert outcome.receipts[0].reason
    assert (outcome.frames[0] == first).all()


def test_a_lock_beside_the_thing_does_not_stop_it():
    world = PanWorld()
    state, _ = opened(world)
    _, outcome = world.advance(state, np.array([NOOP]), [Direction("a red disc appears ahead", (0, 0, 8, 8))])
    assert outcome.receipts[0].applied


def test_a_crowded_scene_takes_no_more():
    world = PanWorld()
    state, _ = opened(world)
    for _ in range(8):
        state, outcome = world.advance(state, np.array([RIGHT]), [Direction("a red disc appears ahead")])
        assert outcome.receipts[0].applied
    _, outcome = world.advance(state, np.array([RIGHT]), [Direction("a red disc appears ahead")])
    assert "vanish first" in outcome.receipts[0].reason


def test_an_action_waits_its_lag():
    world = PanWorld(lag=3)
    state, first = opened(world)
    _, frames = play(world, state, [RIGHT, NOOP, NOOP, NOOP])
    assert all((frame == first).all() for frame in frames[:3])
    assert not (frames[3] == first).all()


def test_sprites_move_on_their_own():
    state, first = opened(PanWorld(dynamic=12))
    _, frames = play(PanWorld(dynamic=12), state, [NOOP] * 8)
    assert not (frames[-1] == first).all()


def test_noise_has_the_strength_asked_for_and_is_fresh_each_step():
    world = PanWorld(noise=5.0)
    clean, _ = opened(PanWorld())
    _, (truth,) = play(PanWorld(), clean, [NOOP])
    state, _ = opened(world)
    _, (one, two) = play(world, state, [NOOP, NOOP])
    inside = (truth > 30) & (truth < 225)  # where nothing is clipped
    assert np.std((one.astype(int) - truth)[inside]) == pytest.approx(5, rel=0.05)
    assert not (one == two).all()


def test_a_moment_with_another_seed_keeps_the_place_and_renews_the_noise():
    world = PanWorld(noise=5.0)
    state, _ = opened(world)
    state, _ = play(world, state, [RIGHT] * 5)
    moment = state.to_bytes()
    one, two = (opened(world, seed, moment=moment)[1].astype(int) for seed in (1, 2))
    assert 0 < np.abs(one - two).mean() < 10


def test_the_beacon_pays_when_it_is_centred():
    world = PanWorld(beacon=True)
    state, _ = opened(world)
    y, x = state.arrays["beacon"][0]
    path = [RIGHT if x > 0 else LEFT] * abs(x) + [DOWN if y > 0 else UP] * abs(y)
    rewards, ends = [], []
    for action in path:
        state, outcome = world.advance(state, np.array([action]), [None])
        rewards.append(float(outcome.reward[0]))
        ends.append(bool(outcome.terminated[0]))
    assert rewards == [0.0] * (len(path) - 1) + [1.0]
    assert ends == [False] * (len(path) - 1) + [True]


def test_the_beacon_is_reached_the_other_way_round_too():
    world = PanWorld(beacon=True)
    state, _ = opened(world)
    y, x = (int(away) for away in state.arrays["beacon"][0])
    rows = SCENE[0] // STRIDE
    path = [RIGHT if x > 0 else LEFT] * abs(x) + ([UP] * (rows - y) if y > 0 else [DOWN] * (rows + y))
    for action in path:
        state, outcome = world.advance(state, np.array([action]), [None])
    assert outcome.terminated[0]


def test_words_name_what_was_placed():
    world = PanWorld()
    state, _ = opened(world, prompt="a yellow square appears on the right")
    assert "a yellow square on the right" in world.describe(state)[0]
    state, _ = play(world, state, [UP] * 20, "night falls")
    assert "yellow square" not in world.describe(state)[0]
    assert world.describe(state)[0].endswith("at night")


def test_a_prompt_it_does_not_understand_is_an_error_at_the_start():
    with pytest.raises(DirectionError, match="a red disc appears"):
        opened(PanWorld(), prompt="a sunny day in Paris")


def test_templates_differ_and_seeds_differ():
    world = PanWorld()
    frames = [opened(world, seed, template=name)[1] for seed in (1, 2) for name in world.spec.templates]
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_a_state_of_another_variant_is_refused():
    state, _ = opened(PanWorld())
    with pytest.raises(SnapshotError, match="noise=4"):
        PanWorld(noise=4).revive(state.to_bytes())
