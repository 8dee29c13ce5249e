"""P1: does the same seed with the same actions show the same thing again?"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import Take, reduced
from wmenv.metrics.rates import wilson

BITWISE, CLOSE, DIVERGED = LEVELS = ("bitwise", "close", "diverged")
FRESH = "from wmenv.bench.probes.determinism import fresh; fresh({name!r}, {seeds!r}, {steps}, {template!r})"
PATIENCE = 300  # seconds for a fresh process, which has to load the world again


@dataclass(frozen=True)
class Determinism(Probe):
    """Does the same seed with the same actions show the same thing again, here and in a fresh process?

    Levels: bit for bit, within twice the floor, diverged. A third run changes one action in the middle: nothing may
    change before it, and something must after. Score: the share of scenes that are not diverged, in which the changed
    action told. It is a stated property, no axis: a world that rolls dice may be honest. Resists constant output.
    """

    id: ClassVar[str] = "P1"
    title: ClassVar[str] = "the same again"
    length: int = 32

    def lacks(self, stage: Stage) -> str | None:
        return needs_a_view(stage) if stage.world.spec.seeded else "the world says that it takes no seeds"

    def steps(self, stage: Stage) -> int:
        return 3 * self.length

    def run(self, stage: Stage) -> Finding:
        rows = len(stage.seeds)
        actions = _actions(stage.views, self.length, rows)
        half = self.length // 2
        other = actions.copy()
        other[half] = stage.undo(stage.pan_of_scene(rows))
        actions[half] = stage.pan_of_scene(rows)
        first, again, changed = (_film(stage.open(), script) for script in (actions, actions, other))
        apart, otherwise = (
            stage.apart(_flat(first), _flat(film)).reshape(len(first), rows) for film in (again, changed)
        )
        scenes = []
        for row, seed in enumerate(stage.seeds):
            level = _level(first[:, row], again[:, row], apart[:, row], 2 * stage.scale.floor)
            near = 0.0 if level == BITWISE else 2 * stage.scale.floor  # what does not count as a change
            before = bool((otherwise[: half + 1, row] <= near).all())
            after = bool((otherwise[half + 1 :, row] > near).any())
            diverged = np.flatnonzero(apart[:, row] > 2 * stage.scale.floor)
            told = {"level": level, "same_before": before, "other_after": after}
            told |= {"diverged_at": int(diverged[0]) if diverged.size else None}
            scenes.append({"seed": int(seed), "outcome": SCORED, "reason": "", **told})
        return Finding(scenes, self._facts(stage, scenes))

    def score(self, scenes: Sequence[Scene]) -> float:
        right = [
            {**s, "right": s.get("level") != DIVERGED and s.get("same_before") and s.get("other_after")} for s in scenes
        ]
        return mean(column(right, "right"))

    def _facts(self, stage: Stage, scenes: Sequence[Scene]) -> dict[str, Any]:
        levels = [scene["level"] for scene in scenes]
        facts: dict[str, Any] = {level: levels.count(level) / len(levels) for level in LEVELS}
        facts["bitwise_ci"] = list(wilson(levels.count(BITWISE), len(levels))[1:])
        return facts | {"fresh_process": self._fresh_process(stage)}

    def _fresh_process(self, stage: Stage) -> str:
        """Whether another process shows the same bits; only for a world that can be loaded by its name alone."""
        if not stage.name:
            return "not asked: the world has no name to be loaded by"
        told = {"name": stage.name, "seeds": list(stage.seeds), "steps": self.length, "template": stage.start.template}
        code = FRESH.format(**told)
        try:
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return f"could not be asked: it took more than {PATIENCE} s"
        if done.returncode:
            return "could not be asked: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        here = digest(stage.open(), stage.views, self.length)
        return BITWISE if done.stdout.strip() == here else "differs"


def fresh(name: str, seeds: Sequence[int], steps: int, template: str | None) -> None:
    """What the fresh process does: load the world, run it, print the digest of what it showed."""
    from wmenv.contract import Start
    from wmenv.worlds.catalog import load_world

    stage = Stage(load_world(name), seeds, Start(template=template))
    print(digest(stage.open(), stage.views, steps))


def digest(take: Take, views: Sequence[int], steps: int) -> str:
    """A hash of everything that a fixed script of actions shows, at full size."""
    told = hashlib.blake2b(take.frames.tobytes())
    for action in _actions(views, steps, len(take)):
        told.update(take.act(action).frames.tobytes())
    return told.hexdigest()


def _actions(views: Sequence[int], steps: int, rows: int) -> np.ndarray:
    return np.array(views)[np.random.default_rng(0).integers(len(views), size=(steps, rows))]


def _film(take: Take, script: np.ndarray) -> np.ndarray:
    """(steps + 1, rows, H, W, 3)."""
    return np.stack([take.frames, *(take.act(actions).frames for actions in script)])


def _flat(film: np.ndarray) -> np.ndarray:
    return reduced(film.reshape(-1, *film.shape[2:]))


def _level(a: np.ndarray, b: np.ndarray, apart: np.ndarray, near: float) -> str:
    if (a == b).all():
        return BITWISE
    return CLOSE if (apart <= near).all() else DIVERGED
