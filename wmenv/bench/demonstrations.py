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

FIRST_SEED, HELD_OUT = 5_000_000, 7_000_000  # demonstrations to learn from, and those that only trials begin in
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


def demonstrate(real: World, count: int, lead: int | None = None, first_seed: int = FIRST_SEED) -> list[Demonstration]:
    """`count` episodes by the scripted expert of the real environment; their moments lie at most `lead` steps before
    the end, if that is given."""
    rng = np.random.default_rng(first_seed)
    return [_demonstrate(real, first_seed + number, lead, rng) for number in range(count)]


def starts_at(world: World, demonstrations: Sequence[Demonstration], real: World) -> list[Start]:
    """The demonstrated moments as beginnings of `world`: lived again if it is the `real` one, else shown."""
    lived = world.spec.name == real.spec.name
    return [Start(moment=one.moment) if lived else Start(picture=one.picture) for one in demonstrations]


def begun_at(world: World, demonstrations: Sequence[Demonstration], real: World) -> World:
    """`world` with its episodes begun at the demonstrated moments."""
    return BegunWorld(world, kept_moments(world, starts_at(world, demonstrations, real)))


def _demonstrate(real: World, seed: int, lead: int | None, rng: np.random.Generator) -> Demonstration:
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
    at = _chosen_moment(len(moments), lead, rng)
    return Demonstration(np.stack(frames), np.array(actions), frames[at], moments[at])


def _chosen_moment(count: int, lead: int | None, rng: np.random.Generator) -> int:
    if lead is not None:
        return int(rng.integers(max(0, count - lead), count))
    kind = rng.random()
    if kind < FROM_THE_FIRST:
        return 0
    earliest = max(0, count - NEAR) if kind < FROM_THE_FIRST + NEAR_THE_END else 0
    return int(rng.integers(earliest, count))
