"""P2: do different actions lead to different futures, more than chance alone would?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import joined

LOOKS = 4  # pictures at the end of a future that are compared


@dataclass(frozen=True)
class Counterfactual(Probe):
    """From one moment, do different actions show different things, and the same action the same thing?

    From a snapshot each view action is taken `steps` times, twice each with other chances where the world can be
    re-seeded. Score: 2 * AUC - 1, where AUC is how often two different actions lie further apart than one action from
    itself. No gate. Resists freezing (0) and autonomous motion (0). Noise that depends on the action passes here; P3 is
    there for that.
    """

    id: ClassVar[str] = "P2"
    title: ClassVar[str] = "different actions, different futures"
    steps_taken: int = 8
    permutations: int = 200

    def lacks(self, stage: Stage) -> str | None:
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        return 2 * len(stage.views) * (self.steps_taken + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        take = stage.idle(stage.open(), 2 + stage.bearings.lag)
        scenes, actions = len(take), np.repeat(stage.views, 2)
        futures = []
        for branch, _action in enumerate(actions):
            twin = take.fork() if branch % 2 == 0 or not _can_reseed(stage) else take.reseeded(_other(stage.seeds))
            futures.append(twin)
        crowd = joined(futures)
        taken = np.repeat(actions, scenes)
        crowd.repeat(taken, self.steps_taken - LOOKS + stage.bearings.lag, stage.noop)
        films = np.stack(
            [crowd.act(taken).view.reshape(len(actions), scenes, *crowd.view.shape[1:]) for _ in range(LOOKS)]
        )
        apart = _pairwise(stage, films)
        rows: list[Scene] = [
            {"seed": int(seed), "outcome": SCORED, "reason": "", "auc": separation(apart[k], actions)}
            for k, seed in enumerate(stage.seeds)
        ]
        return Finding(rows, facts=self._chance(apart, actions, [row["auc"] for row in rows]))

    def _chance(self, apart: np.ndarray, actions: np.ndarray, found: Sequence[float]) -> dict[str, Any]:
        """How often shuffled labels would do as well."""
        rng = np.random.default_rng(0)
        shuffled = []
        for _ in range(self.permutations):
            labels = rng.permutation(actions)
            shuffled.append(np.mean([separation(scene, labels) for scene in apart]))
        return {"p": float((1 + np.sum(np.array(shuffled) >= np.mean(found))) / (1 + self.permutations))}

    def score(self, scenes: Sequence[Scene]) -> float:
        return max(0.0, 2 * mean(column(scenes, "auc", failed=0.5)) - 1)


def separation(apart: np.ndarray, actions: np.ndarray) -> float:
    """P(two futures of different actions are further apart than two of the same), ties split."""
    upper = np.triu_indices(len(actions), 1)
    same = (actions[:, None] == actions)[upper]
    values = apart[upper]
    within, between = values[same], values[~same]
    above = (between[:, None] > within).mean() + 0.5 * (between[:, None] == within).mean()
    return float(above)


def _pairwise(stage: Stage, films: np.ndarray) -> np.ndarray:
    """(scenes, branches, branches) mean distances of films (looks, branches, scenes, H, W, 3)."""
    looks, branches, scenes = films.shape[:3]
    apart = np.zeros((scenes, branches, branches))
    for a in range(branches):
        for b in range(a):
            pair = stage.apart(*(films[:, k].reshape(looks * scenes, *films.shape[3:]) for k in (a, b)))
            apart[:, a, b] = apart[:, b, a] = pair.reshape(looks, scenes).mean(axis=0)
    return apart


def _can_reseed(stage: Stage) -> bool:
    return "moment" in stage.world.spec.starts


def _other(seeds: Sequence[int]) -> list[int]:
    return [seed + 1_000_003 for seed in seeds]
