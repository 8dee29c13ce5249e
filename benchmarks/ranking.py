"""Do policies rank inside the generated world as they rank outside?

Run `python benchmarks/ranking.py [--quick] [--minutes 60] [--task fetch] [--policy out/transfer/fetch-real-0-....zip]`.
Tries a dozen policies of graded skill on the same episodes on both sides. Every policy's result is kept: stop it at any
minute, and the same command goes on. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from wmenv.bench.ranking import QUICK, RankingSpec, rank
from wmenv.runtime import environment_facts, use_threads

GOAL_R, GOAL_R_LO = 0.95, 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a rehearsal in under a minute; its figures mean nothing")
    parser.add_argument("--minutes", type=float, default=1e9, help="try no policy after so long")
    parser.add_argument("--task", default="fetch")
    parser.add_argument("--policy", nargs="*", default=[], help="PPO models that were saved, to be ranked as well")
    parser.add_argument("--episodes", type=int, help="per policy and side")
    parser.add_argument("--fast", action="store_true", help="let the world step compiled, in bfloat16 if quicker")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/ranking"))
    asked = parser.parse_args()

    use_threads(asked.threads)
    fast = {"bf16": "quicker", "compiled": True} if asked.fast else {}
    spec = QUICK if asked.quick else RankingSpec(settings=fast)
    spec = replace(spec, task=asked.task, trained=tuple(asked.policy), episodes=asked.episodes or spec.episodes)
    print(f"{'policy':<40} {'real':>6} {'world':>6}")
    found = rank(spec, asked.out, asked.minutes, say=lambda tried: print(told(tried), flush=True))
    goals = {
        "pearson_r": reached(found["pearson_r"], GOAL_R),
        "pearson_r_lo": reached(found["pearson_r_lo"], GOAL_R_LO),
    }
    report = {"benchmark": "ranking", "quick": asked.quick, **found, "goals_met": goals}
    print(json.dumps(report | {"threads": asked.threads, **environment_facts()}, default=list))


def told(tried: dict) -> str:
    return f"{tried['policy'][-40:]:<40} {tried['real']['success']:6.3f} {tried['world']['success']:6.3f}"


def reached(value: float | None, goal: float) -> bool | None:
    return None if value is None else value >= goal


if __name__ == "__main__":
    main()
