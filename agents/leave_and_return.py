"""Looks away and back by the inverse actions, longer each time, and says how much of the view is as it was.

    python agents/leave_and_return.py --env wmenv/GridRooms-Explore-v0

A world that holds together shows the same picture again; one that dreams anew what it does not see does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import gymnasium as gym
import numpy as np

import wmenv  # noqa: F401  (registers the ids)

CLOSE = 8  # grey levels by which a pixel may differ and still count as the same


def acted(env, actions: Sequence[int], frame: np.ndarray) -> np.ndarray:
    """The frame after these actions."""
    for action in actions:
        frame, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            raise SystemExit("the episode ended on the way; use an id without a task, such as GridRooms-Explore-v0")
    return frame


def same(before: np.ndarray, after: np.ndarray) -> float:
    """The share of pixels that are as they were."""
    return float((np.abs(before.astype(int) - after).max(axis=-1) <= CLOSE).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Explore-v0", help="an id whose world can turn back")
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--waits", type=int, nargs="+", default=[0, 8, 32], help="steps spent looking elsewhere")
    parser.add_argument("--turns", type=int, default=2, help="turns that take the view away")
    parser.add_argument("--stroll", type=int, default=12, help="random steps before it begins")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    env = gym.make(asked.env)
    table = env.unwrapped.world.spec.actions
    if not table.pans or table.noop is None:
        raise SystemExit(f"{asked.env} names no actions that only turn the view and have an inverse")
    away = table.pans[0]
    back = table.inverse[away]
    shares: dict[int, list[float]] = {wait: [] for wait in asked.waits}
    left: list[float] = []
    for scene in range(asked.scenes):
        rng = np.random.default_rng(asked.seed + scene)
        frame, _ = env.reset(seed=asked.seed + scene)
        frame = acted(env, table.sample(rng, asked.stroll).tolist(), frame)
        for wait in asked.waits:
            before = frame
            elsewhere = acted(env, [away] * asked.turns, frame)
            left.append(same(before, elsewhere))
            frame = acted(env, [table.noop] * wait + [back] * asked.turns, elsewhere)
            shares[wait].append(same(before, frame))
    print(f"{asked.env}, {asked.scenes} scenes; looking away leaves {np.mean(left):.2f} of the pixels as they were")
    for wait, found in shares.items():
        print(f"back after {wait + 2 * asked.turns:3d} steps: {np.mean(found):.3f} as before (worst {min(found):.3f})")
    env.close()


if __name__ == "__main__":
    main()
