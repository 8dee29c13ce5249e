"""What the vector environment promises of its own: branching, directions, groups, chunks, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tests.fakes import ACTIONS, SIDE, CountingWorld, Diary, pixel
from wmenv.contract import ActionTable, Start
from wmenv.env.seeds import row_seeds
from wmenv.env.snapshot import Snapshot
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import (
    ActionError,
    DirectionError,
    LifecycleError,
    OptionError,
    SnapshotError,
    StartError,
    UnknownWorldError,
    UnsupportedError,
)
from wmenv.worlds.pan import PanWorld

STAY, MORE = 1, 2
BOX = ActionTable(("pull", "turn"), noop=(0.0, 0.0), kind="box", low=(-1.0, 0.0), high=(1.0, 10.0))


def opened(rows=3, seed=0, **settings):
    env = WorldVectorEnv(settings.pop("world", None) or CountingWorld(), rows, **settings)
    env.reset(seed=seed)
    return env


def counts(observations):
    return [count for count, *_ in pixel(observations)]


def act(env, action=MORE):
    return env.step(np.full(env.num_envs, action))


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_every_step_gives_new_arrays():
    env = opened()
    first, second = act(env), act(env)
    for mine, other in zip(first[:4], second[:4], strict=True):
        assert not np.shares_memory(mine, other)
    before = first[0].copy()
    act(env), env.reset(options={"reset_mask": np.array([True, False, False])})
    np.testing.assert_array_equal(first[0], before)


def test_the_batch_space_is_made_when_asked_for():
    env = WorldVectorEnv(CountingWorld(), 4)
    assert "observation_space" not in vars(env)
    assert env.observation_space.shape == (4, SIDE, SIDE, 3)
    assert env.observation_space is env.observation_space


@pytest.mark.parametrize("world_output", ["numpy", "torch"])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_torch_output_is_the_same_walk(world_output, mode):
    torch = pytest.importorskip("torch")
    settings = {"max_episode_steps": 5, "autoreset_mode": mode}
    plain = opened(**settings)
    tensors = opened(world=CountingWorld(output=world_output), output="torch", **settings)
    for _ in range(12):
        expected, given = act(plain), tensors.step(torch.full((3,), MORE))
        for mine, other in zip(given[:4], expected[:4], strict=True):
            assert isinstance(mine, torch.Tensor)
            np.testing.assert_array_equal(mine.numpy(), other)
        for mine, other in zip(given[4].get("final_obs", ()), expected[4].get("final_obs", ()), strict=True):
            assert (mine is None) == (other is None)
            assert mine is None or (mine.numpy() == other).all()
    chunk = tensors.step_chunk(torch.full((3, 2), STAY))
    assert chunk.observations.shape[:2] == (3, len(chunk.infos))


def test_a_torch_world_gives_numpy_by_one_copy_of_its_own():
    pytest.importorskip("torch")
    world = CountingWorld(output="torch")
    env, plain = opened(world=world), opened()
    for _ in range(12):
        np.testing.assert_array_equal(act(env)[0], act(plain)[0])


def test_continuous_actions_are_scaled_to_the_world():
    env = opened(world=CountingWorld(actions=BOX))
    assert env.single_action_space.low.tolist() == [-1, -1]
    before = counts(env.restore(env.snapshot()))
    assert counts(env.step(np.array([[1, 0], [0, 0], [-1, 0]], np.float32))[0]) == [
        before[0] + 1,
        before[1],
        (before[2] - 1) % 256,
    ]
    watched = Diary(1)
    env = opened(1, world=CountingWorld(actions=BOX), observer=watched)
    env.step(np.array([[0.5, 0.0]], np.float32))
    assert watched.seen[0].actions.tolist() == [[0.5, 5.0]]


def test_the_ends_of_a_range_that_no_float32_has_can_be_reached():
    narrow = ActionTable(("pull", "turn"), noop=(0.0, 0.0), kind="box", low=(-0.1, -3.3), high=(0.1, 1.1))
    watched = Diary(2)
    env = opened(2, world=CheckingWorld(actions=narrow, goal=None), reward="none", observer=watched)
    env.step(np.array([[1, 1], [-1, -1]], np.float32))
    np.testing.assert_array_equal(watched.seen[0].actions, np.array([narrow.high, narrow.low], np.float32))


class CheckingWorld(CountingWorld):
    """One that refuses what its table does not have, as worlds should."""

    def advance(self, state, actions, directions):
        return super().advance(state, self.spec.actions.check(actions, len(state)), directions)


# --- episodes --------------------------------------------------------------------------------------------------------


def test_an_observer_sees_every_episode_and_changes_nothing():
    diary = Diary(2)
    watched, plain = opened(2, observer=diary, max_episode_steps=4), opened(2, max_episode_steps=4)
    for _ in range(9):
        mine, other = act(watched, STAY), act(plain, STAY)
        np.testing.assert_array_equal(mine[0], other[0])
    assert [rows for rows, *_ in diary.begun] == [[0, 1], [0, 1]]
    assert [step.active.tolist() for step in diary.seen].count([False, False]) == 1
    watched.close()
    assert diary.closed


def test_success_is_an_end_with_reward():
    env = opened(2, autoreset_mode="SameStep", max_episode_steps=3)
    env.reset(seed=0, options=[{"template": "low"}, {"template": "high"}])
    act(env)
    final = act(env)[4]["final_info"]
    assert final["is_success"].tolist() == [False, True]
    assert final["_is_success"].tolist() == [False, True]
    assert act(env)[4]["final_info"]["_is_success"].tolist() == [True, False]


def test_groups_begin_alike_and_part_by_their_own_dice():
    env = opened(6)
    observations, _ = env.reset(seed=3, options={"group_size": 3, "template": "high"})
    begun = pixel(observations)
    assert begun[0] == begun[1] == begun[2]
    assert begun[3] == begun[4] == begun[5]
    assert begun[0] != begun[3]
    later = pixel(act(env, STAY)[0])
    assert later[0][:2] == later[1][:2]
    assert len({dice for *_, dice in later}) == 6


def test_a_world_that_cannot_start_from_a_moment_cannot_form_groups():
    world = CountingWorld()
    world.spec = world.spec.with_(starts=frozenset({"seed"}))
    with pytest.raises(UnsupportedError, match="cannot start from a moment"):
        opened(world=world).reset(options={"group_size": 3})


def test_a_picture_or_a_moment_begins_one_episode_only():
    env = opened(1, max_episode_steps=2)
    picture = np.full((SIDE, SIDE, 3), 5, np.uint8)
    assert counts(env.reset(seed=9, options={"picture": picture})[0]) == [5]
    assert env.reset(seed=9)[0].tolist() == opened(1, seed=9).restore(opened(1, seed=9).snapshot()).tolist()


def test_a_moment_of_another_run_goes_on():
    env = opened(1)
    act(env)
    moment = env.snapshot().moment.state.to_bytes()
    assert counts(env.reset(seed=1, options={"moment": moment})[0]) == [1]


# --- branching -------------------------------------------------------------------------------------------------------


def test_a_snapshot_goes_on_bit_for_bit_any_number_of_times():
    env = opened(3, seed=7, max_episode_steps=6)
    act(env)
    kept = env.snapshot()
    lives = []
    for _ in range(2):
        env.restore(kept)
        lives.append([act(env)[:4] for _ in range(5)])
    for mine, other in zip(*lives, strict=True):
        for left, right in zip(mine, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_snapshot_survives_as_bytes_in_a_new_environment():
    env = opened(2, seed=7, max_episode_steps=6)
    act(env)
    env.direct("jump", rows=[1])
    data = env.snapshot().to_bytes()
    other = WorldVectorEnv(CountingWorld(), 2, max_episode_steps=6)
    other.restore(Snapshot.from_bytes(data, other.world))
    for _ in range(4):
        for left, right in zip(act(env)[:4], act(other)[:4], strict=True):
            np.testing.assert_array_equal(left, right)


def test_options_in_numpys_numbers_survive_as_bytes():
    env = opened(1)
    env.reset(options={"max_episode_steps": np.int64(2), "template": np.str_("low")})
    other = WorldVectorEnv(CountingWorld(), 1)
    other.restore(Snapshot.from_bytes(env.snapshot().to_bytes(), other.world))
    other.reset()
    assert [bool(act(other, STAY)[3][0]) for _ in range(2)] == [False, True]


def test_a_fork_does_not_disturb_its_parent():
    env, alone = opened(3, seed=7), opened(3, seed=7)
    act(env), act(alone)
    env.fork([0, 0], [1, 2])
    observations = env.step(np.array([MORE, 0, STAY]))[0]
    expected = act(alone)[0]
    np.testing.assert_array_equal(observations[0], expected[0])
    first = counts(expected)[0]
    assert counts(observations) == [first, first - 2, first - 1]


def test_a_restored_row_begins_from_a_moment_for_an_observer():
    diary = Diary(2)
    env = opened(2, observer=diary)
    env.fork([0], [1])
    assert diary.begun[-1] == ([1], [0], [["moment"]])


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_an_observer_may_come_late(output):
    env, diary = opened(2, world=CountingWorld(output=output), output=output, max_episode_steps=3), Diary(2)
    act(env, STAY)
    env.watch(diary)
    assert diary.begun == [([0, 1], [0, 1], [["moment"]] * 2)]
    act(env, STAY)
    assert act(env, STAY)[4]["wmenv"]["frames"].tolist() == [2, 2]
    assert isinstance(diary.seen[0].outcome.frames, np.ndarray)
    with pytest.raises(LifecycleError, match="Diary watches"):
        env.watch(diary)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda env: env.restore(env.snapshot([0])),
        lambda env: env.restore(env.snapshot([0, 1]), rows=[1, 1]),
        lambda env: env.fork([0], [0, 1]),
        lambda env: env.fork([0], [7]),
        lambda env: env.restore(opened(3, world=other_world()).snapshot()),
        lambda env: Snapshot.from_bytes(b"nonsense", env.world),
        lambda env: Snapshot.from_bytes(env.snapshot().to_bytes()[:-40], env.world),
        lambda env: Snapshot.from_bytes(env.snapshot().to_bytes(), other_world()),
    ],
)
def test_what_cannot_be_restored_is_refused(wrong):
    env = opened()
    with pytest.raises((SnapshotError, OptionError)):
        wrong(env)
    act(env)


def other_world():
    world = CountingWorld()
    world.spec = world.spec.with_(name="another")
    return world


def test_a_snapshot_of_a_world_of_other_settings_is_refused_and_changes_nothing():
    """Their specs have one name, as those of a network and of its next version have."""
    env, plain = (opened(2, world=PanWorld(), reward="none") for _ in range(2))
    strange = opened(2, world=PanWorld(noise=4), reward="none")
    for rows in ([0], None):
        with pytest.raises(SnapshotError, match="'pan noise=4 "):
            env.restore(strange.snapshot(rows), rows)
        np.testing.assert_array_equal(act(env)[0], act(plain)[0])


# --- directions ------------------------------------------------------------------------------------------------------


def test_a_direction_comes_with_the_next_step_of_its_rows():
    env = opened(3)
    assert env.direct("jump", rows=[1]) == [1]
    env.direct("sing", rows=[2])
    observations, *_, infos = act(env, STAY)
    assert counts(observations) == [0, 11, 2]
    assert infos["_direction"].tolist() == [False, True, True]
    assert infos["direction"]["applied"].tolist() == [False, True, False]
    assert "only jump" in infos["direction"]["reason"][2]
    assert "direction" not in act(env, STAY)[4]


def test_two_directions_take_two_steps():
    env = opened(1, world=CountingWorld(goal=100))
    env.direct("jump")
    env.direct("sing")
    assert act(env, STAY)[4]["direction"]["text"].tolist() == ["jump"]
    assert act(env, STAY)[4]["direction"]["text"].tolist() == ["sing"]


def test_a_lock_is_kept_with_the_direction_that_waits():
    env = opened(1)
    env.direct("jump", lock=np.array([0, 1, 8, 8]).tolist())
    env.direct("jump", lock=tuple(np.array([0, 1, 8, 8])))
    kept = Snapshot.from_bytes(env.snapshot().to_bytes(), env.world)
    assert [one.lock for one in kept.waiting[0]] == [(0, 1, 8, 8)] * 2
    with pytest.raises(DirectionError, match="four whole numbers"):
        env.direct("jump", lock=(0, 1, 8))


def test_directions_reach_only_rows_under_way():
    env = opened(2, autoreset_mode="Disabled", max_episode_steps=2)
    env.reset(options=[{}, {"max_episode_steps": 9}])
    act(env, STAY), act(env, STAY)
    assert env.direct("jump") == [1]
    with pytest.raises(LifecycleError, match=r"rows \[0\] have ended"):
        env.direct("jump", rows=[0])


def test_a_reset_forgets_what_waited():
    env = opened(2)
    env.direct("jump")
    env.reset(seed=0)
    assert counts(act(env, STAY)[0]) == [0, 1]


@pytest.mark.parametrize("text", ["", "  ", 5, None, "x" * 501, "two\nlines"])
def test_an_absurd_direction_is_refused(text):
    env = opened()
    with pytest.raises(DirectionError):
        env.direct(text)
    with pytest.raises((DirectionError, StartError)):
        env.reset(options={"prompt": text} if text is not None else {"picture": 1})
    assert act(env)[4].keys().isdisjoint({"direction"})


def test_a_world_without_an_ability_says_so():
    world = CountingWorld()
    world.spec = world.spec.with_(directions=False, words=False)
    env = opened(world=world)
    with pytest.raises(UnsupportedError, match="no directions"):
        env.direct("jump")
    with pytest.raises(UnsupportedError, match="no words"):
        env.describe()
    with pytest.raises(UnsupportedError, match="no instructions"):
        WorldVectorEnv("pan", 1, reward="none").instructions()


# --- chunks, pictures, words -----------------------------------------------------------------------------------------


def test_a_chunk_is_so_many_steps_and_stops_where_an_episode_ends():
    env, twin = opened(2, max_episode_steps=3), opened(2, max_episode_steps=3)
    chunk = env.step_chunk(np.full((2, 5), STAY))
    steps = [act(twin, STAY) for _ in range(3)]
    assert chunk.observations.shape == (2, 3, SIDE, SIDE, 3)
    for which, series in enumerate(chunk[:4]):
        np.testing.assert_array_equal(series, np.stack([step[which] for step in steps], axis=1))
    assert len(chunk.infos) == 3


def test_a_chunk_stops_where_an_episode_begins():
    env = opened(2, max_episode_steps=3)
    env.step_chunk(np.full((2, 5), STAY))
    assert env.step_chunk(np.full((2, 5), STAY)).rewards.shape == (2, 1), "whoever plans has to see the first picture"
    assert env.step_chunk(np.full((2, 2), STAY)).rewards.shape == (2, 2)


@pytest.mark.parametrize("actions", [np.zeros(3, int), np.zeros((3, 0), int), np.zeros((2, 4), int)])
def test_a_chunk_of_the_wrong_shape_is_refused(actions):
    with pytest.raises(OptionError, match="step_chunk"):
        opened(3).step_chunk(actions)


def test_pictures_are_shown_when_a_render_mode_was_asked_for():
    env = opened(3, render_mode="rgb_array")
    observations = act(env)[0]
    np.testing.assert_array_equal(np.stack(env.render()), observations)
    tiled = env.render_tiled()
    assert tiled.shape == (2 * SIDE, 2 * SIDE, 3)
    np.testing.assert_array_equal(tiled[:SIDE, SIDE:], observations[1])
    np.testing.assert_array_equal(tiled[SIDE:, :SIDE], observations[2])
    assert opened().render() is None


def test_words():
    env = opened(2)
    assert env.describe() == ["the count is 0", "the count is 1"]
    assert env.instructions() == ["reach 8"] * 2
    assert env.action_meanings == env.get_action_meanings() == list(ACTIONS.names)


def test_latency_is_told_beside_the_info():
    env = opened(1, world=CountingWorld(seconds=0.01))
    infos = act(env)[4]
    assert env.last_step.latency_ms >= 10
    assert not {key for key in infos if "ms" in key or "time" in key}


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "actions",
    [
        np.full(3, 3),
        np.full(3, -1),
        np.full(2, 0),
        np.full((3, 1), 0),
        np.full(3, np.nan),
        np.full(3, 0.5),
        ["more"] * 3,
    ],
)
def test_a_wrong_action_is_refused_and_changes_nothing(actions):
    env, twin = opened(), opened()
    with pytest.raises(ActionError):
        env.step(actions)
    np.testing.assert_array_equal(act(env)[0], act(twin)[0])


@pytest.mark.parametrize("actions", [np.full((3, 2), 1.5), np.full((3, 2), np.nan), np.zeros(3)])
def test_a_wrong_continuous_action_is_refused(actions):
    env = opened(world=CountingWorld(actions=BOX))
    with pytest.raises(ActionError):
        env.step(actions.astype(np.float32))


def test_a_continuous_field_without_an_end_is_left_as_it_is():
    endless = ActionTable(("pull", "turn"), kind="box", low=(1.0, -np.inf), high=(3.0, np.inf))
    env = opened(2, world=CountingWorld(actions=endless), observer=Diary(2), max_episode_steps=1)
    assert env.single_action_space.high.tolist() == [3, np.inf]
    actions = np.array([[2, 50], [3, -50]], np.float32)
    env.step(actions)
    np.testing.assert_array_equal(env.observer.seen[0].actions, actions)
    env.step(np.full((2, 2), np.nan))  # ignored, since every row begins anew
    assert env.observer.seen[1].actions.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    "settings",
    [
        {"num_envs": 0},
        {"num_envs": 2.5},
        {"max_episode_steps": 0},
        {"autoreset_mode": "sometimes"},
        {"output": "jax"},
        {"render_mode": "ascii"},
        {"reward": "lots"},
    ],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(OptionError):
        WorldVectorEnv(CountingWorld(), **settings)


def test_an_unknown_world_is_refused_with_its_neighbour():
    with pytest.raises(UnknownWorldError, match="Did you mean 'pan'"):
        WorldVectorEnv("pann")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"promt": "x"}, OptionError),
        ({"template": "middle"}, StartError),
        ({"template": 3}, OptionError),
        ({"template": "low", "picture": np.zeros((SIDE, SIDE, 3), np.uint8)}, StartError),
        ({"picture": np.zeros((3, 3, 3), np.uint8)}, StartError),
        ({"moment": "bytes"}, OptionError),
        ({"moment": b"bytes"}, SnapshotError),
        ({"max_episode_steps": -1}, OptionError),
        ({"reset_mask": [True, False, False]}, OptionError),
        ({"reset_mask": np.zeros(3, bool)}, OptionError),
        ({"reset_mask": np.ones(2, bool)}, OptionError),
        ({"group_size": 2}, OptionError),
        ([{}, {}], OptionError),
        ([{"group_size": 3}] * 3, OptionError),
    ],
)
def test_a_wrong_option_is_refused_and_changes_nothing(options, error):
    env, twin = opened(), opened()
    with pytest.raises(error):
        env.reset(options=options)
    np.testing.assert_array_equal(act(env)[0], act(twin)[0])


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "seven", [1, 2], [1, 2, "three"]])
def test_a_wrong_seed_is_refused(seed):
    env = opened()
    with pytest.raises(OptionError, match=r"seed"):
        env.reset(seed=seed)
    act(env)


def test_the_largest_seeds_have_room_for_every_row():
    env = WorldVectorEnv(CountingWorld(), 3)
    with pytest.raises(OptionError, match=r"begin at 2\*\*63 - 3 at most"):
        env.reset(seed=2**63 - 2)
    assert next(iter(row_seeds(2**63 - 3, rows=3))) == 2**63 - 3


def test_calls_out_of_turn_are_refused():
    env = WorldVectorEnv(CountingWorld(), 2, autoreset_mode="Disabled", max_episode_steps=1)
    one = np.array([True, False])
    for early in (lambda: act(env), env.snapshot, lambda: env.direct("jump"), env.render_tiled, env.describe):
        with pytest.raises(LifecycleError, match="reset"):
            early()
    with pytest.raises(LifecycleError, match="every row"):
        env.reset(options={"reset_mask": one})
    env.reset(seed=0)
    act(env, STAY)
    with pytest.raises(LifecycleError, match="have ended"):
        act(env)
    env.reset(options={"reset_mask": one})
    with pytest.raises(LifecycleError, match=r"\[1\]"):
        act(env)
    env.reset()
    act(env, STAY)
    env.close()
    env.close()
    for late in (lambda: act(env), env.reset, env.snapshot, lambda: env.direct("jump"), env.render_tiled, env.describe):
        with pytest.raises(LifecycleError):
            late()


def test_a_row_about_to_begin_anew_may_be_sent_anything():
    env = opened(2, max_episode_steps=1)
    act(env, STAY)
    observations, rewards, *_ = env.step(np.array([99, -5]))
    assert rewards.tolist() == [0, 0]
    assert [step for _, step, _ in pixel(observations)] == [0, 0]


class FailsOnce(CountingWorld):
    def advance(self, state, actions, directions):
        state.consume()
        raise RuntimeError("out of memory")


def test_a_world_that_fails_half_way_needs_a_reset():
    env = opened(world=FailsOnce())
    with pytest.raises(RuntimeError, match="out of memory"):
        act(env)
    with pytest.raises(LifecycleError, match="failed half way"):
        act(env)
    assert counts(env.reset(seed=0)[0]) == [0, 1, 2]


class FullDisk(Diary):
    def stepped(self, step):
        super().stepped(step)
        raise OSError("no space left")


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_an_observer_that_fails_loses_no_episode_end(mode):
    env, plain = (
        opened(2, observer=FullDisk(2), max_episode_steps=3, autoreset_mode=mode),
        opened(2, max_episode_steps=3),
    )
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            act(env, STAY)
        act(plain, STAY)
    env.observer = None
    np.testing.assert_array_equal(act(env, STAY)[0], act(plain, STAY)[0])  # both begin anew


def test_starts_are_told_to_the_observer():
    diary = Diary(2)
    env = opened(2, observer=diary)
    env.reset(seed=4, options={"template": "low", "prompt": "go"})
    assert diary.begun[-1] == ([0, 1], [4, 5], [sorted(Start(template="low", prompt="go").kinds)] * 2)
