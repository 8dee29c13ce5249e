"""What the environment and the recorder add to a bare `World.advance`, at several batch sizes.

Run `python benchmarks/overhead.py [--quick]`. A world that costs next to nothing and one that keeps a core busy 5 ms
clock themselves; what a loop over `env.step` takes beyond that is ours, episode ends, resets and records included. The
episodes of all rows end together, which costs least, or each in its own time. All times are CPU time of the one thread
that does the work, so other programs on the machine do not count as ours. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence

import numpy as np

from wmenv.contract import Actions, ActionTable, ArrayState, Directions, Outcome, Start, WorldSpec
from wmenv.env.vector import WorldVectorEnv
from wmenv.make import make_vector_env
from wmenv.runtime import environment_facts

BATCHES = (1, 32, 256)
BUSY_MS = (0.0, 5.0)
SIDE = 56  # GridRooms' picture
EPISODE = 128
PICTURES = 16
WARM_UP = 2  # episodes, in which the governor finds its measure too
GOAL_MS, GOAL_FRACTION = 0.15, 0.02
SPEC = WorldSpec("still", SIDE, SIDE, fps=30.0, actions=ActionTable(("a", "b", "c"), noop=2), reward="env")


class BusyWorld:
    """Shows smooth pictures from a small store, keeps one core busy for `busy_ms` per step, and clocks itself."""

    spec = SPEC

    def __init__(self, busy_ms: float) -> None:
        self.own_ns = 0  # CPU time spent in here so far
        self._busy_ns = round(busy_ms * 1e6)
        waves = np.sin(np.linspace(0, 6, SIDE))[:, None, None] * np.cos(np.linspace(0, 6, SIDE))[:, None]
        phases = np.arange(PICTURES).reshape(-1, 1, 1, 1)
        self._pictures = np.repeat(128 + 100 * waves * np.cos(phases / 3), 3, axis=-1).astype(np.uint8)

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[ArrayState, Outcome]:
        began = time.thread_time_ns()
        state = ArrayState("still", {"place": np.array(seeds, np.int64)})
        outcome = self._show(state)
        self.own_ns += time.thread_time_ns() - began
        return state, outcome

    def advance(self, state: ArrayState, actions: Actions, directions: Directions) -> tuple[ArrayState, Outcome]:
        began, due = time.thread_time_ns(), time.perf_counter_ns() + self._busy_ns
        now = state.consume().arrays
        now["place"] += actions - 1
        state = ArrayState("still", now)
        outcome = self._show(state)
        while time.perf_counter_ns() < due:
            pass
        self.own_ns += time.thread_time_ns() - began
        return state, outcome

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, "still")

    def _show(self, state: ArrayState) -> Outcome:
        places = state.arrays["place"] % PICTURES
        return Outcome(frames=self._pictures[places], reward=np.zeros(len(places), np.float32))


class Loop:
    """An environment on a busy world, stepped an episode's length at a time; with `uneven`, rows have lengths of
    their own, with the same mean."""

    def __init__(self, busy_ms: float, rows: int, record: bool, uneven: bool) -> None:
        self.world = BusyWorld(busy_ms)
        self.env: WorldVectorEnv = make_vector_env(
            self.world, rows, record=record, autoreset_mode="SameStep", max_episode_steps=EPISODE
        )
        rng = np.random.default_rng(0)
        self.actions = rng.integers(0, SPEC.actions.count, (EPISODE, rows))
        lengths = rng.integers(EPISODE // 2, EPISODE * 3 // 2 + 1, rows) if uneven else np.full(rows, EPISODE)
        self.env.reset(seed=0, options=[{"max_episode_steps": int(length)} for length in lengths])
        for _ in range(WARM_UP):
            self.episode()

    def episode(self) -> tuple[float, float]:
        """Milliseconds per step over an episode's length: the world's own, and what we add."""
        began, own = time.thread_time_ns(), self.world.own_ns
        for now in self.actions:
            self.env.step(now)
        total, own = time.thread_time_ns() - began, self.world.own_ns - own
        return own / 1e6 / EPISODE, (total - own) / 1e6 / EPISODE


def measure(busy_ms: float, rows: int, uneven: bool, rounds: int) -> dict[str, float]:
    """Milliseconds per vector step: medians over episodes, with and without recording in turns."""
    plain, recorded = (Loop(busy_ms, rows, record, uneven) for record in (False, True))
    taken = [(*recorded.episode(), plain.episode()[1]) for _ in range(rounds)]
    return dict(zip(("world", "recorded", "env"), map(statistics.median, zip(*taken, strict=True)), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer episodes; under a minute")
    quick, load = parser.parse_args().quick, os.getloadavg()[0]  # on a crowded machine caches are cold after each wait
    print(f"{'rows':>5} {'episodes':>9} {'world ms':>9} {'env adds':>9} {'+ recorder':>11} {'of the step':>12}")
    found = {}
    for busy_ms, uneven, rows in itertools.product(BUSY_MS, (False, True), BATCHES):
        rounds = (4 if busy_ms else 20) * (1 if quick else 6)
        one = found[busy_ms, uneven, rows] = measure(busy_ms, rows, uneven, rounds)
        share = f"{one['recorded'] / busy_ms:12.2%}" if busy_ms else f"{'-':>12}"
        kind = "uneven" if uneven else "even"
        print(f"{rows:5d} {kind:>9} {one['world']:9.4f} {one['env']:9.4f} {one['recorded']:11.4f} {share}", flush=True)
    print(json.dumps(report(found, quick, load)))


def report(found: dict[tuple[float, bool, int], dict[str, float]], quick: bool, load: float) -> dict[str, object]:
    """The figures with a goal, what they are made of, and where they come from."""
    added = {rows: round(found[0.0, False, rows]["recorded"], 4) for rows in BATCHES}
    even, uneven = ({rows: round(found[5.0, u, rows]["recorded"] / 5.0, 4) for rows in BATCHES} for u in (False, True))
    worst = max(even.values())
    return {
        "benchmark": "overhead",
        "quick": quick,
        "overhead_ms_b1": added[1],
        "overhead_frac_5ms": worst,
        "overhead_ms_by_rows": added,
        "overhead_frac_5ms_by_rows": even,
        "overhead_frac_5ms_uneven_by_rows": uneven,
        "load_before": load,
        "goals_met": {"overhead_ms_b1": added[1] <= GOAL_MS, "overhead_frac_5ms": worst <= GOAL_FRACTION},
        **environment_facts(),
    }


if __name__ == "__main__":
    main()
