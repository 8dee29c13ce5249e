"""Every registered id passes the checkers of Gymnasium and Stable-Baselines3, warnings as errors, and is made anew."""

from __future__ import annotations

import json
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from wmenv.make import ENVIRONMENTS

IDS = sorted(ENVIRONMENTS)


@pytest.fixture(params=IDS)
def env(request):
    made = gymnasium.make(request.param)
    yield made
    made.close()


def test_gymnasium_finds_nothing(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_stable_baselines3_finds_nothing(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env_sb3(env.unwrapped)


def test_a_spec_can_be_written_as_json(env):
    assert json.loads(env.spec.to_json())["id"] == env.spec.id
    assert env.spec.max_episode_steps == ENVIRONMENTS[env.spec.id]["max_episode_steps"]


@pytest.mark.parametrize("name", ["wmenv/Pan-v0", "wmenv/GridRoomsSource-v0"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_gymnasium_makes_our_own_vector_environment(name, mode):
    env = gymnasium.make_vec(name, num_envs=3, autoreset_mode=mode, max_episode_steps=4)
    assert (env.num_envs, env.metadata["autoreset_mode"], env.spec.id) == (3, mode, name)
    env.reset(seed=0)
    stay = np.full(3, env.world_spec.actions.noop)
    truncated = [env.step(stay)[3].all() for _ in range(4)]
    assert truncated == [False, False, False, True]
    env.close()


def test_the_record_comes_where_the_registered_time_limit_cuts():
    env = gymnasium.make("wmenv/Pan-v0")
    env.reset(seed=0)
    noop = env.unwrapped.world.spec.actions.noop
    steps = [env.step(noop) for _ in range(ENVIRONMENTS["wmenv/Pan-v0"]["max_episode_steps"])]
    assert [truncated for *_, truncated, _ in steps].index(True) == len(steps) - 1
    assert [("wmenv" in info) for *_, info in steps].index(True) == len(steps) - 1
    record = steps[-1][-1]["wmenv"]
    assert (record["env_id"], record["steps"], record["end"]) == ("wmenv/Pan-v0", len(steps), "truncated")
    env.close()


def test_a_longer_limit_is_a_reset_option():
    env = gymnasium.make("wmenv/Pan-v0", max_episode_steps=100, record=False)
    noop = env.unwrapped.world.spec.actions.noop
    env.reset(seed=0, options={"max_episode_steps": 100})
    assert [env.step(noop)[3] for _ in range(100)].index(True) == 99


@pytest.mark.parametrize("render_mode", ["rgb_array", "rgb_array_list"])
def test_gymnasium_renders(render_mode):
    env = gymnasium.make("wmenv/Pan-v0", render_mode=render_mode)
    observation, _ = env.reset(seed=0)
    shown = env.render()
    np.testing.assert_array_equal(shown[0] if render_mode == "rgb_array_list" else shown, observation)
    env.close()


def test_recording_changes_nothing():
    walks = []
    for record in (True, False):
        env = gymnasium.make_vec("wmenv/Pan-v0", num_envs=2, record=record, max_episode_steps=8)
        frames = [env.reset(seed=3)[0]]
        actions = np.random.default_rng(0).integers(0, 5, (20, 2))
        frames += [env.step(action)[0] for action in actions]
        walks.append(np.stack(frames))
        env.close()
    np.testing.assert_array_equal(*walks)
