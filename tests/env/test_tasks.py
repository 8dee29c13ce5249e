"""Where reward comes from: nothing is defaulted, and what is no reward is named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.env.tasks import Judge
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import RewardError, UnsupportedError

MORE = np.array([2, 2])


def first_step(reward, world=None, **settings):
    env = WorldVectorEnv(world or CountingWorld(goal=None), 2, reward=reward, **settings)
    env.reset(seed=1)
    return env, env.step(MORE)


def brightness(frames):
    return frames[:, 0, 0, 0].astype(float)


def test_a_world_without_reward_wants_to_be_told_where_it_comes_from():
    with pytest.raises(UnsupportedError, match="reward='none'"):
        WorldVectorEnv(CountingWorld(goal=None))


def test_exploring_without_reward_is_said_aloud():
    env, (_, rewards, terminated, _, infos) = first_step("none", max_episode_steps=1)
    assert env.reward_source == "none"
    assert rewards.tolist() == [0, 0]
    assert not terminated.any()
    assert "is_success" not in infos


def test_a_task_function_gives_reward_and_the_world_ends_episodes():
    def count(outcome, actions):
        return outcome.frames[:, 0, 0, 0] + 0.5 * actions

    env, (_, rewards, terminated, _, infos) = first_step(count, CountingWorld(goal=3))
    assert env.reward_source == "task:count"
    assert rewards.tolist() == [3, 4]
    assert terminated.tolist() == [False, True]
    assert infos["is_success"].tolist() == [False, True]


def test_a_task_function_may_end_episodes():
    _, (_, rewards, terminated, _, _) = first_step(lambda outcome, actions: ([1, 0], [True, False]))
    assert rewards.tolist() == [1, 0]
    assert terminated.tolist() == [True, False]


@pytest.mark.parametrize("world_output", ["numpy", "torch"])
@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_a_judge_sees_pictures_on_the_host(output, world_output):
    pytest.importorskip("torch")
    world = CountingWorld(goal=None, output=world_output)
    env, (_, rewards, terminated, _, _) = first_step(Judge(brightness, success=3), world, output=output)
    assert env.reward_source == "task:judge brightness"
    assert rewards.tolist() == [2, 3]
    assert terminated.tolist() == [False, True]


@pytest.mark.parametrize("given", [1.0, [1], [1, np.nan], ["good", "bad"], [[1, 2]], ([1, 2], [True])])
def test_what_is_no_reward_is_named(given):
    env = WorldVectorEnv(CountingWorld(goal=None), 2, reward=lambda outcome, actions: given)
    env.reset(seed=1)
    with pytest.raises(RewardError, match="one finite number for each of 2 rows"):
        env.step(MORE)
    env.reset(seed=1)
