"""The smallest agent: walks at random, and shows what every episode leaves behind.

python agents/random_walk.py --env wmenv/GridRooms-Fetch-v0 --episodes 4
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np

import wmenv  # registers the ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Fetch-v0", help="any id of wmenv")
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--steps", type=int, default=64, help="after which an episode is cut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="a folder for records and films")
    asked = parser.parse_args()

    env = gym.make(asked.env)
    if asked.out:
        env = wmenv.RecordEpisodes(env, asked.out, video_every=1)
    env.action_space.seed(asked.seed)
    won = []
    for episode in range(asked.episodes):
        env.reset(seed=asked.seed + episode, options={"max_episode_steps": asked.steps})
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            over = terminated or truncated
        record, latency = info["wmenv"], info["wmenv"]["latency_ms"]["p50"]
        won.append(bool(info.get("is_success")))
        print(
            f"episode {episode}: {record['steps']} steps, {record['end']}, return {record['return']:g} "
            f"({record['reward_source']}), {latency or float('nan'):.1f} ms a step, alarms {record['alarms'] or 'none'}"
        )
    print(f"success {np.mean(won):.2f}")
    env.close()


if __name__ == "__main__":
    main()
