"""What a rollout survives, costs and yields.

Run `python benchmarks/rollout.py [--quick]` from the repository. Drivers and workers are killed with SIGKILL at random
moments, and the data set is compared with an undisturbed one; data sets of several numbers of workers and batch sizes
are compared with each other; the CPU time that a rollout adds to a world's own is set against a step of 5 ms; speed,
size, memory and, in the full form, scaling are measured; Ray takes part in the full form alone. Prints a table, and
last one JSON line.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.rollout.kills import finish_despite_kills
from wmenv.contract import Actions, ActionTable, ArrayState, Directions, Outcome, Start, WorldSpec
from wmenv.make import make_vector_env
from wmenv.rollout.dataset import Dataset, differences
from wmenv.rollout.run import rollout
from wmenv.runtime import environment_facts

STEP_MS = 5.0  # of the world that overhead is set against
GOAL = 0.05
FLAT = 1.1  # times the memory after a tenth of the episodes that the rest may need
ROWS, LENGTH = 16, 128
SIDE = 64
quietly = functools.partial(rollout, report=False, progress=False)


class StillWorld:
    """Pictures that cost almost nothing, after a wait as for an accelerator; counts the CPU time that they took."""

    spec = WorldSpec("still", SIDE, SIDE, fps=20.0, actions=ActionTable(("a", "b", "c"), noop=2), reward="env")

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        waves = np.sin(np.linspace(0, 6, SIDE))[:, None, None] * np.cos(np.linspace(0, 6, SIDE))[:, None]
        self._pictures = np.repeat(128 + 100 * waves * np.cos(np.arange(16).reshape(-1, 1, 1, 1) / 3), 3, axis=-1)
        self._pictures = self._pictures.astype(np.uint8)
        self.own_ns = self.steps = 0

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[ArrayState, Outcome]:
        state = ArrayState("still", {"place": np.array(seeds, np.int64)})
        return state, self._show(state)

    def advance(self, state: ArrayState, actions: Actions, directions: Directions) -> tuple[ArrayState, Outcome]:
        time.sleep(self._seconds)
        began = time.thread_time_ns()
        now = state.consume().arrays
        now["place"] += actions - 1
        state = ArrayState("still", now)
        shown = self._show(state)
        self.own_ns, self.steps = self.own_ns + time.thread_time_ns() - began, self.steps + 1
        return state, shown

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, "still")

    def _show(self, state: ArrayState) -> Outcome:
        places = state.arrays["place"]
        return Outcome(frames=self._pictures[places % 16], reward=np.zeros(len(places), np.float32))


def overhead(folder: Path, rounds: int) -> dict[str, float]:
    """Milliseconds of CPU time per batch step beyond the world's own, by whom; medians over rounds.

    CPU time of one thread does not count what other programs do. The writer has a thread of its own and works while
    the world does.
    """
    _added(folder / "warm-up", record=True)
    found: dict[str, list[float]] = {"bare stepping": [], "rollout": [], "with records": [], "writer": []}
    for turn in range(rounds):
        plain = _added(folder / f"plain-{turn}", record=False)
        told = (bare(8), plain[0], _added(folder / f"recorded-{turn}", record=True)[0], plain[1])
        for name, value in zip(found, told, strict=True):
            found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def bare(batches: int) -> float:
    """Milliseconds of CPU time that bare vector stepping adds to the world per step, to compare a rollout with."""
    world = StillWorld(STEP_MS / 1e3)
    env = make_vector_env(world, ROWS, record=False, max_episode_steps=LENGTH)
    actions = np.random.default_rng(0).integers(0, 3, (batches * LENGTH, ROWS))
    env.reset(seed=0)
    before = time.thread_time_ns()
    for now in actions:
        env.step(now)
    return (time.thread_time_ns() - before - world.own_ns) / world.steps / 1e6


def _added(folder: Path, record: bool) -> tuple[float, float]:
    world = StillWorld(STEP_MS / 1e3)
    before, all_before = time.thread_time_ns(), time.process_time_ns()
    quietly(world, "random", 8 * ROWS, folder, max_steps=LENGTH, batch=ROWS, record=record)
    own, everything = time.thread_time_ns() - before, time.process_time_ns() - all_before
    return (own - world.own_ns) / world.steps / 1e6, (everything - own) / world.steps / 1e6


def kills(folder: Path, count: int) -> tuple[int, bool]:
    """How many kills a data set has survived, and whether it is the undisturbed one at the end."""
    plan: dict[str, Any] = {"world": "pan", "policy": "wander", "episodes": 12 * count, "max_steps": 20}
    plan |= {"shard_episodes": 3, "batch": 4, "world_settings": {"noise": 2.0}}
    calm = quietly(out=folder / "calm", **plan)
    finish_despite_kills(count, random.Random(0), folder / "killed", workers=2, **plan)
    killed = Dataset(folder / "killed")
    same = not killed.damaged() and not differences(calm, killed)
    return count if same else 0, same


def equal(folder: Path, setups: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Whether each way of making a data set makes the bytes of the first."""
    plan: dict[str, Any] = {"episodes": 24, "max_steps": 12, "shard_episodes": 3, "world_settings": {"beacon": True}}
    first = _checksums(quietly("pan", "wander", out=folder / "first", batch=1, **plan))
    found = {}
    for setup in setups:
        name = ", ".join(f"{key}={value}" for key, value in setup.items())
        found[name] = _checksums(quietly("pan", "wander", out=folder / name, **plan, **setup)) == first
    return found


def _checksums(data: Dataset) -> list[str]:
    return [shard["sha256"] for shard in data.manifest["shards"]]


def speed(folder: Path, episodes: int, **setup: Any) -> tuple[float, float, float]:
    """Episodes per second, steps per second, and bytes per frame, on a world of real pictures."""
    began = time.perf_counter()
    data = quietly("gridrooms-source", "wander", episodes, folder, max_steps=64, batch=ROWS, **setup)
    seconds = time.perf_counter() - began
    told = data.manifest
    frames = sum(receipt.frames for receipt in data.receipts.values())
    return episodes / seconds, told["steps"] / seconds, told["bytes"] / frames


def memory(folder: Path, episodes: int) -> dict[str, float]:
    """Resident megabytes of one process after a tenth of the episodes, and at most after that."""
    seen: list[tuple[int, float]] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            shards = len(list((folder / "shards").glob("*.json")))
            seen.append((shards, pages * os.sysconf("SC_PAGE_SIZE") / 1e6))

    watcher = threading.Thread(target=look)
    watcher.start()
    quietly(StillWorld(), "random", episodes, folder, max_steps=8, batch=ROWS, shard_episodes=50)
    done.set()
    watcher.join()
    early = [mb for shards, mb in seen if shards <= episodes / 500]
    most = max(mb for _, mb in seen)
    return {"episodes": episodes, "after_tenth_mb": round(early[-1], 1), "most_after_mb": round(most, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer of everything, nothing on Ray")
    quick = parser.parse_args().quick
    folder = Path(tempfile.mkdtemp(prefix="wmenv-rollout-"))
    try:
        print(json.dumps(measured(folder, quick)))
    finally:
        shutil.rmtree(folder)


def measured(folder: Path, quick: bool) -> dict[str, Any]:
    """Everything, told as it comes, and at the end together."""
    count = 4 if quick else 20
    survived, same = kills(folder / "kills", count)
    print(f"killed {count} times, data set {'equal' if same else 'DIFFERENT'}", flush=True)
    setups: list[dict[str, Any]] = [{"batch": 32}, {"batch": 1, "workers": 2}]
    if not quick:
        engines: list[dict[str, Any]] = [{}, {"ray": True}]
        setups = [{"batch": b, "workers": n, **e} for e in engines for n in (1, 2, 4) for b in (1, 32)]
    alike = equal(folder / "equal", setups)
    print("\n".join(f"{name:24} {'equal' if fine else 'DIFFERENT'}" for name, fine in alike.items()), flush=True)
    added = overhead(folder / "overhead", 3 if quick else 9)
    over = {name: (added[name] - added["bare stepping"]) / STEP_MS for name in ("rollout", "with records")}
    told = ", ".join(f"{name} {ms:.3f} ms" for name, ms in added.items())
    print(f"CPU time beyond the world per step of {ROWS} rows: {told}", flush=True)
    scaling = {"1 worker": speed(folder / "speed", 32 if quick else 256)}
    if not quick:
        scaling["2 workers"] = speed(folder / "two", 256, workers=2)
        scaling |= {f"{n} Ray actors": speed(folder / f"ray{n}", 256, ray=True, workers=n) for n in (1, 2)}
    for name, (episodes, steps, size) in scaling.items():
        print(f"{name:14} {episodes:8.2f} episodes/s {steps:8.0f} steps/s {size:6.0f} bytes per frame", flush=True)
    held = memory(folder / "memory", 1_000 if quick else 10_000)
    print(
        "memory over {episodes} episodes: {after_tenth_mb} MB, then at most {most_after_mb} MB".format(**held),
        flush=True,
    )
    return {
        "benchmark": "rollout",
        "quick": quick,
        "kills": count,
        "kills_survived": survived,
        "equal_datasets": same and all(alike.values()),
        "equal_by_setup": alike,
        "overhead_frac": round(over["rollout"], 4),  # like with like: neither side keeps records
        "overhead_frac_with_records": round(over["with records"], 4),
        "writer_thread_frac": round(added["writer"] / STEP_MS, 4),
        "cpu_ms_per_batch_step": {name: round(ms, 4) for name, ms in added.items()},
        "episodes_per_s": round(scaling["1 worker"][0], 3),
        "bytes_per_frame": round(scaling["1 worker"][2], 1),
        "steps_per_s_by_setup": {name: round(steps, 1) for name, (_, steps, _) in scaling.items()},
        "memory": held,
        "goals_met": {
            "overhead_frac": over["rollout"] <= GOAL,
            "kills_survived": survived == count,
            "equal_datasets": same and all(alike.values()),
            "memory": held["most_after_mb"] <= FLAT * held["after_tenth_mb"],
        },
        "load": [round(load, 2) for load in os.getloadavg()],
        **environment_facts(),
    }


if __name__ == "__main__":
    main()
