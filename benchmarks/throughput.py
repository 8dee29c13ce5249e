"""How many environment steps a second the learned world gives at each batch size, against the real environment.

`python benchmarks/throughput.py [--quick] [--threads N]`. In one run: bare world and vector environment, the real
GridRooms
stepped by Gymnasium's SyncVectorEnv, and the machine's own rate of matrix products, of which the world's share is
given.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from wmenv.runtime import environment_facts, use_threads


def rate(step: Callable[[], object], rows: int, seconds: float) -> float:
    """Median environment steps per second over slices of a stretch of time."""
    step()
    rates, stop = [], time.perf_counter() + seconds
    while time.perf_counter() < stop or len(rates) < 3:
        began = time.perf_counter()
        step()
        rates.append(rows / (time.perf_counter() - began))
    return float(np.median(rates))


def world_rate(rows: int, seconds: float, **settings: Any) -> float:
    """The learned world as a vector environment with its record."""
    import wmenv  # noqa: F401  registers the ids

    settings = {"task": "explore", **settings}
    made = {"num_envs": rows, "max_episode_steps": 10**6, "world_settings": settings}
    envs = gym.make_vec("wmenv/GridRooms-Explore-v0", **made)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    return rate(lambda: envs.step(rng.integers(0, 3, rows)), rows, seconds)


def real_rate(rows: int, seconds: float) -> float:
    """The real environment, rendered, under Gymnasium's SyncVectorEnv."""
    from wmenv.sources.gridrooms.env import GridRooms

    envs = gym.vector.SyncVectorEnv([GridRooms for _ in range(rows)])
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    return rate(lambda: envs.step(rng.integers(0, 3, rows)), rows, seconds)


def matrix_rate(seconds: float) -> dict[str, float]:
    """GFLOP/s of large matrix products, in float32 and bfloat16."""
    import torch

    found = {}
    for number in (torch.float32, torch.bfloat16):
        a, b = torch.randn(2048, 512, dtype=number), torch.randn(512, 2048, dtype=number)
        calls = rate(lambda a=a, b=b: a @ b, 1, seconds)
        found[str(number).removeprefix("torch.")] = calls * 2 * 2048 * 512 * 2048 / 1e9
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        use_threads(options.threads)
    from wmenv.models.cost import step_flops
    from wmenv.worlds.learned import gridrooms

    seconds, sizes = (2.0, (1, 8, 32, 64)) if options.quick else (10.0, (1, 4, 16, 32, 64, 128, 256))
    rows = {size: world_rate(size, seconds) for size in sizes}
    half = {size: world_rate(size, seconds, bf16=True) for size in sizes}
    real = real_rate(64, seconds)
    peak = matrix_rate(seconds / 2)
    gflop = step_flops(gridrooms("explore").config, 2) / 1e9
    for size, found in rows.items():
        print(f"batch {size:4}  float32 {found:7.0f} steps/s  bfloat16 {half[size]:7.0f}")
    print(f"real, SyncVectorEnv of 64: {real:.0f} steps/s;  matrix products: {peak}")
    figures = {
        "steps_per_s_b32": max(rows[32], half[32]),
        "steps_per_s_b64": max(rows[64], half[64]),
        "steps_per_s_float32": rows,
        "steps_per_s_bfloat16": half,
        "ratio_real_sync": max(rows[64], half[64]) / real,
        "gflop_per_step": gflop,
        "roofline_share": max(*rows.values(), *half.values()) * gflop / max(peak.values()),
        "matrix_gflops": peak,
        "joules": None,
    }
    print(json.dumps({"benchmark": "throughput", "quick": options.quick, **figures, **environment_facts()}))


if __name__ == "__main__":
    main()
