"""Does the world stop when it is told to?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import Take
from wmenv.metrics.thumbnail import thumbnails

MOVING = 3.0  # times what changes while nothing is done, from which on a step moves
RESTLESS = 2.0  # times it, below which a stop is a stop
FLOOR = 0.5 / 255  # luma that rounding may change


@dataclass(frozen=True)
class Stopping(Probe):
    """Does the world stop when it is told to, once its own lag has passed?

    What changes from step to step is measured at rest, then while panning, then after the no-op has had `grace` steps
    to show. Score: the share of scenes that are as still as at rest. Gate: panning moved something. Resists gliding
    on, and a still picture, which fails the gate.
    """

    id: ClassVar[str] = "S1"
    title: ClassVar[str] = "it stops when told"
    grace: int = 2
    looks: int = 6

    def lacks(self, stage: Stage) -> str | None:
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        return 3 * self.looks + 3 * stage.bearings.lag + self.grace

    def run(self, stage: Stage) -> Finding:
        take = stage.settle(stage.open())
        pans = stage.pan_of_scene(len(take))
        at_rest = np.maximum(self._restlessness(stage, take, np.full(len(take), stage.noop)), FLOOR)
        take.repeat(pans, stage.bearings.lag, stage.noop)
        moving = self._restlessness(stage, take, pans)
        stage.idle(stage.settle(take), self.grace)
        after = self._restlessness(stage, take, np.full(len(take), stage.noop))
        scenes: list[Scene] = []
        for row, seed in enumerate(stage.seeds):
            moved = moving[row] > MOVING * at_rest[row]
            reason = "" if moved else "panning moved nothing"
            told = {"stopped": int(after[row] < RESTLESS * at_rest[row])}
            scenes.append({"seed": int(seed), "outcome": SCORED if moved else GATE_FAILED, "reason": reason, **told})
        return Finding(scenes, {"grace_steps": self.grace + stage.bearings.lag})

    def score(self, scenes: Sequence[Scene]) -> float:
        return mean(column(scenes, "stopped"))

    def _restlessness(self, stage: Stage, take: Take, actions: np.ndarray) -> np.ndarray:
        """The median change of a thumbnail from step to step, per row."""
        small = [thumbnails(take.view)]
        for _ in range(self.looks):
            small.append(thumbnails(take.act(actions).view))
        return np.median([np.abs(a - b).mean(axis=(1, 2)) for a, b in itertools.pairwise(small)], axis=0)
