"""torchrl's GymWrapper steps us in the modes that it takes."""

from __future__ import annotations

import pytest
from gymnasium.vector import AutoresetMode

from tests.fakes import SIDE, CountingWorld
from wmenv.env.vector import WorldVectorEnv

torchrl_envs = pytest.importorskip("torchrl.envs")


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
@pytest.mark.parametrize("output", ["numpy", "torch"])
@pytest.mark.parametrize("extras", [False, True])
def test_a_rollout_crosses_episode_ends(mode, output, extras):
    world = CountingWorld(goal=50, extras=extras)
    env = WorldVectorEnv(world, 3, autoreset_mode=mode, output=output, max_episode_steps=4)
    rollout = torchrl_envs.GymWrapper(env).rollout(10, break_when_any_done=False)
    assert rollout["observation"].shape[:3] == (3, 10, SIDE)
    assert rollout["next", "truncated"].squeeze(-1)[:, 3].all()
    assert not rollout["next", "truncated"].squeeze(-1)[:, 4].any()
