"""Proximal policy optimisation on pixels: learns in one environment, is tried there and in the real one.

    python agents/ppo.py --env wmenv/GridRooms-Fetch-v0 --steps 100000
    python agents/ppo.py --env wmenv/GridRoomsSource-Fetch-v0 --steps 100000

The two commands differ in the id alone: the first learns in the generated world, the second in the real environment.
Stopped at any time, the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

import wmenv
from wmenv.bench.learners import PatchCnn, keep, seeded
from wmenv.contract import Start, World
from wmenv.logs.sb3_callback import WorldMetricsCallback
from wmenv.make import settings_of
from wmenv.worlds.begun import BegunWorld, kept_moments


class Keep(BaseCallback):
    """Saves the model every so many updates, so that the file is always a whole one."""

    def __init__(self, path: Path, every: int = 8) -> None:
        super().__init__()
        self.path, self.every, self.updates = path, every, 0

    def _on_rollout_start(self) -> None:  # what was played before has been learnt from
        if self.updates and self.updates % self.every == 0:
            keep(self.model, self.path)
        self.updates += 1

    def _on_step(self) -> bool:
        return True


def make(env: str | World, rows: int, seed: int, horizon: int, **settings):
    return wmenv.make_sb3(env, rows, seed=seed, options={"max_episode_steps": horizon}, **settings)


def begun_at_real_moments(env: str, real: str, count: int) -> BegunWorld:
    """The world behind `env`, its episodes begun at `count` moments of random walks in `real`.

    The real environment lives such a moment again; a generated world is shown its picture.
    """
    settings, walk = settings_of(env), gym.make(real)
    walk.action_space.seed(0)
    world = wmenv.load_world(settings["world"], **settings.get("world_settings", {}))
    starts = []
    while len(starts) < count:
        frame, _ = walk.reset(seed=5_000_000 + len(starts))
        for _ in range(len(starts) % 16):
            frame, _, terminated, truncated, _ = walk.step(walk.action_space.sample())
            if terminated or truncated:
                frame, _ = walk.reset()
        moment = walk.unwrapped.snapshot().moment.state.to_bytes()
        starts.append(Start(moment=moment) if env == real else Start(picture=frame))
    return BegunWorld(world, starts if env == real else kept_moments(world, starts))


def success(model: PPO, env: str, episodes: int, horizon: int, seed: int = 9_000_000) -> float:
    """The share of episodes won, one per row; actions are drawn, since one who cannot remember must not be stubborn."""
    rows = make(env, episodes, seed, horizon)
    observations, won, over = rows.reset(), [False] * episodes, [False] * episodes
    while not all(over):
        actions, _ = model.predict(observations)
        observations, _, dones, infos = rows.step(actions)
        for row in range(episodes):
            if dones[row] and not over[row]:
                over[row], won[row] = True, bool(infos[row].get("is_success"))
    rows.close()
    return sum(won) / episodes


def learn(asked: argparse.Namespace, path: Path, real: str) -> PPO:
    settings = {"truncate_on_doubt": asked.doubt}
    world = begun_at_real_moments(asked.env, real, asked.real_starts) if asked.real_starts else asked.env
    if path.exists():
        model = PPO.load(path, env=make(world, asked.rows, asked.seed, asked.horizon, **settings), device="cpu")
        print(f"{path} goes on from step {model.num_timesteps}")
    else:
        model = PPO(
            "CnnPolicy",
            make(world, asked.rows, asked.seed, asked.horizon, **settings),
            n_steps=64,
            batch_size=min(512, 64 * asked.rows),
            n_epochs=8,
            learning_rate=1e-3,
            gamma=0.95,
            ent_coef=0.01,
            seed=asked.seed,
            device="cpu",
            policy_kwargs={"features_extractor_class": PatchCnn, "net_arch": []},
            verbose=1,
        )
    seeded(model, asked.seed)
    if model.num_timesteps < asked.steps:
        callbacks = CallbackList([WorldMetricsCallback(), Keep(path)])
        model.learn(asked.steps - model.num_timesteps, callback=callbacks, reset_num_timesteps=False)
        keep(model, path)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Fetch-v0", help="where it learns")
    parser.add_argument("--real", help="where it is tried as well; the real twin of --env if there is one")
    parser.add_argument("--steps", type=int, default=4096, help="in all rows together; 100000 for results")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--horizon", type=int, default=32, help="steps of an episode while learning")
    parser.add_argument("--real-starts", type=int, default=0, help="begin at so many moments of the real environment")
    parser.add_argument("--doubt", type=float, help="cut episodes in which re-seeded frames are further apart (0 to 1)")
    parser.add_argument("--episodes", type=int, default=32, help="for each trial")
    parser.add_argument("--trial-horizon", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/ppo"))
    asked = parser.parse_args()

    torch.manual_seed(asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    name = f"{asked.env.split('/')[-1]}-{asked.seed}"
    began = time.perf_counter()
    real = asked.real or asked.env.replace("GridRooms-", "GridRoomsSource-")
    model = learn(asked, asked.out / f"{name}.zip", real)
    seconds = time.perf_counter() - began
    result = {"env": asked.env, "steps": model.num_timesteps, "seed": asked.seed, "seconds": round(seconds, 1)}
    for env in dict.fromkeys([asked.env, real]):
        result[env] = success(model, env, asked.episodes, asked.trial_horizon)
    (asked.out / f"{name}.json").write_text(json.dumps(result) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
