"""P9: does a saved moment go on as it would have?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import Take

ROUNDING = 1e-6


@dataclass(frozen=True)
class Snapshot(Probe):
    """Does a saved moment go on as the world itself would have, however much happened in between?

    The state is saved as bytes after a while. The world goes on; the bytes are revived twice, once after the world has
    taken `foreign` steps of other scenes, and take the same actions. Score: the share of scenes in which both stay
    within twice the floor of what the world itself showed. No gate; a world that says it has no snapshots is not asked.
    Resists saving only the last picture (the actions lead back to what was seen before), and leaks between sessions.
    """

    id: ClassVar[str] = "P9"
    title: ClassVar[str] = "save and go on"
    before: int = 12
    after: int = 12
    foreign: int = 50

    def lacks(self, stage: Stage) -> str | None:
        return needs_a_view(stage) if stage.world.spec.snapshots else "the world says that it has no snapshots"

    def steps(self, stage: Stage) -> int:
        return self.before + 3 * self.after + self.foreign

    def run(self, stage: Stage) -> Finding:
        take = stage.open()
        pans = stage.pan_of_scene(len(take))
        stage.pan(take, pans, self.before)
        began = time.perf_counter()
        saved = take.state.to_bytes()
        written = time.perf_counter()
        soon = self._revived(stage, saved, take)
        revived = time.perf_counter()
        films = [self._film(take, stage.undo(pans)), self._film(soon, stage.undo(pans))]
        stage.idle(stage.open([seed + 3_000_003 for seed in stage.seeds]), self.foreign)
        films.append(self._film(self._revived(stage, saved, take), stage.undo(pans)))
        worst = np.stack([self._apart(stage, films[0], film) for film in films[1:]]).max(axis=0)
        bitwise = [(films[0][:, row] == film[:, row]).all() for row in range(len(take)) for film in films[1:]]
        scenes: list[Scene] = [
            {"seed": int(seed), "outcome": SCORED, "reason": "", "same": int(far <= 2 * stage.scale.floor + ROUNDING)}
            for seed, far in zip(stage.seeds, worst, strict=True)
        ]
        rows = len(take)
        facts = {"bitwise": float(np.mean(bitwise)), "bytes_per_row": len(saved) / rows}
        facts |= {"save_ms": 1e3 * (written - began) / rows, "restore_ms": 1e3 * (revived - written) / rows}
        return Finding(scenes, facts)

    def score(self, scenes: Sequence[Scene]) -> float:
        return mean(column(scenes, "same"))

    def _revived(self, stage: Stage, saved: bytes, like: Take) -> Take:
        return Take(stage.world, stage.world.revive(saved), like.frames, like.over, stage.meter)

    def _film(self, take: Take, actions: np.ndarray) -> np.ndarray:
        return np.stack([take.act(actions).view for _ in range(self.after)])

    def _apart(self, stage: Stage, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(scenes,) how far the films are apart where they are furthest."""
        flat = stage.apart(*(film.reshape(-1, *film.shape[2:]) for film in (a, b)))
        return flat.reshape(a.shape[:2]).max(axis=0)
