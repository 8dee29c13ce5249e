"""A director who is part of the episode: types what the world suggests, at moments and in an order drawn from the seed.

What is typed at a step follows from (seed, step) alone, so a replayed or restored episode is directed as it was. A
direction of the user's at the same step goes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmenv.contract import Direction, Directions, WorldSpec
from wmenv.errors import OptionError, UnsupportedError

STREAM = 41  # keeps a director's chances apart from those of the world and the policy


class Director:
    """Types one of the world's suggestions every `every` steps on average."""

    def __init__(self, spec: WorldSpec, every: int) -> None:
        if every < 1:
            raise OptionError(f"a director speaks every 1 or more steps, got directed_every={every}.")
        spec.need("directions")
        if not spec.suggestions:
            raise UnsupportedError(f"world {spec.name!r} suggests no directions, so a director has nothing to say.")
        self.every = every
        self._texts = spec.suggestions

    def text(self, seed: int, step: int) -> str | None:
        """What is typed with that step of the episode that began with that seed."""
        rng = np.random.default_rng([seed % 2**63, step, STREAM])
        return str(rng.choice(self._texts)) if rng.random() < 1 / self.every else None

    def add(self, directions: Directions, seeds: np.ndarray, steps: np.ndarray, rows: Sequence[int]) -> Directions:
        """`directions` with the director's own for those of `rows` to which nobody spoke."""
        spoken = list(directions)
        for row in rows:
            if spoken[row] is None and (text := self.text(int(seeds[row]), int(steps[row]))):
                spoken[row] = Direction(text)
        return spoken
