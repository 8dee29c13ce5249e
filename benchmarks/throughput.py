"""How many environment steps a second the learned world gives at each batch size, beside what else steps here.

`python benchmarks/throughput.py [--quick] [--threads N]`. In one run: the world as a vector environment with its
record, plain, in half precision where it is quicker, and compiled; the real GridRooms under Gymnasium's SyncVectorEnv
and AsyncVectorEnv, drawn by its table and by minigrid's own renderer; the DIAMOND architecture at its published Atari
size; and the machine's own rate of matrix products, of which the world's share is given.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from wmenv.runtime import environment_facts, half_is_quicker, use_threads

ENGINES: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"bf16": True},
    "compiled": {"bf16": "quicker", "compiled": True},
}


def engines_here() -> dict[str, dict[str, Any]]:
    """Those that are worth timing on this machine: half precision only where it is quicker."""
    return {name: how for name, how in ENGINES.items() if how.get("bf16") is not True or half_is_quicker()}


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
    """The real environment, drawn by table look-up, under Gymnasium's SyncVectorEnv."""
    from wmenv.sources.gridrooms.env import GridRooms

    envs = gym.vector.SyncVectorEnv([GridRooms for _ in range(rows)])
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    return rate(lambda: envs.step(rng.integers(0, 3, rows)), rows, seconds)


def real_async_rate(rows: int, seconds: float) -> float:
    """The same under AsyncVectorEnv: a process for each row."""
    from wmenv.sources.gridrooms.env import GridRooms

    envs = gym.vector.AsyncVectorEnv([GridRooms for _ in range(rows)])
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    found = rate(lambda: envs.step(rng.integers(0, 3, rows)), rows, seconds)
    envs.close()
    return found


def minigrid_rate(rows: int, seconds: float) -> float:
    """An environment of minigrid's own, drawn by minigrid at the same size, under Gymnasium's SyncVectorEnv."""
    import minigrid  # noqa: F401  registers the ids
    from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper

    def rooms() -> gym.Env:
        return ImgObsWrapper(RGBImgPartialObsWrapper(gym.make("MiniGrid-MultiRoom-N4-S5-v1"), tile_size=8))

    envs = gym.vector.SyncVectorEnv([rooms for _ in range(rows)])
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    return rate(lambda: envs.step(rng.integers(0, 3, rows)), rows, seconds)


def diamond_rate(rows: int, seconds: float) -> float:
    """The DIAMOND architecture at its released Atari size, the faster of our two number formats."""
    import torch
    from peers import diamond_pair, diamond_run

    with torch.inference_mode():
        worlds = [diamond_pair(dtype)[1] for dtype in ("float32", "bfloat16")]
        return max(rate(diamond_run(world, rows), rows, seconds) for world in worlds)


def passes_taken(rows: int, steps: int) -> float:
    """How many passes a step takes on average where two are allowed: rows that are sure look once."""
    import torch

    from wmenv.models.checkpoint import load_stream
    from wmenv.models.streaming import Streamer
    from wmenv.worlds.learned import WEIGHTS

    streamer, rng = Streamer(load_stream(WEIGHTS / "gridrooms.safetensors")[0]), np.random.default_rng(0)
    with torch.inference_mode():
        memory = streamer.empty(torch.arange(rows), torch.zeros(rows, streamer.config.slot, dtype=torch.int64))
        streamer.begin(memory, passes=2)
        actions = (torch.from_numpy(rng.integers(0, 3, rows)) for _ in range(steps))
        return float(np.mean([streamer.step(memory, action, None, 2).looks.float().mean() for action in actions]))


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

    seconds, sizes, peer = (1.5, (1, 32, 64), 8) if options.quick else (10.0, (1, 4, 16, 32, 64, 128, 256), 64)
    found = {
        name: {size: world_rate(size, seconds, **settings) for size in sizes}
        for name, settings in engines_here().items()
    }
    best = {size: max(rates[size] for rates in found.values()) for size in sizes}
    real, minigrid = real_rate(64, seconds), minigrid_rate(64, seconds)
    apart = real_async_rate(8, seconds)
    diamond = diamond_rate(peer, seconds)
    ours = best.get(peer) or world_rate(peer, seconds, **ENGINES["compiled"])
    peak, looks = matrix_rate(seconds / 2), passes_taken(32, 50)
    gflop = step_flops(gridrooms("explore").config, 1) / 1e9 * looks
    for size in sizes:
        print(f"batch {size:4}  " + "  ".join(f"{name} {rates[size]:6.0f} steps/s" for name, rates in found.items()))
    print(f"real GridRooms, SyncVectorEnv of 64: {real:.0f} steps/s by table, {minigrid:.0f} by minigrid's renderer")
    print(f"real GridRooms, AsyncVectorEnv of 8: {apart:.0f} steps/s")
    print(f"DIAMOND's architecture at batch {peer}: {diamond:.1f} steps/s")
    print(f"passes per step {looks:.2f} of 2;  matrix products, GFLOP/s: {peak}")
    figures = {
        "steps_per_s_b32": best[32],
        "steps_per_s_b64": best[64],
        "steps_per_s": found,
        "real_sync": real,
        "real_async_b8": apart,
        "minigrid_sync": minigrid,
        "ratio_real_sync": best[64] / real,
        "ratio_minigrid_sync": best[64] / minigrid,
        "diamond": diamond,
        f"ratio_diamond_b{peer}": ours / diamond,
        "passes_per_step": looks,
        "gflop_per_step": gflop,
        "roofline_share": max(best.values()) * gflop / max(peak.values()),
        "matrix_gflops": peak,
        "joules": None,
    }
    print(json.dumps({"benchmark": "throughput", "quick": options.quick, **figures, **environment_facts()}))


if __name__ == "__main__":
    main()
