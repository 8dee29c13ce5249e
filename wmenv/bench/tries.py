"""Policies tried in a world: how often they succeed, as the world says and as its pictures say.

Episodes are the same on both sides: the real environment begins at a seed, a world at the picture that this seed shows
first. Knows nothing of how policies came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.bench.paired.pair import beginnings
from wmenv.bench.pick import picks
from wmenv.bench.take import Take
from wmenv.contract import Start, World
from wmenv.runtime import to_host
from wmenv.sources.gridrooms.verdicts import VERDICTS, DecodedTask

FIRST_SEED = 9_000_000
TOGETHER = 64  # episodes in one batch
FEW = 8  # beginnings by which it is found out whether seeds are enough

Chances = Callable[[np.ndarray], np.ndarray]  # frames (n, H, W, 3) -> the chance of each action (n, A)


@dataclass(frozen=True)
class Tries:
    """One entry per episode: whether the world paid, whether its pictures show that it was right to, and the length.

    `confirmed` is None where no verdict can be read off pictures.
    """

    paid: np.ndarray
    confirmed: np.ndarray | None
    steps: np.ndarray

    @property
    def success(self) -> float:
        return float(self.paid.mean())

    def record(self) -> dict[str, Any]:
        """As JSON: `unearned` is the share of all episodes that were paid for what no picture shows."""
        record = {"episodes": len(self.paid), "success": self.success, "steps": float(self.steps.mean())}
        if self.confirmed is None:
            return record
        return record | {
            "confirmed": float(self.confirmed.mean()),
            "unearned": float((self.paid & ~self.confirmed).mean()),
            "unpaid": float((self.confirmed & ~self.paid).mean()),
        }


def real_starts(episodes: int) -> tuple[list[Start], list[int]]:
    """How the real environment begins, and its seeds."""
    return [Start()] * episodes, list(range(FIRST_SEED, FIRST_SEED + episodes))


def same_starts(world: World, real: World, episodes: int) -> tuple[list[Start], list[int]]:
    """The same beginnings for a world: by seed if that leads there, else by the real environment's first pictures."""
    starts, seeds = real_starts(episodes)
    frames = to_host(real.open(starts, seeds)[1].frames)
    begun, _ = beginnings(world, frames[:FEW], starts[:FEW], seeds[:FEW])
    return starts if begun[0].picture is None else [Start(picture=frame) for frame in frames], seeds


def tried(
    chances: Chances, world: World, starts: Sequence[Start], seeds: Sequence[int], horizon: int, task: str | None = None
) -> Tries:
    """One episode per start, of at most `horizon` steps; actions are drawn, each episode having its own stream."""
    parts = [
        _tried(chances, world, starts[at : at + TOGETHER], seeds[at : at + TOGETHER], horizon, task)
        for at in range(0, len(starts), TOGETHER)
    ]
    together = [np.concatenate(column) for column in zip(*parts, strict=True)]
    paid, confirmed, steps = together
    return Tries(paid, confirmed if task in VERDICTS else None, steps)


def _tried(
    chances: Chances, world: World, starts: Sequence[Start], seeds: Sequence[int], horizon: int, task: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rngs = [np.random.default_rng(seed) for seed in seeds]
    take = Take.opened(world, starts, seeds)
    judge = DecodedTask(task) if task in VERDICTS else None
    if judge is not None:
        judge.opened(range(len(take)), take.frames)
    paid, confirmed = np.zeros(len(take), bool), np.zeros(len(take), bool)
    steps, judged_over = np.zeros(len(take), np.int64), np.zeros(len(take), bool)
    while not take.over.all() and steps.max(initial=0) < horizon:
        running = ~take.over
        actions = picks(chances(take.frames), rngs)
        outcome = take.act(actions).outcome
        assert outcome is not None, "a take that has acted has an outcome"
        steps += running
        paid |= running & (to_host(outcome.reward) > 0)
        if judge is not None:
            done, over = judge(outcome, actions)
            confirmed |= running & ~judged_over & (done > 0)
            judged_over |= over
    return paid, confirmed, steps
