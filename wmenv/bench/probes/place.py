"""P6: is what was added still there after one has looked away and come back?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, Finding, Probe, Scene, Sheet, column, mean
from wmenv.bench.probes.prompted import changes
from wmenv.bench.prompts import choose, lacks_prompts, placing
from wmenv.bench.stage import LEFT, Stage, needs_a_view
from wmenv.bench.take import Take, joined
from wmenv.metrics.rates import wilson
from wmenv.metrics.retrieval import nearest

KEPT, REVERTED, LOST, OTHER = ENDS = ("kept", "reverted", "left", "other")
LEAST_MASK = 20  # pixels that an edit must change
UNLIKE_BOTH = 0.75  # of the difference the edit made; further than this from both, a mask shows something else
SHEETS = 3


@dataclass(frozen=True)
class Place(Probe):
    """Is what was added still there after one has looked away and come back?

    Something is placed, the view pans away from it, waits `dwell` steps, and pans back. Against the pictures before
    and after the edit, while away, and of other scenes, each return is kept, reverted, left (not back at the place)
    or other; kept or reverted is decided on the pixels that the edit changed. Score: the share kept. Gates: the edit
    changed at least 20 pixels, and the view really left. Resists never going away, and an edit that only shows while
    watched.
    """

    id: ClassVar[str] = "P6"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "place, leave, return"
    dwell: int = 40

    def lacks(self, stage: Stage) -> str | None:
        return lacks_prompts(stage) or needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        leg = stage.longest_away + stage.bearings.lag
        return 2 * (self.dwell + 2 * leg) + 4 * len(placing(stage)) * (2 + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        take = stage.idle(stage.open(), 2 + stage.bearings.lag)
        chosen = choose(stage, take)
        rows = len(take)
        crowd = joined([take, take])  # with the edit, and without
        crowd.act(stage.noop, [*chosen, *[None] * rows])
        stage.settle(crowd)
        edited, plain = halves(crowd)
        masks = changes(edited, plain, plain)
        pans = np.tile(stage.pan_of_scene(rows), 2)
        away = stage.times_away(pans)
        mid = halves(stage.pan(crowd, pans, away))[0]
        back = halves(stage.pan(stage.idle(crowd, self.dwell), stage.undo(pans), away))
        views = {"edited": edited, "plain": plain, "mid": mid, "back": back[0], "back plain": back[1]}
        scenes = [self._scene(stage, row, chosen[row], masks[row], views) for row in range(rows)]
        for scene, seed in zip(scenes, stage.seeds, strict=True):
            scene["seed"] = int(seed)
        return Finding(scenes, self._facts(scenes), sheets=self._sheets(scenes, views))

    def _scene(
        self, stage: Stage, row: int, prompt: str | None, mask: np.ndarray, views: dict[str, np.ndarray]
    ) -> Scene:
        one = {name: view[row : row + 1] for name, view in views.items()}
        gates = {
            "every direction that places something was refused here": prompt is None,
            f"the direction changed fewer than {LEAST_MASK} pixels": mask.sum() < LEAST_MASK,
            "the view did not leave": mask.any() and not _left(stage, mask, one),
        }
        failed = [reason for reason, holds in gates.items() if holds]
        if failed:
            return {"outcome": GATE_FAILED, "reason": failed[0], "prompt": prompt, "kept": 0, "end": None}
        end = self._end(stage, row, mask, one, stage.others(views["edited"]))
        return {"outcome": SCORED, "reason": "", "prompt": prompt, "kept": int(end == KEPT), "end": end}

    def _end(
        self, stage: Stage, row: int, mask: np.ndarray, one: dict[str, np.ndarray], others: Sequence[np.ndarray]
    ) -> str:
        """Which of `ENDS` a return is."""
        strangers = [other[row : row + 1] for other in others]
        which, _ = nearest(stage.distance, one["back"], [one["edited"], one["plain"], one["mid"], *strangers])
        if which[0] == 2:
            return LOST
        if which[0] > 2:
            return OTHER
        to_edited, to_plain, made = (
            _apart_on(mask, one[a], one[b]) for a, b in (("back", "edited"), ("back", "plain"), ("edited", "plain"))
        )
        if min(to_edited, to_plain) > UNLIKE_BOTH * made:
            return OTHER
        return KEPT if to_edited < to_plain else REVERTED

    def score(self, scenes: Sequence[Scene]) -> float:
        return mean(column(scenes, "kept"))

    def _facts(self, scenes: Sequence[Scene]) -> dict[str, Any]:
        ends = [scene["end"] for scene in scenes if scene["outcome"] == SCORED]
        facts: dict[str, Any] = {"keep": self.score(scenes), "keep_ci": list(wilson(ends.count(KEPT), len(scenes))[1:])}
        facts["revert"] = ends.count(REVERTED) / len(ends) if ends else None
        facts["revert_ci"] = list(wilson(ends.count(REVERTED), len(ends))[1:])
        return facts | {f"ends_{end}": ends.count(end) for end in ENDS} | {"dwell_steps": self.dwell}

    def _sheets(self, scenes: Sequence[Scene], views: dict[str, np.ndarray]) -> list[Sheet]:
        labels = ["before", "placed", "away", "back"]
        sheets: list[Sheet] = []
        for row, scene in enumerate(scenes):
            if not scene["kept"] and len(sheets) < SHEETS:
                frames = [views[name][row] for name in ("plain", "edited", "mid", "back")]
                sheets.append(
                    Sheet(f"scene {row}: {scene['end'] or scene['reason']} ({scene['prompt']})", frames, labels, 3)
                )
        return sheets


def halves(take: Take) -> tuple[np.ndarray, np.ndarray]:
    """The views of the first and of the second half of the rows."""
    half = len(take) // 2
    return take.view[:half], take.view[half:]


def _left(stage: Stage, mask: np.ndarray, one: dict[str, np.ndarray]) -> bool:
    """Whether what was placed went out of view: the picture is another one, there as well. Half as different as usual
    will do, for one end of a bare room looks much like the other."""
    elsewhere = stage.normal(one["edited"], one["mid"])[0] > LEFT / 2
    gone = _apart_on(mask, one["edited"], one["mid"]) > 0.5 * _apart_on(mask, one["edited"], one["plain"])
    return bool(elsewhere and gone)


def _apart_on(mask: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Mean grey levels apart on the masked pixels of two single pictures."""
    return float(np.abs(a[0].astype(int) - b[0])[mask].mean())
