"""Timeliness: does each step come within its slot, at the world's own speed?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage
from wmenv.bench.take import Take
from wmenv.metrics.latency import misses
from wmenv.metrics.quantiles import quantile_record


@dataclass(frozen=True)
class Pace(Probe):
    """Does each step come within its slot at the speed that the world itself declares, for one viewer?

    One row runs `length` steps flat out. The times are then laid on the world's own schedule: a step cannot begin
    before its slot, nor before the step before it is done, and is late if it ends after its slot, so that a stall is
    charged to every step that it pushes back. Score: 1 - the share of late steps. No gate. Resists a slow clock (the
    declared frames per second stand beside it); the first steps warm up and are not counted.
    """

    id: ClassVar[str] = "L3"
    title: ClassVar[str] = "steps come in time"
    length: int = 300
    warm_up: int = 5

    def steps(self, stage: Stage) -> int:
        return max(1, (self.length + self.warm_up) // len(stage.seeds))

    def run(self, stage: Stage) -> Finding:
        take = Take.opened(stage.world, [stage.start], stage.seeds[:1], stage.meter)
        rng = np.random.default_rng(0)
        seconds = []
        for step in range(self.length + self.warm_up):
            take.act(stage.world.spec.actions.sample(rng, 1))
            if step >= self.warm_up:
                seconds.append(take.seconds)
        slot = 1 / stage.fps
        late = lateness(np.array(seconds), slot)
        missed = late > slot
        stretches = np.array_split(missed, len(stage.seeds))  # they stand for scenes when intervals are drawn
        scenes: list[Scene] = [
            {
                "seed": int(seed),
                "outcome": SCORED,
                "reason": "",
                "missed": float((stretch if len(stretch) else missed).mean()),
            }
            for seed, stretch in zip(stage.seeds, stretches, strict=True)
        ]
        facts = {"fps": stage.fps, "latency_ms": quantile_record(1e3 * np.array(seconds))}
        facts |= {"misses": misses(1e3 * late, 1e3 * slot), "steps_per_second": len(seconds) / sum(seconds)}
        return Finding(scenes, facts)

    def score(self, scenes: Sequence[Scene]) -> float:
        return 1 - mean(column(scenes, "missed", failed=1.0))


def lateness(seconds: np.ndarray, slot: float) -> np.ndarray:
    """How long after its intended moment each step ends, when steps that took so long run on a schedule.

    >>> lateness(np.array([0.5, 2.5, 0.5, 0.5]), slot=1.0).tolist()
    [0.5, 2.5, 2.0, 1.5]
    """
    late, waiting = np.zeros(len(seconds)), 0.0
    for step, took in enumerate(seconds):
        late[step] = waiting + took
        waiting = max(0.0, late[step] - slot)
    return late
