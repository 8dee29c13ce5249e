"""How long one step of the learned world takes, as a user meets it: one environment, the record on. A table, then JSON.

`python benchmarks/latency.py [--quick] [--id ID] [--threads N]`. Also: half precision where it is quicker, compiled,
import to first frame of `--id` in a fresh process, where the time goes, and whether a step grows dearer with the age of
the world. Percentiles are without the first steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from throughput import ENGINES, engines_here

from wmenv.runtime import environment_facts, use_threads

FIRST_FRAME = """
import time
began = time.perf_counter()
import gymnasium, wmenv
gymnasium.make({id!r}).reset(seed=0)
print(time.perf_counter() - began)
"""


STAGES = {"hearing memory": "_scene", "looking": "_look", "writing memory": "_commit"}  # methods of the streamer


def first_frame_seconds(env_id: str, times: int) -> float:
    """Median seconds from starting to import wmenv to the first frame, each in a fresh process."""
    runs = [
        subprocess.run([sys.executable, "-c", FIRST_FRAME.format(id=env_id)], capture_output=True, check=True)
        for _ in range(times)
    ]
    return float(np.median([float(run.stdout.split()[-1]) for run in runs]))


def step_times(world: Any, steps: int, warm: int = 20, begun: Callable[[], object] = lambda: None) -> np.ndarray:
    """Milliseconds of each of `steps` steps of a fresh environment on `world`; `begun` is called before the first."""
    from wmenv.make import make_env

    env = make_env(world, max_episode_steps=10**9, reward="none")
    env.reset(seed=0)
    begun()
    rng, times = np.random.default_rng(0), []
    for action in rng.integers(0, 3, steps + warm):
        began = time.perf_counter()
        env.step(int(action))
        times.append(1e3 * (time.perf_counter() - began))
    env.close()
    return np.array(times[warm:])


def stages(world: Any, steps: int) -> dict[str, float]:
    """Milliseconds that a step spends on average on each of `STAGES`, and on everything round the network."""
    streamer, spent = world._streamer, dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            began = time.perf_counter()
            result = work(*args)
            spent[stage] += 1e3 * (time.perf_counter() - began)
            return result

        return run

    for stage, name in STAGES.items():
        setattr(streamer, name, timed(stage, getattr(streamer, name)))
    try:
        forget_the_dream = partial(spent.update, dict.fromkeys(STAGES, 0.0))  # a first frame takes many looks
        whole = step_times(world, steps, warm=0, begun=forget_the_dream).mean()
    finally:
        for name in STAGES.values():
            delattr(streamer, name)
    each = {stage: milliseconds / steps for stage, milliseconds in spent.items()}
    return each | {"environment and record": float(whole - sum(each.values()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--id", default="wmenv/GridRooms-v0", help="whose import to first frame is timed")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    options = parser.parse_args()
    if options.threads:
        use_threads(options.threads)
    from wmenv.models.cost import row_bytes, step_flops
    from wmenv.worlds.learned import gridrooms

    steps = 300 if options.quick else 2_000
    rows = {}
    for passes in (1, 2, 4):
        world = gridrooms("explore", passes=passes)
        p50, p95, p99 = np.percentile(step_times(world, steps), (50, 95, 99))
        rows[passes] = {"p50": p50, "p95": p95, "p99": p99, "gflop_at_most": step_flops(world.config, passes) / 1e9}
        print(f"K={passes}  p50 {p50:6.2f} ms  p95 {p95:6.2f}  p99 {p99:6.2f}", flush=True)
    engines = {}
    for name, settings in engines_here().items():
        if not settings:  # plain float32 was timed above
            continue
        p50, p99 = np.percentile(step_times(gridrooms("explore", **settings), steps), (50, 99))
        engines[name] = {"p50": p50, "p99": p99}
        print(f"K=2, {name}: p50 {p50:.2f} ms  p99 {p99:.2f}", flush=True)
    parts = stages(gridrooms("explore", **ENGINES["compiled"]), steps)
    print("compiled, ms a step: " + "  ".join(f"{stage} {ms:.2f}" for stage, ms in parts.items()), flush=True)
    long = step_times(gridrooms("explore"), 2_000 if options.quick else 20_000)
    tenth = len(long) // 10
    first = first_frame_seconds(options.id, 1 if options.quick else 5)
    print(f"import to first frame {first:.2f} s;  row {row_bytes(world.config) / 1e3:.0f} kB")
    figures = {
        "p50_ms": rows[2]["p50"],
        "p50_ms_k2": rows[2]["p50"],
        "p99_ms": rows[2]["p99"],
        "steps_per_s": 1e3 / rows[2]["p50"],
        "by_passes": rows,
        "by_engine_k2": engines,
        "stages_ms": parts,
        "ms_last_tenth_over_first": float(np.median(long[-tenth:]) / np.median(long[:tenth])),
        "aged_steps": len(long),
        "import_to_first_frame_s": first,
        "row_bytes": row_bytes(world.config),
    }
    print(json.dumps({"benchmark": "latency", "quick": options.quick, **figures, **environment_facts()}))


if __name__ == "__main__":
    main()
