"""Films of the same episodes in the real environment and in a world, and of the baselines every figure needs beside it.

Both begin with the same picture: by the same seed where that is enough, else by showing the world the real first frame.
The same actions follow. The real environment, run once more, is the ceiling; a still, a mean and a stranger are the
floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmenv.bench.take import Meter, Take, ignore
from wmenv.contract import Start, World
from wmenv.errors import UnsupportedError
from wmenv.runtime import to_host

STICKY = 0.7
ENOUGH = 0.9  # share of first frames that must be known again before seeds count as the same beginning


@dataclass(frozen=True)
class Film:
    """What episodes showed: frames (steps + 1, rows, H, W, 3); rewards, ends and poses where there are any."""

    frames: np.ndarray
    reward: np.ndarray | None = None
    terminated: np.ndarray | None = None
    pose: np.ndarray | None = None


@dataclass(frozen=True)
class Pair:
    """The same episodes in both. `how` says how the world was made to begin where the real environment did."""

    real: Film
    world: Film
    random: Film  # the world from the same beginning under other actions
    again: Film  # the real environment once more
    actions: np.ndarray
    how: str
    seeds: Sequence[int]
    starts: Sequence[Start]  # how the world began
    real_starts: Sequence[Start]

    @property
    def baselines(self) -> dict[str, Film]:
        """What a world that knows nothing, and one that knows everything, would have shown."""
        frames = self.real.frames
        mean = np.rint(frames.mean(axis=(0, 1))).astype(np.uint8)
        return {
            "copy-first-frame": Film(np.broadcast_to(frames[:1], frames.shape)),
            "mean-frame": Film(np.broadcast_to(mean, frames.shape)),
            "other-episode": Film(np.roll(frames, 1, axis=1)),
            "real-vs-real": self.again,
        }


def play_pair(
    world: World, real: World, seeds: Sequence[int], steps: int, template: str | None = None, meter: Meter = ignore
) -> Pair:
    """The same episodes in both worlds, under a sticky random viewer."""
    if world.spec.actions.names != real.spec.actions.names:
        raise UnsupportedError(
            f"{world.spec.name!r} and {real.spec.name!r} have different actions: {', '.join(world.spec.actions.names)} "
            f"and {', '.join(real.spec.actions.names)}. Compare a world with the environment that it stands for."
        )
    rng = np.random.default_rng(0)
    actions, others = (sticky(real, rng, steps, len(seeds)) for _ in range(2))
    starts = [Start(template=template) for _ in seeds]
    first = to_host(real.open(starts, seeds)[1].frames)
    begun, how = beginnings(world, first, starts, seeds)
    return Pair(
        film(Take.opened(real, starts, seeds, meter), actions),
        film(Take.opened(world, begun, seeds, meter), actions),
        film(Take.opened(world, begun, seeds, meter), others),
        film(Take.opened(real, starts, seeds, meter), actions),
        actions,
        how,
        seeds,
        begun,
        starts,
    )


def beginnings(
    world: World, first: np.ndarray, starts: Sequence[Start], seeds: Sequence[int]
) -> tuple[Sequence[Start], str]:
    """How the world can be made to begin with these pictures: by seed if that leads there, else shown."""
    if starts[0].kinds <= world.spec.starts:
        shown = to_host(world.open(starts, seeds)[1].frames)
        if shown.shape == first.shape and recognised(shown, first) > ENOUGH:
            return starts, "the same seed"
    if "picture" in world.spec.starts:
        return [Start(picture=frame) for frame in first], "the real first frame as a picture"
    raise UnsupportedError(
        f"{world.spec.name!r} can neither begin from the seeds of the real environment nor from a picture, "
        "so no episode of it can be compared with a real one."
    )


def recognised(shown: np.ndarray, real: np.ndarray) -> float:
    """The share of pictures that are nearest to the real one of the same row."""
    flat_shown, flat_real = (frames.reshape(len(frames), -1).astype(np.float32) for frames in (shown, real))
    apart = ((flat_shown[:, None] - flat_real[None]) ** 2).mean(axis=2)
    return float((apart.argmin(axis=1) == np.arange(len(apart))).mean())


def film(take: Take, actions: np.ndarray) -> Film:
    """What a take shows while these actions (steps, rows) are taken."""
    frames = [take.frames]
    series: dict[str, list[np.ndarray]] = {"reward": [], "terminated": [], "pose": []}
    for step in actions:
        outcome = take.act(step).outcome
        assert outcome is not None, "a take that has acted has an outcome"
        frames.append(take.frames)
        for name, values in series.items():
            if getattr(outcome, name) is not None:
                values.append(to_host(getattr(outcome, name)))
    return Film(np.stack(frames), **{name: np.stack(values) for name, values in series.items() if values})


def sticky(world: World, rng: np.random.Generator, steps: int, rows: int) -> np.ndarray:
    """(steps, rows, ...) actions of a viewer who often does the same again."""
    table = world.spec.actions
    actions = [table.sample(rng, rows)]
    for _ in range(steps - 1):
        again = rng.random(rows) < STICKY
        fresh = table.sample(rng, rows)
        actions.append(np.where(again.reshape(-1, *[1] * (fresh.ndim - 1)), actions[-1], fresh))
    return np.stack(actions)
