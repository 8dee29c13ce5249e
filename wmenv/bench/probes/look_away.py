"""P4: is a place still there after one has looked away from it, for long, and come back?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, Finding, Probe, Scene, Sheet, column, mean
from wmenv.bench.stage import LEFT, Stage, needs_a_view
from wmenv.bench.take import Take
from wmenv.metrics.retrieval import nearest

SHEETS = 3


@dataclass(frozen=True)
class LookAway(Probe):
    """Is a place still there after one has looked away for long, and come back?

    From a place that is not the start the viewer pans until it is out of view, waits `dwells` steps, and pans back. A
    hit: of that place, the start, what was seen while away and other scenes, the picture is nearest to that place,
    and near enough. J is hits with the return less "hits" without it. Score: the worst J over the waits, times how
    far the view really went (1 from 0.6 of the way to another scene on). Gate: the place must look different from the
    start. Resists standing still (never went), snapping back to the start (not the place), playing to and fro (hits
    without return), rare resets (the longest wait), lateness (waits for the picture), a shift of a few pixels
    (allowed to all candidates alike).
    """

    id: ClassVar[str] = "P4"
    title: ClassVar[str] = "look away and return"
    dwells: tuple[int, ...] = (0, 60, 160)

    def lacks(self, stage: Stage) -> str | None:
        if len(stage.seeds) < 2:
            return "needs two scenes or more, as places to be told apart"
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        leg = stage.longest_away + stage.bearings.lag
        return 3 * leg + self.dwells[-1] + (2 * len(self.dwells) + 1) * leg

    def run(self, stage: Stage) -> Finding:
        take = stage.open()
        pans = stage.pan_of_scene(len(take))
        start = take.view
        unlike_start = stage.to_anchor(take, pans)
        anchor = take.view
        away = stage.times_away(pans)
        mid = stage.pan(take, pans, away).view
        candidates = [anchor, start, mid, *stage.others(anchor)]
        back, stayed = self._arms(stage, take, pans, away)
        hits = np.stack([self._hit(stage, view, candidates) for view in back])  # (dwells, scenes)
        false = np.stack([self._hit(stage, view, candidates) for view in stayed])
        went = np.minimum(1.0, stage.normal(anchor, mid) / LEFT)
        scenes: list[Scene] = []
        for row, seed in enumerate(stage.seeds):
            told = {"hits": hits[:, row].astype(int).tolist(), "false": false[:, row].astype(int).tolist()}
            told |= {"went": float(went[row]), "ended": bool(take.over[row])}
            passed = unlike_start[row] > LEFT and not take.over[row]
            reason = "" if passed else "the episode ended" if take.over[row] else "panning did not leave the start"
            scenes.append({"seed": int(seed), "outcome": SCORED if passed else GATE_FAILED, "reason": reason, **told})
        return Finding(
            scenes,
            self._facts(scenes),
            {"J by absence": self._curve(stage, scenes)},
            self._sheets(candidates, back, hits),
        )

    def _arms(
        self, stage: Stage, take: Take, pans: np.ndarray, away: np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The pictures after each wait: of viewers who panned back, and of viewers who stayed as long."""
        back, stayed, waited = [], [], 0
        for dwell in self.dwells:
            stage.idle(take, dwell - waited)
            waited = dwell
            back.append(stage.pan(take.fork(), stage.undo(pans), away).view)
            stayed.append(stage.pan(take.fork(), np.full(len(take), stage.noop), away).view)
        return back, stayed

    def _hit(self, stage: Stage, views: np.ndarray, candidates: Sequence[np.ndarray]) -> np.ndarray:
        which, apart = nearest(stage.distance, views, candidates)
        return (which == 0) & (apart[0] < stage.scale.near)

    def score(self, scenes: Sequence[Scene]) -> float:
        if not scenes:
            return 0.0
        return max(0.0, float(self.j(scenes).min())) * mean(column(scenes, "went"))

    def j(self, scenes: Sequence[Scene]) -> np.ndarray:
        """J after each wait; a scene that failed its gate hit nothing."""
        return np.array([_rates(scenes, "hits", at) - _rates(scenes, "false", at) for at in range(len(self.dwells))])

    def _facts(self, scenes: Sequence[Scene]) -> dict[str, object]:
        j = self.j(scenes)
        gone = np.flatnonzero(j < 0.5 * j[0]) if j[0] > 0 else np.array([0])
        return {
            "half_life_steps": int(self.dwells[gone[0]]) if gone.size else None,
            "watched_steps": self.dwells[-1],
            **{f"j_{dwell}": float(value) for dwell, value in zip(self.dwells, j, strict=True)},
        }

    def _curve(self, stage: Stage, scenes: Sequence[Scene]) -> dict[str, object]:
        absence = [dwell + 2 * stage.longest_away for dwell in self.dwells]
        return {"x": absence, "y": self.j(scenes).tolist(), "x_label": "steps out of view", "y_label": "J"}

    def _sheets(self, candidates: Sequence[np.ndarray], back: Sequence[np.ndarray], hits: np.ndarray) -> list[Sheet]:
        labels = ["the start", "the place", "away", *(f"back after {dwell}" for dwell in self.dwells)]
        sheets = []
        for row in np.flatnonzero(~hits.all(axis=0))[:SHEETS]:
            frames = [candidates[1][row], candidates[0][row], candidates[2][row], *(view[row] for view in back)]
            sheets.append(Sheet(f"scene {row}: not the place it was", frames, labels, 3 + int(hits[:, row].argmin())))
        return sheets


def _rates(scenes: Sequence[Scene], name: str, at: int) -> float:
    return mean(np.array([scene[name][at] if scene["outcome"] == SCORED else 0 for scene in scenes], float))
