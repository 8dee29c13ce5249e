"""A model that Stable-Baselines3 saved acts the same for an episode, whatever runs beside it."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO

from tests.fakes import CountingWorld
from wmenv.errors import OptionError
from wmenv.make import make_sb3
from wmenv.rollout.dataset import difference
from wmenv.rollout.plan import Plan
from wmenv.rollout.policies import Mind, View, load_policy
from wmenv.rollout.rows import Rows
from wmenv.rollout.sb3_policy import SB3Policy, load_model

SPEC = CountingWorld().spec


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained models, saved as users save theirs."""
    folder = tmp_path_factory.mktemp("models")
    env = make_sb3(CountingWorld(), 1)
    PPO("CnnPolicy", env, seed=1, n_steps=8, batch_size=8).save(folder / "ppo")
    DQN("CnnPolicy", env, seed=1, buffer_size=10).save(folder / "dqn")
    return folder


def roll(policy, batch):
    plan = Plan(world="here", episodes=5, max_steps=6)
    done = Rows(CountingWorld(goal=None), policy, plan, batch).run([range(5)])
    return {finished.number: finished.episode for finished in done}


@pytest.mark.parametrize("deterministic", [True, False])
def test_an_episode_is_the_same_in_every_batch(models, deterministic):
    policy = load_policy(str(models / "ppo.zip"), {"deterministic": deterministic})
    alone, together = roll(policy, 1), roll(policy, 4)
    assert not [told for number in alone if (told := difference(alone[number], together[number]))]
    drawn = {tuple(episode.actions.tolist()) for episode in alone.values()}
    assert deterministic or len(drawn) == 5


def test_what_a_model_predicts_is_what_it_does(models):
    policy, model = SB3Policy(models / "ppo.zip", deterministic=True), PPO.load(models / "ppo.zip")
    frames = np.random.default_rng(0).integers(0, 256, (3, 36, 36, 3), dtype=np.uint8)
    minds = [Mind(number, np.random.default_rng(number)) for number in range(3)]
    expected, _ = model.predict(frames.transpose(0, 3, 1, 2), deterministic=True)
    assert policy(View(frames, minds, SPEC, batch=8)).tolist() == expected.tolist()


def test_the_class_is_found_out_and_can_be_said(models):
    assert isinstance(load_model(models / "ppo.zip", None, "cpu"), PPO)
    assert isinstance(load_model(models / "dqn.zip", None, "cpu"), DQN)
    with pytest.raises(OptionError, match="Did you mean 'PPO'"):
        load_model(models / "ppo.zip", "PPOO", "cpu")


def test_a_model_without_a_distribution_has_to_be_deterministic(models):
    with pytest.raises(OptionError, match="set deterministic=true"):
        roll(SB3Policy(models / "dqn.zip"), 2)
    assert roll(SB3Policy(models / "dqn.zip", deterministic=True), 2)
