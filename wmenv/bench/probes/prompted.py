"""P5: does what one asks for come, soon, and only that; and does it last?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import GATE_FAILED, SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.probes.control import told_by_others
from wmenv.bench.prompts import accepted, choose, lacks_prompts, placing
from wmenv.bench.stage import Stage
from wmenv.bench.take import Take, joined
from wmenv.metrics.rates import wilson
from wmenv.metrics.survival import Survival, kaplan_meier
from wmenv.metrics.thumbnail import area_weights

OBVIOUS = 12  # grey levels by which a pixel must differ to count as changed
CLEAR = 0.002  # distance that no rounding reaches
IN_A_ROW = 2  # looks in a row that make an onset, or an end, real
PEAK = 8  # looks after the onset among which the peak is sought
CLOSE = 16  # steps that are looked at one by one; later every `stride`-th is
LEAK_ALLOWED, LEAK_FATAL = 0.2, 0.6  # shares of the picture that may change, and at which nothing local is left


@dataclass(frozen=True)
class Prompted(Probe):
    """Does what one asks for come, soon, and only that; and does it last while one watches?

    Three branches of one moment: with the direction, without it, and without it under other chances. The effect is
    how much further the first is from the third than the second is, so that chance lies between both pairs alike.
    Onset: two looks in a row above all chance. It has ended when the effect stays below half its peak. Leak: the
    share of pixels that changed. Score: followed, times how long it lasted of the time watched, times how local it
    was. Gate: some direction was not refused. Resists tints (leak), vanishing (half-life), saying yes and doing
    nothing (pictures, not receipts), any change for any text (told apart).
    """

    id: ClassVar[str] = "P5"
    title: ClassVar[str] = "a prompted change comes and lasts"
    watched: int = 200
    stride: int = 4

    def lacks(self, stage: Stage) -> str | None:
        return lacks_prompts(stage)

    def steps(self, stage: Stage) -> int:
        return 3 * self.watched + 4 * len(placing(stage)) * (2 + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        take = stage.idle(stage.open(), 2 + stage.bearings.lag)
        chosen = choose(stage, take)
        identity = self._told_apart(stage, take)
        steps, films, changed = self._watch(stage, take, chosen)
        scenes = [
            self._scene(stage, seed, chosen[row], steps, films[:, row], changed[:, row])
            for row, seed in enumerate(stage.seeds)
        ]
        return Finding(scenes, self._facts(stage, scenes, identity), self._curves(scenes))

    def _watch(
        self, stage: Stage, take: Take, chosen: Sequence[str | None]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The steps looked at; (looks, scenes, 2) effect and chance; (looks, scenes) share of pixels changed."""
        rows = len(take)
        quiet = take.reseeded([seed + 2_000_003 for seed in stage.seeds]) if _renewable(stage) else take.fork()
        crowd = joined([take, take, quiet])
        directions: list[str | None] | None = [*chosen, *[None] * (2 * rows)]
        steps, films, changed = [], [], []
        for step in range(self.watched):
            crowd.act(stage.noop, directions)
            directions = None
            if step < CLOSE or step % self.stride == 0:
                told, untold, other = crowd.view.reshape(3, rows, *crowd.view.shape[1:])
                chance = stage.apart(untold, other)
                steps.append(step)
                films.append(np.stack([stage.apart(told, other), chance], axis=1))
                changed.append(changes(told, untold, other).mean(axis=(1, 2)))
        return np.array(steps), np.stack(films), np.stack(changed)

    def _scene(
        self, stage: Stage, seed: int, prompt: str | None, steps: np.ndarray, film: np.ndarray, changed: np.ndarray
    ) -> Scene:
        """What became of one direction."""
        if prompt is None:
            reason = "every direction that places something was refused here"
            return {
                "seed": int(seed),
                "outcome": GATE_FAILED,
                "reason": reason,
                "onset": None,
                "lasted": 0,
                "ended": True,
            }
        effect, chance = film.T
        threshold = max(1.5 * float(np.quantile(chance, 0.99)), float(chance.max()), CLEAR)
        onset = first_run(effect > threshold)
        told: Scene = {"seed": int(seed), "outcome": SCORED, "reason": "", "prompt": prompt}
        if onset is None:
            return told | {"follow": 0, "onset": None, "lasted": 0, "ended": True, "leak": 0.0, "effect": []}
        excess = np.clip(effect - chance, 0, None)
        peak_at = onset + int(excess[onset : onset + PEAK].argmax())
        end = first_run(excess[peak_at:] < 0.5 * excess[peak_at])
        lasted = steps[-1] if end is None else steps[peak_at + end]
        return told | {
            "follow": 1,
            "onset": int(steps[onset]),
            "lasted": int(lasted - steps[onset]),
            "ended": end is not None,
            "leak": float(changed[peak_at]),
            "effect": (excess / excess[peak_at]).round(3).tolist(),
        }

    def score(self, scenes: Sequence[Scene]) -> float:
        return self.followed(scenes) * self.lasting(scenes) * self.locality(scenes)

    def followed(self, scenes: Sequence[Scene]) -> float:
        """The share of scenes in which the direction showed."""
        return mean(column(scenes, "follow"))

    def lasting(self, scenes: Sequence[Scene]) -> float:
        """The median half-life as a share of the time watched, at most 1."""
        median = lifetimes(scenes).median
        return 1.0 if median is None else min(1.0, median / (self.watched - 1))

    def locality(self, scenes: Sequence[Scene]) -> float:
        """1 while at most a fifth of the picture changes, 0 from three fifths on."""
        followed = [scene["leak"] for scene in scenes if scene.get("follow")]
        leak = float(np.mean(followed)) if followed else 1.0
        return float(np.clip((LEAK_FATAL - leak) / (LEAK_FATAL - LEAK_ALLOWED), 0.0, 1.0))

    def _told_apart(self, stage: Stage, take: Take) -> float | None:
        """Kappa of telling which prompt was given from the change that it made; None with fewer than two."""
        prompts, rows = placing(stage), len(take)
        usable = np.array(accepted(stage, take).all(axis=1))
        if usable.sum() < 2 or rows < 2:
            return None
        asked = [prompt for prompt, good in zip(prompts, usable, strict=True) if good]
        crowd = joined([take] * (len(asked) + 1))
        crowd.act(stage.noop, [*(prompt for prompt in asked for _ in range(rows)), *[None] * rows])
        stage.idle(crowd, 2 + stage.bearings.lag)
        views = crowd.view.reshape(len(asked) + 1, rows, *crowd.view.shape[1:])
        features = np.stack([imprint(told, views[-1]) for told in views[:-1]])
        right = told_by_others(np.arange(len(asked)), features)
        chance = 1 / len(asked)
        return float((right.mean() - chance) / (1 - chance))

    def _facts(self, stage: Stage, scenes: Sequence[Scene], identity: float | None) -> dict[str, Any]:
        followed = [scene for scene in scenes if scene.get("follow")]
        curve = lifetimes(scenes)
        onsets = [scene["onset"] for scene in followed]
        return {
            "follow": self.followed(scenes),
            "follow_ci": list(wilson(len(followed), len(scenes))[1:]),
            "onset_steps": float(np.median(onsets)) if onsets else None,
            "onset_s": float(np.median(onsets)) / stage.fps if onsets else None,
            "half_life_steps": curve.median,
            "restricted_mean_steps": curve.restricted_mean(self.watched) if followed else None,
            "still_there_at_the_end": curve.at(self.watched) if followed else 0.0,
            "watched_steps": self.watched,
            "leak": mean(np.array([scene["leak"] for scene in followed])),
            "prompts_told_apart": identity,
        }

    def _curves(self, scenes: Sequence[Scene]) -> dict[str, dict[str, Any]]:
        curve = lifetimes(scenes)
        x, y = [0.0, *curve.times.tolist(), float(self.watched)], [1.0, *curve.shares.tolist(), curve.at(self.watched)]
        shape = {"x_label": "steps since it came", "y_label": "still there", "stairs": True}
        return {"what was added is still there": {"x": x, "y": y, **shape}}


def lifetimes(scenes: Sequence[Scene]) -> Survival:
    """How long what was asked for lasted; what never came is not asked."""
    followed = [scene for scene in scenes if scene.get("follow")]
    return kaplan_meier(
        np.array([scene["lasted"] for scene in followed], float), np.array([scene["ended"] for scene in followed], bool)
    )


def first_run(flags: np.ndarray) -> int | None:
    """Where the first run of `IN_A_ROW` true values begins.

    >>> first_run(np.array([False, True, False, True, True]))
    3
    """
    runs = np.convolve(flags.astype(int), np.ones(IN_A_ROW, int), mode="valid") == IN_A_ROW
    found = np.flatnonzero(runs)
    return int(found[0]) if found.size else None


def changes(told: np.ndarray, untold: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, H, W) whether each pixel was changed by a direction: obviously, and by more than chance changes it."""
    by_direction = np.abs(told.astype(int) - untold).max(axis=-1)
    by_chance = np.abs(untold.astype(int) - other).max(axis=-1)
    return by_direction > np.maximum(OBVIOUS, 2 * by_chance)


def imprint(told: np.ndarray, untold: np.ndarray, cells: int = 8) -> np.ndarray:
    """(N, D) where and in what colours a direction changed the picture, on `cells` by `cells` averages."""
    changed = changes(told, untold, untold)[..., None]
    picture = np.concatenate([changed * told / 255.0, changed], axis=-1)
    down, across = area_weights(told.shape[1], cells), area_weights(told.shape[2], cells)
    small = np.einsum("yh,nhwc,xw->nyxc", down, picture, across)
    return small.reshape(len(told), -1)


def _renewable(stage: Stage) -> bool:
    return "moment" in stage.world.spec.starts
