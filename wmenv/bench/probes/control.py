"""P3: does an action mean the same thing everywhere, and still after a while?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wmenv.bench.probe import SCORED, Finding, Probe, Scene, column, mean
from wmenv.bench.stage import Stage, needs_a_view
from wmenv.bench.take import Take, joined
from wmenv.metrics.motion import motion
from wmenv.metrics.thumbnail import halved, thumbnails

AIM = 0.07  # share of the view that one trial should move it, so that the move is more than a cell
STICKY = 0.85  # chance that a wandering viewer goes on as before


@dataclass(frozen=True)
class Control(Probe):
    """Does each action mean the same thing in every scene, at first and still after `late` steps?

    Where pans shift the picture, the shift after each action is given to the nearest class learned on the other scenes.
    Where a pan is a whole turn, the action is known by what undoes it: of all actions that could follow, the one that
    brings the view back must be its inverse. Score: the smaller of the early and the late share right, less chance. No
    gate. Resists noise that depends on the action, and obeying only at first; a stuck view scores 0, ties being split.
    """

    id: ClassVar[str] = "P3"
    title: ClassVar[str] = "actions mean the same everywhere, early and late"
    late: int = 300
    trials: int = 2

    def lacks(self, stage: Stage) -> str | None:
        if len(stage.seeds) < 2:
            return "needs two scenes or more, to learn on some what is tested on others"
        return needs_a_view(stage)

    def steps(self, stage: Stage) -> int:
        width = len(stage.views) if not stage.bearings.smooth else 1
        return self.late + 2 * self.trials * len(stage.views) * width * (_hold(stage) + stage.bearings.lag)

    def run(self, stage: Stage) -> Finding:
        ask = self._by_shift if stage.bearings.smooth else self._by_return
        take = stage.idle(stage.open(), 2 + stage.bearings.lag)
        early, take = ask(stage, take)
        late, _ = ask(stage, wander(stage, take, self.late))
        kinds = len(stage.views)
        scenes: list[Scene] = []
        for row, seed in enumerate(stage.seeds):
            share = {"early": float(early[row]), "late": float(late[row]), "kinds": kinds}
            scenes.append({"seed": int(seed), "outcome": SCORED, "reason": "", **share})
        first, last = (self._kappa(scenes, when) for when in ("early", "late"))
        retention = max(last, 0.0) / first if first > 0 else None
        how = "shift of the picture" if stage.bearings.smooth else "what undoes it"
        return Finding(scenes, {"early": first, "late": last, "retention": retention, "known_by": how})

    def score(self, scenes: Sequence[Scene]) -> float:
        return max(0.0, min(self._kappa(scenes, "early"), self._kappa(scenes, "late")))

    def _kappa(self, scenes: Sequence[Scene], when: str) -> float:
        chance = 1 / column(scenes, "kinds", failed=2.0)
        return mean((column(scenes, when) - chance) / (1 - chance))

    def _by_shift(self, stage: Stage, take: Take) -> tuple[np.ndarray, Take]:
        """Per scene the share of trials whose action was told by the motion, learned on the other scenes."""
        labels, features = [], []
        for trial in range(self.trials):
            for action in np.roll(stage.views, trial):
                before = halved(thumbnails(take.view))
                stage.settle(take.repeat(int(action), _hold(stage), stage.noop))
                moved = motion(before, halved(thumbnails(take.view)))
                labels.append(int(action))
                features.append(np.stack(moved, axis=1).astype(float))
        return told_by_others(np.array(labels), np.stack(features)), take

    def _by_return(self, stage: Stage, take: Take) -> tuple[np.ndarray, Take]:
        """Per scene the share of trials whose action was told by what brought the view back."""
        views = np.array(stage.views)
        kinds, rows = len(views), len(take)
        crowd = joined([take] * kinds)
        before = crowd.view
        stage.settle(crowd.act(np.repeat(views, rows)))
        undone = joined([crowd] * kinds)
        stage.settle(undone.act(np.repeat(views, kinds * rows)))
        apart = stage.apart(np.concatenate([before] * kinds), undone.view).reshape(kinds, kinds, rows)
        return np.array([told_by_return(apart[:, :, row], views, stage.undo(views)) for row in range(rows)]), take


def told_by_others(labels: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(scenes,) shares of trials right when each goes to the class whose mean over the other scenes is nearest.

    `labels` (trials,), `features` (trials, scenes, D). Of equally near classes each gets its share.
    """
    kinds = np.unique(labels)
    scenes = features.shape[1]
    right = np.zeros(scenes)
    for scene in range(scenes):
        rest = np.delete(features, scene, axis=1)
        centres = np.stack([rest[labels == kind].mean(axis=(0, 1)) for kind in kinds])
        apart = np.linalg.norm(features[:, scene, None] - centres, axis=2)
        nearest = apart <= apart.min(axis=1, keepdims=True) + 1e-9
        mine = nearest[np.arange(len(labels)), np.searchsorted(kinds, labels)]
        right[scene] = (mine / nearest.sum(axis=1)).mean()
    return right


def told_by_return(apart: np.ndarray, views: np.ndarray, inverses: np.ndarray) -> float:
    """The share of actions for which, of all that could follow, the inverse brings the view back best; ties split.

    `apart[b, a]` is how far the view is from where it was after `a` and then `b`.
    """
    best = apart <= apart.min(axis=0) + 1e-9
    undoing = np.array([np.flatnonzero(views == inverse)[0] for inverse in inverses])
    return float((best[undoing, np.arange(len(views))] / best.sum(axis=0)).mean())


def wander(stage: Stage, take: Take, steps: int) -> Take:
    """Look around at random, each direction for a while."""
    rng = np.random.default_rng(0)
    views = np.array(stage.views)
    actions = views[rng.integers(len(views), size=len(take))]
    for _ in range(steps):
        again = rng.random(len(take)) < STICKY
        actions = np.where(again, actions, views[rng.integers(len(views), size=len(take))])
        take.act(actions)
    return stage.settle(take)


def _hold(stage: Stage) -> int:
    """How many steps of an action make a move that can be measured."""
    stride = float(np.median(list(stage.bearings.strides.values())))
    return int(np.clip(round(AIM / stride), 1, 8)) if stage.bearings.smooth and stride > 0 else 1
