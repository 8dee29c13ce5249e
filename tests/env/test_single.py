"""The single environment: one row without its axis, in the kinds of number that Gymnasium wants."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import SIDE, CountingWorld, Diary, pixel
from wmenv.env.single import WorldEnv
from wmenv.env.snapshot import Snapshot
from wmenv.env.tasks import Judge
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import ActionError, DirectionError, LifecycleError, OptionError, UnsupportedError

STAY, MORE = 1, 2


def opened(seed=0, **settings):
    env = WorldEnv(settings.pop("world", None) or CountingWorld(), **settings)
    env.reset(seed=seed)
    return env


def test_it_is_the_row_of_a_vector_environment():
    one, rows = opened(seed=4, max_episode_steps=5), WorldVectorEnv(CountingWorld(), 1, max_episode_steps=5)
    rows.reset(seed=4)
    for _ in range(5):
        observation, reward, terminated, truncated, _ = one.step(MORE)
        batch = rows.step(np.array([MORE]))
        np.testing.assert_array_equal(observation, batch[0][0])
        assert (reward, terminated, truncated) == (batch[1][0], batch[2][0], batch[3][0])
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
        if terminated or truncated:
            break


def test_the_record_comes_with_the_step_that_ends_the_episode_and_no_other():
    env = opened(observer=Diary(1), max_episode_steps=3)
    infos = [env.step(STAY)[4] for _ in range(3)]
    assert [sorted(info) for info in infos] == [[], [], ["is_success", "wmenv"]]
    assert infos[-1] == {"wmenv": {"frames": 3, "how": {"cut": True, "name": "fake"}}, "is_success": False}


def test_a_fork_is_independent():
    env = opened(seed=3, max_episode_steps=6)
    env.step(MORE)
    twin = env.fork()
    frames = [env.step(action)[0] for action in (0, 0)], [twin.step(action)[0] for action in (MORE, MORE)]
    assert [[count for count, *_ in pixel(np.stack(part))] for part in frames] == [[3, 2], [5, 6]]
    env.reset(), twin.reset()
    assert env.episode_seed == twin.episode_seed  # both would go on to the same episode
    twin.close()
    env.step(STAY)


class Growth:
    """A reward that remembers: by how much the count has grown since the last view."""

    def __init__(self):
        self.before = None

    def opened(self, rows, frames):
        self.before = frames[:, 0, 0, 0].astype(int)

    def __call__(self, outcome, actions):
        before, self.before = self.before, outcome.frames[:, 0, 0, 0].astype(int)
        return self.before - before


def test_a_fork_leaves_alone_what_its_parents_reward_remembers():
    env = opened(world=CountingWorld(goal=None), reward=Growth())
    rewards = []
    for _ in range(3):
        twin = env.fork()
        assert [twin.step(MORE)[1] for _ in range(2)] == [1.0, 1.0]
        rewards.append(env.step(MORE)[1])
    assert rewards == [1.0, 1.0, 1.0]


def test_a_fork_shares_a_reward_that_remembers_nothing():
    weigh = Judge(lambda frames: frames[:, 0, 0, 0].astype(float))
    assert opened(reward=weigh).fork()._row.reward is weigh  # it may hold a network


def test_a_sound_is_heard_step_by_step_in_place_of_the_actions():
    env = opened(world=CountingWorld(goal=99, extras=True))
    env.hear(np.array([5, 0, 0, 0, -2, 0], np.int16))  # a step and a half
    kept = env.snapshot().to_bytes()
    counts = [pixel(env.step(MORE)[0])[0] for _ in range(3)]
    assert counts == [5, 3, 4]
    env.restore(Snapshot.from_bytes(kept, env.world))
    assert [pixel(env.step(MORE)[0])[0] for _ in range(3)] == counts


@pytest.mark.parametrize("sound", [np.zeros(4), np.zeros((4, 2), np.int16), np.zeros(0, np.int16), "beep"])
def test_what_is_no_sound_is_refused(sound):
    env = opened(world=CountingWorld(extras=True))
    with pytest.raises(DirectionError, match=r"int16 of shape \(n,\), 4 samples a step"):
        env.hear(sound)


def test_a_world_that_does_not_hear_says_so():
    with pytest.raises(UnsupportedError, match="hears"):
        opened().hear(np.zeros(4, np.int16))


def test_a_snapshot_goes_on_from_where_it_was():
    env = opened()
    kept = env.snapshot()
    env.step(MORE)
    assert pixel(env.restore(kept))[0] == 0
    assert pixel(env.step(MORE)[0])[0] == 1


def test_words_and_names():
    env = opened()
    assert env.describe() == "the count is 0"
    assert env.instruction == "reach 8"
    assert env.action_meanings == env.get_action_meanings() == ["less", "stay", "more"]
    assert env.reward_source == "env"


def test_a_direction_comes_with_the_next_step():
    env = opened(world=CountingWorld(goal=100))
    env.direct("jump")
    observation, *_, info = env.step(STAY)
    assert pixel(observation)[0] == 10
    assert info["direction"] == {"text": "jump", "applied": True, "reason": ""}


def test_a_chunk_has_one_entry_per_step():
    chunk = opened(max_episode_steps=4).step_chunk([MORE] * 9)
    assert chunk.observations.shape == (4, SIDE, SIDE, 3)
    assert chunk.truncated.tolist() == [False, False, False, True]
    assert [len(chunk.rewards), len(chunk.infos)] == [4, 4]


def test_the_last_step_says_when_it_was():
    env = opened(world=CountingWorld(seconds=0.01))
    assert env.last_step is None
    env.step(STAY)
    assert env.last_step.latency_ms >= 10


def test_torch_output():
    torch = pytest.importorskip("torch")
    env = opened(output="torch")
    observation, *_ = env.step(torch.tensor(MORE))
    assert isinstance(observation, torch.Tensor)
    assert pixel(observation)[0] == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda env: env.step(3), ActionError),
        (lambda env: env.step(np.nan), ActionError),
        (lambda env: env.step([1, 2]), ActionError),
        (lambda env: env.reset(options={"reset_mask": np.array([True])}), OptionError),
        (lambda env: env.reset(options={"group_size": 1}), OptionError),
        (lambda env: env.reset(seed=-1), OptionError),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(wrong, error):
    env = opened()
    with pytest.raises(error):
        wrong(env)
    assert pixel(env.step(MORE)[0])[:2] == [1, 1]


def test_calls_out_of_turn_are_refused():
    env = WorldEnv(CountingWorld(), max_episode_steps=1)
    for early in (lambda: env.step(STAY), env.snapshot, env.fork):
        with pytest.raises(LifecycleError):
            early()
    env.reset()
    env.step(STAY)
    with pytest.raises(LifecycleError, match="ended"):
        env.step(STAY)
    env.close()
    env.close()
    with pytest.raises(LifecycleError, match="closed"):
        env.reset()
