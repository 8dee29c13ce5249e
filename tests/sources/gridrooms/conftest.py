"""Walks through GridRooms that its tests share: random actions, with a direction now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from wmenv.sources.gridrooms import TASKS, GridRooms, nonsense, sample_direction

EPISODE = 100  # steps; directions clutter a room that is lived in for longer

Walk = Callable[..., Iterator[tuple[GridRooms, np.ndarray]]]


def _walk(task: str, steps: int, seed: int = 0, directed: bool = True) -> Iterator[tuple[GridRooms, np.ndarray]]:
    rng = np.random.default_rng([seed, list(TASKS).index(task)])
    env = GridRooms(task)
    env.reset(seed=seed)
    for step in range(steps):
        if directed and step % 7 == 0:
            env.direct(nonsense(rng) if step % 3 == 0 else sample_direction(rng, env))
        frame, _, over, _, _ = env.step(int(rng.choice(7, p=(0.15, 0.15, 0.45, 0.08, 0.05, 0.09, 0.03))))
        yield env, frame
        if over or step % EPISODE == EPISODE - 1:
            env.reset(seed=int(rng.integers(2**31)))


def _begin_where(text: str, task: str = "explore") -> GridRooms:
    for seed in range(200):
        env = GridRooms(task)
        env.reset(seed=seed)
        if env.direct(text).applied:
            return env
    raise AssertionError(f"below 200 there is no seed where {text!r} can be done at once")


@pytest.fixture
def walk() -> Walk:
    """`walk(task, steps)` yields the environment and its frame after each of many random steps."""
    return _walk


@pytest.fixture
def begin_where() -> Callable[..., GridRooms]:
    """`begin_where(text)` is a fresh environment in which that direction has just been applied."""
    return _begin_where
