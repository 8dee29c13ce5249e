"""P7: does the world stay what it is while one only watches?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.probes.soak import HELD, first_held, sustained
from wmenv.bench.stage import Stage
from wmenv.metrics.health import USUAL, health
from wmenv.metrics.retrieval import nearest
from wmenv.metrics.survival import kaplan_meier

DRIFTED = 4.0  # usual deviations: more than at matched places, since a living scene may move by itself


@dataclass(frozen=True)
class Idle(Probe):
    """Does the world stay what it is while one does nothing but watch?

    For `length` steps nothing is done. At each look the picture must be nearer to the scene's own first one than to
    other scenes', and its health must not have changed. Score: the share of looks that find the scene
    itself, in good health. No gate; a frozen world passes, and fails P2 and P3. The raw distance is not used: living
    things move.
    """

    id: ClassVar[str] = "P7"
    title: ClassVar[str] = "nothing happens while nothing is done"
    length: int = 600
    every: int = 30

    def lacks(self, stage: Stage) -> str | None:
        if not isinstance(stage.world.spec.actions.noop, int):
            return "needs an action that does nothing"
        return None if len(stage.seeds) > 1 else "needs two scenes or more, to be told apart"

    def steps(self, stage: Stage) -> int:
        return self.length

    def run(self, stage: Stage) -> Finding:
        take = stage.settle(stage.open())
        first, healthy = take.view, np.stack([health(frame) for frame in take.frames])
        itself, worst, steps = [], [], list(range(self.every, self.length + 1, self.every))
        for _ in steps:
            stage.idle(take, self.every)
            which, _ = nearest(stage.distance, take.view, [first, *stage.others(first)])
            itself.append(which == 0)
            now = np.stack([health(frame) for frame in take.frames])
            worst.append((np.abs(now - healthy) / USUAL).max(axis=1))
        off = np.stack(worst)
        good = np.stack(itself) & (off < DRIFTED)
        scenes: list[Scene] = [
            {"seed": int(seed), "outcome": SCORED, "reason": "", "good": good[:, row].astype(int).tolist()}
            for row, seed in enumerate(stage.seeds)
        ]
        lost = np.array([first_held(~good[:, row]) for row in range(len(take))])
        curve = kaplan_meier(np.where(lost >= 0, np.array(steps)[lost], steps[-1]), lost >= 0)
        facts = {"median_steps_to_loss": curve.median, "watched_steps": steps[-1]}
        return Finding(scenes, facts | {"drift_z": sustained(np.median(off, axis=1)) if len(off) >= HELD else None})

    def score(self, scenes: Sequence[Scene]) -> float:
        return mean(column([{**scene, "share": mean(np.array(scene["good"]))} for scene in scenes], "share"))
