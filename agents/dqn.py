"""Deep Q-learning on pixels, on one row: the off-policy counterpart of ppo.py.

python agents/dqn.py --env wmenv/GridRooms-Reach-v0 --steps 50000
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy

import wmenv
from wmenv.bench.learners import PatchCnn
from wmenv.logs.sb3_callback import WorldMetricsCallback


def make(env: str, rows: int, seed: int, horizon: int):
    return wmenv.make_sb3(env, rows, seed=seed, options={"max_episode_steps": horizon})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Reach-v0", help="where it learns")
    parser.add_argument("--real", help="where it is tried as well; the real twin of --env if there is one")
    parser.add_argument("--steps", type=int, default=3000, help="in all rows together; 50000 for results")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--horizon", type=int, default=32)
    parser.add_argument("--episodes", type=int, default=16, help="for each trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/dqn"))
    asked = parser.parse_args()

    model = DQN(
        "CnnPolicy",
        make(asked.env, asked.rows, asked.seed, asked.horizon),
        buffer_size=min(20_000, asked.steps),
        learning_starts=min(1000, asked.steps // 2),
        batch_size=64,
        learning_rate=5e-4,
        gamma=0.95,
        train_freq=4,
        gradient_steps=4,
        target_update_interval=1000,
        exploration_fraction=0.4,
        exploration_final_eps=0.1,
        seed=asked.seed,
        device="cpu",
        policy_kwargs={"features_extractor_class": PatchCnn, "net_arch": [64]},
        verbose=1,
    )
    model.learn(asked.steps, callback=WorldMetricsCallback(), log_interval=40)
    asked.out.mkdir(parents=True, exist_ok=True)
    model.save(asked.out / f"{asked.env.split('/')[-1]}-{asked.seed}.zip")
    real = asked.real or asked.env.replace("GridRooms-", "GridRoomsSource-")
    result = {"env": asked.env, "steps": model.num_timesteps, "seed": asked.seed}
    for env in dict.fromkeys([asked.env, real]):
        rows = make(env, 8, 9_000_000, 64)
        mean, _ = evaluate_policy(model, rows, asked.episodes, deterministic=False)
        result[env] = float(mean)
        rows.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
