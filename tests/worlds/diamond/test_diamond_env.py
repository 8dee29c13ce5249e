"""DIAMOND as an environment: Stable-Baselines3 trains inside it, and rows end and begin again by themselves."""

from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO

from wmenv.make import make_sb3, make_vector_env
from wmenv.worlds.diamond import DiamondWorld
from wmenv.worlds.diamond.checkpoint import made_up_weights
from wmenv.worlds.diamond.config import DiamondConfig, StackConfig

SIDE = 36  # the smallest picture that the policy network of Stable-Baselines3 takes
TINY = DiamondConfig(
    actions=4,
    denoiser=StackConfig(16, (8, 8), (1, 1), (False, False)),
    reward_end=StackConfig(8, (8, 8), (1, 1), (False, False)),
    memory=8,
    image_size=SIDE,
)


@pytest.fixture(scope="module")
def world() -> DiamondWorld:
    return DiamondWorld(made_up_weights(TINY))


def test_rows_that_end_begin_again(world):
    """The unlearned end model ends about half of all steps."""
    env = make_vector_env(world, 4, max_episode_steps=3, record=False)
    env.reset(seed=0)
    ends = 0
    for _ in range(8):
        frames, rewards, terminated, truncated, _ = env.step(np.zeros(4, np.int64))
        ends += int(terminated.sum() + truncated.sum())
        assert frames.shape == (4, SIDE, SIDE, 3)
        assert set(rewards) <= {-1.0, 0.0, 1.0}
    assert ends >= 8


def test_the_page_shows_what_runs(small_checkpoint, monkeypatch):
    page = Path(__file__).parents[3] / "docs" / "others.md"
    program = page.read_text().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(small_checkpoint.parent)
    shown = {}
    exec(program.replace("Breakout.pt", small_checkpoint.name), shown)
    assert shown["env"].num_envs == 8


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ppo_trains_inside_for_a_few_thousand_steps(world):
    env = make_sb3(world, 8, max_episode_steps=32, seed=0)
    model = PPO("CnnPolicy", env, n_steps=64, batch_size=128, n_epochs=1, seed=0)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(2560)
    assert model.num_timesteps == 2560
    assert any((value != before[name]).any() for name, value in model.policy.state_dict().items())
    assert len(model.ep_info_buffer) == 100  # episodes ended, and were recorded
