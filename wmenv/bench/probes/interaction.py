"""P11: does what was added belong to the world: does it move with it, and can one bump into it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, UNSUPPORTED, Finding, Probe, Scene, column, mean
from wmenv.bench.probes.place import LEAST_MASK, halves
from wmenv.bench.probes.prompted import changes
from wmenv.bench.prompts import choose, lacks_prompts, placing
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import Take, joined
from wmenv.metrics.bootstrap import bootstrap

PANS = 2  # steps for which an object is watched while the view moves
LEAST_SHIFT = 2.0  # pixels by which the ground must have moved to compare
GROUND_REACH = 24  # pixels in which the shift of the ground is searched
MOVES = 0.15  # of 1, how much an action must change the view to be an approach


@dataclass(frozen=True)
class Interaction(Probe):
    """Does what was added move with the ground, and can it be bumped into? A heuristic; only the true state can tell.

    Sticker test: while panning, the centre of the changed pixels must shift as the ground does; a thing stuck to the
    screen does not. Contact: with and without the thing, every action that is neither a pan nor idle is tried; of the
    change that it makes to the view, the share taken away by the thing is reported with an interval. Score: 1 - the
    relative error of the shift, where pans shift. Gate: the direction changed at least 20 pixels. Scenes where the
    ground does not shift measurably cannot be asked.
    """

    id: ClassVar[str] = "P11"
    title: ClassVar[str] = "what was added belongs to the world"

    def lacks(self, stage: Stage) -> str | None:
        return lacks_prompts(stage) or needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        ways = (len(placing(stage)) + 1) * (len(_approaches(stage)) + 1)
        return (2 * PANS + ways + 4) * (1 + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        take = stage.idle(stage.open(), 2 + stage.bearings.lag)
        chosen = choose(stage, take)
        contact = self._contact(stage, take)
        crowd = joined([take, take])
        crowd.act(stage.noop, [*chosen, *[None] * len(take)])
        stage.settle(crowd)
        before = halves(crowd)
        masks = changes(*before, before[1])
        pans = stage.pan_of_scene(len(take))
        after = halves(stage.pan(crowd, np.tile(pans, 2), PANS))
        moved = changes(*after, after[1])
        scenes = [
            {"seed": int(seed), **self._scene(stage, masks[row], moved[row], before[1][row], after[1][row])}
            for row, seed in enumerate(stage.seeds)
        ]
        return Finding(scenes, contact)

    def _scene(
        self, stage: Stage, mask: np.ndarray, moved: np.ndarray, ground: np.ndarray, shifted: np.ndarray
    ) -> Scene:
        """Whether the thing moved as the ground did."""
        if mask.sum() < LEAST_MASK:
            return {"outcome": GATE_FAILED, "reason": f"the direction changed fewer than {LEAST_MASK} pixels"}
        if not stage.bearings.smooth:
            return {"outcome": UNSUPPORTED, "reason": "the view turns at once, so nothing can be seen to shift"}
        ground_shift = shift_of(ground, shifted)
        if np.hypot(*ground_shift) < LEAST_SHIFT:
            return {"outcome": UNSUPPORTED, "reason": "the ground does not shift measurably"}
        if moved.sum() < mask.sum() / 2:
            should = centre(mask) + ground_shift
            if (should < 0).any() or (should >= mask.shape).any():
                return {"outcome": UNSUPPORTED, "reason": "what was added left the view"}
            return {"outcome": SCORED, "reason": "it vanished when the view moved", "error": 1.0}
        thing_shift = centre(moved) - centre(mask)
        error = float(np.hypot(*(thing_shift - ground_shift)) / np.hypot(*ground_shift))
        return {"outcome": SCORED, "reason": "", "error": error}

    def score(self, scenes: Sequence[Scene]) -> float:
        right = [{**scene, "right": max(0.0, 1 - scene.get("error", 1.0))} for scene in scenes]
        return mean(column(right, "right"))

    def _contact(self, stage: Stage, take: Take) -> dict[str, Any]:
        """Of the change that approaching makes to the view, the median share over scenes that a thing takes away.

        Where a thing is in the way is not known, so the best of all directions and actions counts in each scene.
        """
        prompts, rows = placing(stage), len(take)
        crowd = joined([take] * (len(prompts) + 1))
        crowd.act(stage.noop, [*(prompt for prompt in prompts for _ in range(rows)), *[None] * rows])
        stage.settle(crowd)
        lost = np.full(rows, -np.inf)
        for action in _approaches(stage):
            still = crowd.view
            tried = stage.settle(crowd.fork().act(action)).view
            change = stage.normal(still, tried).reshape(-1, rows)
            share = (change[-1] - change[:-1]) / np.maximum(change[-1], MOVES)
            lost = np.where(change[-1] > MOVES, np.maximum(lost, share.max(axis=0)), lost)
        lost = lost[np.isfinite(lost)]
        if not lost.size:
            return {"contact": None, "contact_why_not": "no action but panning changes this view"}
        interval = bootstrap(lost, np.median)
        return {"contact": interval.estimate, "contact_ci": list(interval[1:]), "approaches": len(lost)}


def _approaches(stage: Stage) -> list[int]:
    """Actions that are neither a pan nor idle."""
    return [action for action in range(stage.world.spec.actions.count) if action not in stage.views]


def centre(mask: np.ndarray) -> np.ndarray:
    """The mean row and column of the true pixels."""
    return np.argwhere(mask).mean(axis=0)


def shift_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shift (down, right) of the ground from `a` to `b` in whole pixels along one axis that fits overlaps best."""
    a, b = (picture.astype(np.float32).mean(axis=-1) for picture in (a, b))
    reach = min(GROUND_REACH, min(a.shape) // 2 - 1)
    along = range(-reach, reach + 1)
    shifts = [(shift, 0) for shift in along] + [(0, shift) for shift in along]
    best = min(shifts, key=lambda shift: (_misfit(a, b, *shift), abs(shift[0]) + abs(shift[1])))
    return np.array(best, float)


def _misfit(a: np.ndarray, b: np.ndarray, dy: int, dx: int) -> float:
    height, width = a.shape
    here = a[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    there = b[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
    return float(((here - there) ** 2).mean())
