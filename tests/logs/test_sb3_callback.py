"""World metrics in the table of Stable-Baselines3."""

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.env.sb3 import WorldVecEnv
from wmenv.env.vector import WorldVectorEnv
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.logs.sb3_callback import WorldMetricsCallback

sb3 = pytest.importorskip("stable_baselines3")
from stable_baselines3.common.logger import KVWriter, Logger  # noqa: E402


class Table(KVWriter):
    def __init__(self) -> None:
        self.rows: list[dict] = []

    def write(self, key_values, key_excluded, step=0):
        self.rows.append(dict(key_values))

    def close(self) -> None:
        """Nothing is held open."""


def test_the_table_shows_the_episodes_since_the_last_one():
    world = CountingWorld(goal=None)
    env = WorldVectorEnv(
        world,
        2,
        observer=EpisodeRecorder(world.spec, 2),
        reward="none",
        max_episode_steps=8,
        autoreset_mode="SameStep",
    )
    model = sb3.PPO("CnnPolicy", WorldVecEnv(env), n_steps=16, batch_size=16, n_epochs=1, device="cpu")
    table = Table()
    model.set_logger(Logger(None, [table]))
    model.learn(64, callback=WorldMetricsCallback())
    shown = table.rows[-1]
    assert shown["world/latency_p50_ms"] > 0
    assert "world/latency_p99_ms" not in shown, "8 steps are too few for a p99"
    assert np.isfinite(shown["world/alarms"])
