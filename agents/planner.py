"""Plans by forking the moment: searches the futures of one state; its greedy self looks one step ahead.

    python agents/planner.py --env wmenv/GridRooms-Fetch-v0

A state is a value, so a future costs a copy. Every action is tried on every state of the frontier in one batch; what
looks like something seen before is dropped, and of the rest `--width` go on. The first reward found is fetched. Where
none is, the planner goes to the edge of what it searched and looks again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

import wmenv  # noqa: F401  (registers the ids)
from wmenv.contract import no_directions


@dataclass
class Planner:
    """Searches `depth` steps ahead, with a frontier of at most `width` states."""

    depth: int
    width: int
    rng: np.random.Generator
    imagined: int = 0  # world steps that were spent on futures

    def plan(self, env) -> list[int]:
        """The actions to take now: those to the nearest reward, or else to some place at the edge of the search."""
        world, count = env.unwrapped.world, env.action_space.n
        state = env.unwrapped.snapshot().moment.state
        paths: list[list[int]] = [[]]
        seen: set[bytes] = set()
        for _ in range(self.depth):
            parents, actions = np.divmod(np.arange(len(paths) * count), count)
            state, outcome = world.advance(state.select(parents.tolist()), actions, no_directions(len(actions)))
            self.imagined += len(actions)
            futures = [[*paths[parent], int(action)] for parent, action in zip(parents, actions, strict=True)]
            paid = np.flatnonzero(np.asarray(outcome.reward) > 0)
            if paid.size:
                return futures[paid[0]]
            fresh = self._fresh(outcome, seen)
            if not fresh:
                break
            paths, state = [futures[row] for row in fresh], state.select(fresh)
        return paths[int(self.rng.integers(len(paths)))] or [int(self.rng.integers(count))]

    def _fresh(self, outcome, seen: set[bytes]) -> list[int]:
        """Some of the futures that go on and look like none before."""
        fresh = []
        for row in self.rng.permutation(len(outcome.frames)).tolist():
            place = b"" if outcome.pose is None else np.rint(np.asarray(outcome.pose[row]) * 4).astype(int).tobytes()
            look = np.asarray(outcome.frames[row]).tobytes() + place
            if look not in seen and not outcome.terminated[row]:
                seen.add(look)
                fresh.append(row)
        return fresh[: self.width]


def play(env, planner: Planner, seed: int, steps: int) -> tuple[bool, int]:
    """One episode: whether it was won, and its length."""
    env.reset(seed=seed, options={"max_episode_steps": steps})
    taken = 0
    while True:
        for action in planner.plan(env):
            _, reward, terminated, truncated, _ = env.step(action)
            taken += 1
            if terminated or truncated:
                return reward > 0, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Fetch-v0", help="any id whose world can be snapshot")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=32, help="after which an episode is cut")
    parser.add_argument("--depth", type=int, default=12, help="how many steps ahead it searches")
    parser.add_argument("--width", type=int, default=24, help="how many states go on from one step to the next")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    env = gym.make(asked.env)
    if env.unwrapped.world.spec.reward is None:
        parser.error(f"{asked.env} pays no reward, so there is nothing to plan for; take another task.")
    for name, depth in (("with forks", asked.depth), ("greedy", 1)):
        planner = Planner(depth, asked.width, np.random.default_rng(asked.seed))
        began = time.perf_counter()
        found = [play(env, planner, asked.seed + number, asked.steps) for number in range(asked.episodes)]
        won, lengths = zip(*found, strict=True)
        print(
            f"{name}: {sum(won)} of {asked.episodes} solved, {np.mean(lengths):.1f} steps an episode, "
            f"{planner.imagined} steps imagined, {time.perf_counter() - began:.1f} s"
        )
    env.close()


if __name__ == "__main__":
    main()
