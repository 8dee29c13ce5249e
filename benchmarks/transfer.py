"""Is what PPO learns inside the generated world worth as much outside as what it learns outside?

Run `python benchmarks/transfer.py [--quick] [--minutes 60] [--seeds 5] [--out out/transfer]`. Trains for equally many
steps in `wmenv/GridRooms-v0`'s world and in the real environment, tries both in the real one, and sets cloned
demonstrations and chance beside them. Every run is kept: stop it at any minute, and the same command goes on; more
seeds add runs. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from wmenv.bench.transfer import QUICK, TransferSpec, study
from wmenv.runtime import environment_facts, use_threads

GOAL = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a rehearsal in under a minute; its figures mean nothing")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after so long")
    parser.add_argument("--tasks", nargs="+", help="instead of the study's own")
    parser.add_argument("--seeds", type=int, help="runs per task and arm")
    parser.add_argument("--steps", type=int, help="environment steps per training")
    parser.add_argument("--fast", action="store_true", help="let the world step compiled, in bfloat16 if quicker")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/transfer"))
    asked = parser.parse_args()

    use_threads(asked.threads)
    fast = {"bf16": "quicker", "compiled": True} if asked.fast else {}
    spec = QUICK if asked.quick else TransferSpec(settings=fast)
    spec = replace(spec, tasks=tuple(asked.tasks or spec.tasks), seeds=asked.seeds or spec.seeds)
    if asked.steps:
        spec = replace(spec, learning=replace(spec.learning, steps=asked.steps))
    found = study(spec, asked.out, asked.minutes, say=lambda run: print(told(run), flush=True))
    print(f"{'task':<10} {'real':>6} {'world':>6} {'ratio':>6} {'95 %':>14} {'cloned':>7} {'random':>7} {'inside':>7}")
    for line in found["tasks"]:
        low, high = line["ratio_ci"] or (None, None)
        print(
            f"{line['name']:<10} {cell(line['real'])} {cell(line['world'])} {cell(line['ratio'])} "
            f"{cell(low)} to{cell(high)} {cell(line['cloned'], 7)} {cell(line['random'], 7)} {cell(line['inside'], 7)}"
        )
    goal = None if found["min_ratio"] is None else found["min_ratio"] >= GOAL
    report = {"benchmark": "transfer", "quick": asked.quick, **found, "goals_met": {"min_ratio": goal}}
    print(json.dumps(report | {"threads": asked.threads, **environment_facts()}, default=list))


def told(run: dict) -> str:
    inside = f", {run['world']['success']:.3f} inside" if "world" in run else ""
    line = f"{run['task']} {run['arm']} {run['seed']}: {run['real']['success']:.3f} outside{inside}"
    return f"{line}, {run['steps']} steps in {run['seconds']:.0f} s"


def cell(value: float | None, width: int = 6) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.3f}"


if __name__ == "__main__":
    main()
