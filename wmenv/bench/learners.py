"""Who learns in the transfer study: PPO on pixels and the cloning of demonstrations, with one network for both.

Training is kept every few thousand steps and goes on from there. Knows nothing of which world it learns in.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from wmenv.bench.demonstrations import Demonstration
from wmenv.bench.tries import Chances
from wmenv.contract import World
from wmenv.env.sb3 import WorldVecEnv
from wmenv.env.vector import WorldVectorEnv


@dataclass(frozen=True)
class Learning:
    """How long and how PPO learns; the same for every world. The figures behind the defaults are in docs/LOG.md."""

    steps: int = 100_000
    rows: int = 32
    horizon: int = 32
    steps_per_update: int = 64  # of every row
    batch: int = 512
    passes: int = 8
    rate: float = 1e-3
    discount: float = 0.95
    entropy: float = 0.01
    keep_every: int = 8  # updates between two checkpoints


class PatchCnn(BaseFeaturesExtractor):
    """Reads a picture patch by patch, then each patch with its neighbours; much cheaper than overlapping strides."""

    def __init__(self, space: spaces.Box, patch: int = 8, channels: int = 32, width: int = 128) -> None:
        super().__init__(space, width)
        colours, height, breadth = space.shape
        cells = (height // patch) * (breadth // patch)
        self.layers = nn.Sequential(
            nn.Conv2d(colours, channels, patch, patch),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(channels * cells, width),
            nn.ReLU(),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


def episodes(world: World, learning: Learning) -> VecEnv:
    """Rows to learn in."""
    rows = WorldVectorEnv(world, learning.rows, autoreset_mode="SameStep", max_episode_steps=learning.horizon)
    return WorldVecEnv(rows)


def seeded(model: PPO, seed: int) -> PPO:
    """`model`, with episodes and dice of its own, and others after so many steps. Making or loading one seeds both
    with a small number: run 1 would meet nearly all episodes of run 0, and a run that goes on those it began with."""
    env, first = model.get_env(), seed * 1_000_003 + model.num_timesteps
    assert env is not None
    env.seed(first)
    torch.manual_seed(first)
    return model


def learner(world: World, learning: Learning, seed: int) -> PPO:
    """A PPO that has learnt nothing yet."""
    model = PPO(
        "CnnPolicy",
        episodes(world, learning),
        n_steps=learning.steps_per_update,
        batch_size=learning.batch,
        n_epochs=learning.passes,
        learning_rate=learning.rate,
        gamma=learning.discount,
        ent_coef=learning.entropy,
        seed=seed,
        device="cpu",
        policy_kwargs={"features_extractor_class": PatchCnn, "net_arch": []},
    )
    return seeded(model, seed)


def train(world: World, learning: Learning, seed: int, path: Path) -> tuple[PPO, float]:
    """A PPO trained in `world`, and the seconds that took; goes on from `path` if it was stopped there."""
    clock = path.with_suffix(".seconds")
    if path.exists():
        model, spent = PPO.load(path, env=episodes(world, learning), device="cpu"), _seconds(clock)
        seeded(model, seed)
    else:
        model, spent = learner(world, learning, seed), 0.0
    stretch = learning.keep_every * learning.steps_per_update * learning.rows
    while model.num_timesteps < learning.steps:
        began = time.perf_counter()
        model.learn(min(stretch, learning.steps - model.num_timesteps), reset_num_timesteps=False)
        spent += time.perf_counter() - began
        keep(model, path)
        clock.write_text(f"{spent:.4f}")
    return model, spent


def _seconds(clock: Path) -> float:
    return float(clock.read_text()) if clock.exists() else 0.0


def clone(model: PPO, demonstrations: Sequence[Demonstration], seed: int, passes: int = 20) -> PPO:
    """`model`, taught to do what was demonstrated on each picture."""
    frames = np.concatenate([one.frames for one in demonstrations]).transpose(0, 3, 1, 2)
    actions = torch.from_numpy(np.concatenate([one.actions for one in demonstrations]))
    rng, policy = np.random.default_rng(seed), model.policy
    policy.train()
    for _ in range(passes):
        for batch in np.array_split(rng.permutation(len(frames)), max(1, len(frames) // 64)):
            seen = torch.from_numpy(np.ascontiguousarray(frames[batch]))
            _, likelihood, _ = policy.evaluate_actions(seen, actions[batch])
            policy.optimizer.zero_grad()
            (-likelihood.mean()).backward()
            policy.optimizer.step()
    return model


def chances_of(model: PPO, stray: float = 0.0) -> Chances:
    """The model's chances of each action on given pictures; with `stray`, any action at all that often."""

    def chances(frames: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            pictures = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
            distribution: Any = model.policy.get_distribution(pictures).distribution
        probabilities = distribution.probs.numpy()
        return (1 - stray) * probabilities + stray / probabilities.shape[1]

    model.policy.eval()
    return chances


def keep(model: PPO, path: Path) -> None:
    """Save a model so that the file is always a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{path.name}")
    model.save(part)
    part.replace(path)
