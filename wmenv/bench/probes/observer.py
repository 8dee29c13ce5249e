"""P8: does the world go on while nobody looks?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from wmenv.bench.probe import SCORED, UNSUPPORTED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.metrics.rates import wilson
from wmenv.metrics.retrieval import aligned

MOVED = 0.2  # how much a watched scene must change, of 1, before there is anything to compare


@dataclass(frozen=True)
class Observer(Probe):
    """Does the world go on while nobody looks, as it does while somebody watches?

    From one moment one viewer watches for `length` steps; another looks away, waits, and looks back at the same time.
    If the watched scene changed, the second must find it nearer to what the first saw at the end than to how it was.
    Score: the share of scenes where it is, less the half that chance gives. Scenes where nothing moves cannot be
    asked. Resists pausing while unseen.
    """

    id: ClassVar[str] = "P8"
    title: ClassVar[str] = "it goes on while nobody looks"
    length: int = 60

    def lacks(self, stage: Stage) -> str | None:
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        return 2 * (self.length + 2 * (stage.longest_away + stage.bearings.lag))

    def run(self, stage: Stage) -> Finding:
        watching = stage.settle(stage.open())
        leaving = watching.fork()
        before = watching.view
        pans = stage.pan_of_scene(len(watching))
        away, leg = stage.times_away(pans), stage.longest_away + stage.bearings.lag
        wait = max(0, self.length - 2 * leg)
        stage.idle(watching, wait + 2 * leg)
        stage.pan(stage.idle(stage.pan(leaving, pans, away), wait), stage.undo(pans), away)
        moved = stage.normal(before, watching.view)
        to_end = aligned(stage.distance, leaving.view, watching.view)
        to_before = aligned(stage.distance, leaving.view, before)
        scenes: list[Scene] = []
        for row, seed in enumerate(stage.seeds):
            told = {"moved": float(moved[row]), "went_on": float(to_end[row] < to_before[row])}
            asked = moved[row] > MOVED
            reason = "" if asked else "nothing moved while it was watched"
            scenes.append({"seed": int(seed), "outcome": SCORED if asked else UNSUPPORTED, "reason": reason, **told})
        good = [scene["went_on"] for scene in scenes if scene["outcome"] == SCORED]
        rate = list(wilson(int(sum(good)), len(good)))
        return Finding(
            scenes, {"went_on": rate[0] if good else None, "went_on_ci": rate[1:], "scenes_that_move": len(good)}
        )

    def score(self, scenes: Sequence[Scene]) -> float:
        return max(0.0, 2 * mean(column(scenes, "went_on")) - 1)
