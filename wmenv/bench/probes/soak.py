"""P10: does the world still look as it did after a long while, and is it still the same place?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, Finding, Probe, Scene, Sheet, column, mean
from wmenv.bench.stage import LEFT, Stage, needs_a_view
from wmenv.metrics import colour, health
from wmenv.metrics.retrieval import nearest
from wmenv.metrics.survival import kaplan_meier

LOST = 2.0  # usual deviations of drift, held for two visits, at which a picture is called lost
HELD = 2  # visits
FEATURES = (*health.FEATURES, "hue")
SHEETS = 2


@dataclass(frozen=True)
class Soak(Probe):
    """Does minute ten look like minute one, at the same place, and is it still that place?

    A place that is not the start is visited every `every` steps or so, for `length` steps, the view going right away
    in between. Drift is the difference in image health and colour between visits, in usual deviations, as the median
    over scenes of the worst feature; matched places cannot be confused with other scenery. Score: exp(-(drift - 1))
    where drift beyond 1 was held for two visits, times how often the place was recognised among others. Gate: the
    place looks unlike the start, and the view leaves it. Resists recovering in time (the worst counts), and coming
    back to the start.
    """

    id: ClassVar[str] = "P10"
    title: ClassVar[str] = "soak"
    length: int = 5000
    every: int = 100

    def lacks(self, stage: Stage) -> str | None:
        if len(stage.seeds) < 2:
            return "needs two scenes or more, as places to be told apart"
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        return self.length + 2 * (stage.longest_away + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        take = stage.open()
        pans = stage.pan_of_scene(len(take))
        start = take.view
        gate = stage.to_anchor(take, pans)
        away, leg = stage.times_away(pans), stage.longest_away + stage.bearings.lag
        anchor, anchor_frames = take.view, take.frames
        changed, kept, mid, steps = [], [], anchor, []
        visits = max(HELD, self.length // max(self.every, 2 * leg))
        last, lost_at = anchor, dict[int, tuple[int, np.ndarray]]()
        for visit in range(1, visits + 1):
            mid = stage.pan(take, pans, away).view
            stage.idle(take, max(0, self.every - 2 * leg))
            stage.pan(take, stage.undo(pans), away)
            changed.append(deviations(take.frames, anchor_frames))
            which, apart = nearest(stage.distance, take.view, [anchor, start, mid, *stage.others(anchor)])
            kept.append((which == 0) & (apart[0] < stage.scale.near))
            steps.append(visit * max(self.every, 2 * leg))
            for lost in np.flatnonzero(~kept[-1]).tolist():
                lost_at.setdefault(lost, (visit, take.view[lost]))
            last = take.view
        went = stage.normal(anchor, mid)
        z = np.stack(changed)  # (visits, scenes, features)
        scenes: list[Scene] = []
        for row, seed in enumerate(stage.seeds):
            passed = gate[row] > LEFT and went[row] > LEFT / 2 and not take.over[row]
            reason = "" if passed else "the episode ended" if take.over[row] else "the view did not leave the place"
            told = {"z": z[:, row].round(4).tolist(), "kept": [int(visit[row]) for visit in kept]}
            scenes.append({"seed": int(seed), "outcome": SCORED if passed else GATE_FAILED, "reason": reason, **told})
        facts, curves = self._facts(scenes, steps), self._curves(scenes, steps)
        return Finding(scenes, facts, curves, _sheets(anchor, start, mid, last, lost_at))

    def score(self, scenes: Sequence[Scene]) -> float:
        if not any(scene["outcome"] == SCORED for scene in scenes):
            return 0.0
        return math.exp(-max(0.0, sustained(drift(scenes)) - 1)) * self.identity(scenes)

    def identity(self, scenes: Sequence[Scene]) -> float:
        """How often the place was recognised; scenes that failed their gate count as never."""
        kept = [{**scene, "share": float(np.mean(scene["kept"]))} for scene in scenes]
        return mean(column(kept, "share"))

    def _facts(self, scenes: Sequence[Scene], steps: Sequence[int]) -> dict[str, Any]:
        good = [scene for scene in scenes if scene["outcome"] == SCORED]
        facts: dict[str, Any] = {"identity": self.identity(scenes), "length_steps": steps[-1], "visits": len(steps)}
        if not good:
            return facts | {"drift_z": None, "drifts_in": None, "median_steps_to_drift": None}
        at = np.array([first_held(np.abs(scene["z"]).max(axis=1) > LOST) for scene in good], float)
        ended = at >= 0
        curve = kaplan_meier(np.where(ended, np.array(steps)[at.astype(int)], steps[-1]), ended)
        worst = np.abs(np.median([scene["z"] for scene in good], axis=0)).max(axis=0)
        return facts | {
            "drift_z": sustained(drift(scenes)),
            "drifts_in": FEATURES[int(worst.argmax())],
            "median_steps_to_drift": curve.median,
        }

    def _curves(self, scenes: Sequence[Scene], steps: Sequence[int]) -> dict[str, dict[str, Any]]:
        shares = [mean(np.array([scene["kept"][k] for scene in scenes], float)) for k in range(len(steps))]
        drifted = drift(scenes).tolist()
        return {
            "drift at matched places": {"x": list(steps), "y": drifted, "x_label": "steps", "y_label": "deviations"},
            "still the same place": {"x": list(steps), "y": shares, "x_label": "steps", "y_label": "recognised"},
        }


def drift(scenes: Sequence[Scene]) -> np.ndarray:
    """Per visit the worst feature's median over scenes of its deviation from the first visit."""
    good = [scene["z"] for scene in scenes if scene["outcome"] == SCORED]
    return np.abs(np.median(good, axis=0)).max(axis=1) if good else np.zeros(len(scenes[0]["z"]))


def sustained(values: np.ndarray) -> float:
    """The most that was held for `HELD` visits in a row."""
    return float(np.lib.stride_tricks.sliding_window_view(values, HELD).min(axis=1).max())


def first_held(flags: np.ndarray) -> int:
    """Where the first run of `HELD` visits begins, -1 if there is none."""
    runs = np.lib.stride_tricks.sliding_window_view(flags, HELD).all(axis=1)
    return int(runs.argmax()) if runs.any() else -1


def deviations(now: np.ndarray, then: np.ndarray) -> np.ndarray:
    """(rows, features) by how many usual deviations pictures of the same places differ, in health and hue."""
    changed = [health.health(a) - health.health(b) for a, b in zip(now, then, strict=True)]
    turned = [np.hypot(*(colour.lean(a) - colour.lean(b))) for a, b in zip(now, then, strict=True)]
    return np.column_stack([np.array(changed) / health.USUAL, np.array(turned) / colour.USUAL])


def _sheets(
    anchor: np.ndarray, start: np.ndarray, mid: np.ndarray, last: np.ndarray, lost_at: dict[int, tuple[int, np.ndarray]]
) -> list[Sheet]:
    labels = ["the start", "the place", "away", "lost", "at the end"]
    return [
        Sheet(f"scene {row}: lost at visit {visit}", [start[row], anchor[row], mid[row], view, last[row]], labels, 3)
        for row, (visit, view) in list(lost_at.items())[:SHEETS]
    ]
