"""Real episodes of someone who can do the task: where training may begin, and what behaviour can be cloned from.

The same moments of the same episodes are beginnings for both sides: the real environment lives them again, a world is
shown their picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmenv.contract import Start, World, no_directions
from wmenv.errors import UnsupportedError
from wmenv.worlds.begun import BegunWorld, kept_moments

FIRST_SEED = 5_000_000  # far from the seeds that policies are tested on
LONGEST = 192
FROM_THE_FIRST = 0.25  # share of beginnings that are first frames
NEAR_THE_END = 0.4  # share that are among the last `NEAR` moments, where a reward is near; the rest fall anywhere
NEAR = 6


@dataclass(frozen=True)
class Demonstration:
    """One real episode: frames (T, H, W, 3) and the actions taken on them; and one moment of it."""

    frames: np.ndarray
    actions: np.ndarray
    picture: np.ndarray
    moment: bytes


def demonstrate(real: World, count: int, seed: int = 0) -> list[Demonstration]:
    """`count` episodes by the scripted expert of the real environment."""
    rng = np.random.default_rng(seed)
    return [_demonstrate(real, FIRST_SEED + number, rng) for number in range(count)]


def begun_at(world: World, demonstrations: Sequence[Demonstration], real: World) -> World:
    """`world` with its episodes begun at the demonstrated moments, lived again if it is the `real` one, else shown."""
    if world.spec.name == real.spec.name:
        return BegunWorld(world, [Start(moment=one.moment) for one in demonstrations])
    return BegunWorld(world, kept_moments(world, [Start(picture=one.picture) for one in demonstrations]))


def _demonstrate(real: World, seed: int, rng: np.random.Generator) -> Demonstration:
    from wmenv.sources.gridrooms.env import GridRooms
    from wmenv.sources.gridrooms.policies import make_policy
    from wmenv.worlds.source import SourceState

    expert = make_policy("solver", rng)
    state, outcome = real.open([Start()], [seed])
    frames, actions, moments = [], [], []
    for _ in range(LONGEST):
        env = state.lives[0].env.unwrapped if isinstance(state, SourceState) else None
        if not isinstance(env, GridRooms):
            raise UnsupportedError(f"only GridRooms has an expert that can demonstrate, {real.spec.name!r} has none.")
        frames.append(outcome.frames[0])
        moments.append(state.to_bytes())
        actions.append(expert(env))
        state, outcome = real.advance(state, np.array(actions[-1:]), no_directions(1))
        if outcome.terminated is not None and outcome.terminated[0]:
            break
    at = _chosen_moment(len(moments), rng)
    return Demonstration(np.stack(frames), np.array(actions), frames[at], moments[at])


def _chosen_moment(count: int, rng: np.random.Generator) -> int:
    kind = rng.random()
    if kind < FROM_THE_FIRST:
        return 0
    earliest = max(0, count - NEAR) if kind < FROM_THE_FIRST + NEAR_THE_END else 0
    return int(rng.integers(earliest, count))
