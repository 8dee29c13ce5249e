"""A world whose episodes begin where others have been: at pictures or moments taken from real episodes.

So imagination need not begin from nothing, and need not go far. Knows nothing of where the beginnings come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wmenv.contract import Actions, Directions, Outcome, Start, State, World
from wmenv.errors import StartError

TOGETHER = 32  # beginnings opened in one batch


class BegunWorld:
    """`world`, each row of which begins at one of `starts`, picked by its seed, unless it is told how to begin.

    `afresh` is the share of rows that begin from their seed alone all the same.
    """

    def __init__(self, world: World, starts: Sequence[Start], afresh: float = 0.0) -> None:
        if not starts:
            raise StartError("a world that begins at given starts needs at least one.")
        self.world, self.starts, self.afresh = world, [start.check(world.spec) for start in starts], afresh
        self.spec = world.spec.with_(provenance={**world.spec.provenance, "begun_at": f"{len(starts)} given starts"})

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        return self.world.open([self._begun(*one) for one in zip(starts, seeds, strict=True)], seeds)

    def advance(self, state: State, actions: Actions, directions: Directions) -> tuple[State, Outcome]:
        return self.world.advance(state, actions, directions)

    def revive(self, data: bytes) -> State:
        return self.world.revive(data)

    def __getattr__(self, name: str) -> Any:
        """What this world can say in words is what the world behind it can."""
        if name in ("describe", "instructions"):
            return getattr(self.world, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _begun(self, start: Start, seed: int) -> Start:
        if start.kinds != {"seed"}:
            return start
        rng = np.random.default_rng(int(seed) % 2**63)
        return start if rng.random() < self.afresh else self.starts[int(rng.integers(len(self.starts)))]


def kept_moments(world: World, starts: Sequence[Start], first_seed: int = 0) -> list[Start]:
    """The same beginnings, opened once and kept, so that beginning there again costs no more than a copy."""
    world.spec.need("snapshots")
    moments = []
    for at in range(0, len(starts), TOGETHER):
        batch = list(starts[at : at + TOGETHER])
        state, _ = world.open(batch, [first_seed + at + place for place in range(len(batch))])
        moments += [Start(moment=state.select([row]).to_bytes()) for row in range(len(batch))]
    return moments
