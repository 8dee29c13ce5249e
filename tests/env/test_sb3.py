"""What Stable-Baselines3 needs of us: the last observation, the clock's cut, and algorithms that run."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecFrameStack, VecTransposeImage

from tests.fakes import CountingWorld, Diary, pixel
from wmenv.env.sb3 import WorldVecEnv
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import OptionError, UnknownWorldError, UnsupportedError
from wmenv.make import make_sb3

STAY, MORE = 1, 2
RECORD = {"frames": 3, "how": {"cut": True, "name": "fake"}}


def vec_env(rows=2, **settings):
    settings = {"max_episode_steps": 3, "observer": Diary(rows)} | settings
    return WorldVecEnv(WorldVectorEnv(CountingWorld(), rows, autoreset_mode="SameStep", **settings))


def test_an_ended_episode_leaves_its_last_observation_and_its_record():
    env = vec_env()
    env.seed(5)
    env.set_options([{}, {"template": "high"}])
    env.reset()
    assert env.env.episode_seeds.tolist() == [5, 6]
    assert env.reset_infos == [{}, {}]
    first = env.step(np.array([STAY, MORE]))
    second = env.step(np.array([STAY, MORE]))
    third = env.step(np.array([STAY, STAY]))
    assert first[3] == [{}, {}]
    assert second[2].tolist() == [False, True]
    won, cut = second[3][1], third[3][0]
    assert (won["TimeLimit.truncated"], cut["TimeLimit.truncated"]) == (False, True)
    assert (won["is_success"], cut["is_success"]) == (True, False)
    assert pixel(won["terminal_observation"])[:2] == [8, 2]
    assert pixel(second[0][1])[:2] == [6, 0]  # the next episode, with the same template
    assert cut["wmenv"] == RECORD
    assert (cut["wm_frames"], cut["wm_how_cut"], cut["wm_how_name"]) == (3, True, "fake")
    assert second[1].dtype == np.float32


def test_rows_answer_for_themselves():
    env = vec_env(3, render_mode="rgb_array")
    env.seed(0)
    env.reset()
    assert env.env_method("describe", indices=[1, 2]) == ["the count is 1", "the count is 2"]
    env.env_method("direct", "jump", indices=1)
    kept = env.env_method("snapshot", indices=2)[0]
    terminal = env.step(np.full(3, STAY))[3][1]["terminal_observation"]
    assert pixel(terminal)[0] == 11
    restored = env.env_method("restore", kept, indices=2)[0]
    assert pixel(restored)[:2] == [2, 0]
    assert env.get_attr("num_envs", [0, 1]) == [3, 3]
    assert env.env_is_wrapped(VecFrameStack) == [False] * 3
    assert len(env.get_images()) == 3
    assert env.render().shape[-1] == 3
    env.set_attr("max_episode_steps", 2)
    assert env.get_attr("max_episode_steps") == [2] * 3
    env.reset()
    assert [env.step(np.full(3, STAY))[2].all() for _ in range(2)] == [False, True]


def test_what_rows_do_not_have_is_refused():
    env = vec_env(2)
    with pytest.raises(UnsupportedError, match="share their attributes"):
        env.set_attr("max_episode_steps", 1, indices=[0])
    for name in ("reward", "output", "max_episode_stpes"):
        with pytest.raises(UnsupportedError, match=f"'{name}' cannot be set .* only max_episode_steps and sticky"):
            env.set_attr(name, "none")
    with pytest.raises(OptionError, match="whole number"):
        env.set_attr("max_episode_steps", 0)
    with pytest.raises(UnsupportedError, match="no method 'dance'"):
        env.env_method("dance")
    with pytest.raises(OptionError, match="SameStep"):
        WorldVecEnv(WorldVectorEnv(CountingWorld(), 2))
    with pytest.raises(UnknownWorldError, match="Did you mean 'wmenv/Pan-v0'"):
        make_sb3("wmenv/Pann-v0")


def test_the_monitor_takes_record_keys_as_columns(tmp_path):
    file = tmp_path / "monitor.csv"
    env = make_sb3("wmenv/Pan-v0", 2, seed=0, max_episode_steps=5, info_keywords=("wm_steps",), monitor_file=str(file))
    env.reset()
    for _ in range(12):
        env.step(np.full(2, 4))
    env.close()
    rows = list(csv.DictReader(file.read_text().splitlines()[1:]))
    assert [(row["l"], row["wm_steps"]) for row in rows] == [("5", "5")] * 4


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        (PPO, {"n_steps": 16, "batch_size": 16, "n_epochs": 1}),
        (DQN, {"buffer_size": 200, "learning_starts": 16, "train_freq": 8, "batch_size": 8}),
    ],
)
def test_algorithms_learn_save_load_and_are_evaluated(algorithm, settings, tmp_path):
    env = make_sb3(CountingWorld(), 2, max_episode_steps=12)
    model = algorithm("CnnPolicy", env, seed=1, **settings)
    model.learn(64)
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", env=env)
    observation = VecTransposeImage(make_sb3(CountingWorld(), 1)).reset()
    expected, _ = model.predict(observation, deterministic=True)
    assert (loaded.predict(observation, deterministic=True)[0] == expected).all()
    returns, lengths = evaluate_policy(loaded, env, n_eval_episodes=4, return_episode_rewards=True)
    assert len(returns) == 4
    assert all(1 <= length <= 12 for length in lengths)
    env.close()


def test_frames_are_stacked_by_stable_baselines():
    env = VecFrameStack(make_sb3(CountingWorld(), 2, max_episode_steps=3), 3)
    assert env.reset().shape == (2, 36, 36, 9)
    for _ in range(3):
        infos = env.step(np.full(2, STAY))[3]
    assert infos[0]["terminal_observation"].shape == (36, 36, 9)
