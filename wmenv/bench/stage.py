"""A world set up for probing: its scenes, its actions, and what was found out about both before the first probe.

Which action looks where, how late the world answers, and how far apart pictures are that are the same or different, are
measured once (P0 and the bearings) and then shared by all probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wmenv.bench.take import Meter, Take, ignore, reduced
from wmenv.contract import Start, World
from wmenv.metrics.distance import Distance, MultiScale

SAME = 0.6  # share of the way from floor to ceiling below which two pictures may be of the same place
OTHERS = 3  # pictures of other scenes among which a place must be recognised
LEFT = 0.6  # how different a view must look, of 1, to count as another one
STROLLS, STROLL = 16, 3  # how often, and how long, a viewer strolls on who has not seen anything new yet
STICKY = 0.75  # chance that a stroller goes on as before
LEAST_CEILING = 0.02  # distance between different scenes below which there is nothing to tell apart


@dataclass(frozen=True)
class Scale:
    """How far apart pictures of the same moment are (`floor`), and pictures of different scenes (`ceiling`)."""

    floor: float
    ceiling: float
    how: str = ""

    @property
    def degenerate(self) -> bool:
        """Whether different scenes look no more different than one scene looks from itself."""
        return self.ceiling < max(2 * self.floor, LEAST_CEILING)

    def normal(self, apart: np.ndarray) -> np.ndarray:
        """Distances as 0 (as like as a picture to itself) to 1 (as different as different scenes)."""
        return np.clip((apart - self.floor) / max(self.ceiling - self.floor, 1e-9), 0.0, 1.0)

    @property
    def near(self) -> float:
        """The distance below which two pictures may show the same place."""
        return self.floor + SAME * (self.ceiling - self.floor)


@dataclass(frozen=True)
class Bearings:
    """What an action does to the view: how late, how far, and how often it takes until all of it is out of view.

    `smooth` says whether pans shift the picture; where a pan is a whole turn, the picture is another one at once.
    """

    lag: int
    smooth: bool
    away: dict[int, int]  # pan -> how often until what was in view is out of it
    strides: dict[int, float]  # pan -> share of the view that one step shifts it by


@dataclass
class Stage:
    """The world, one seed per scene, how scenes begin, and what probes share."""

    world: World
    seeds: Sequence[int]
    start: Start = field(default_factory=Start)
    name: str = ""
    prompts: tuple[str, ...] = ()
    away: int | None = None  # how many pans take the view away, where the user knows
    distance: Distance = field(default_factory=MultiScale)
    meter: Meter = ignore
    scale: Scale = Scale(0.0, 1.0)
    bearings: Bearings = Bearings(0, True, {}, {})

    def open(self, seeds: Sequence[int] | None = None) -> Take:
        """Every scene from its beginning."""
        chosen = list(self.seeds if seeds is None else seeds)
        return Take.opened(self.world, [self.start] * len(chosen), chosen, self.meter)

    @property
    def blank(self) -> np.ndarray:
        """One black picture of the size that this world shows."""
        return reduced(np.zeros((1, self.world.spec.height, self.world.spec.width, 3), np.uint8))

    @property
    def fps(self) -> float:
        """Steps per second at which the world is meant to run."""
        return self.world.spec.fps / self.world.spec.frames_per_step

    # --- actions ---

    @property
    def noop(self) -> int:
        """The action that does nothing."""
        noop = self.world.spec.actions.noop
        assert isinstance(noop, int), f"{self.world.spec.name} has no single no-op, but a probe asked for it"
        return noop

    @property
    def pans(self) -> tuple[int, ...]:
        """The actions that only move the view and can be undone."""
        table = self.world.spec.actions
        return tuple(pan for pan in table.pans if pan in table.inverse) if table.kind == "discrete" else ()

    @property
    def views(self) -> tuple[int, ...]:
        """What a viewer can do with the view: the pans, and nothing."""
        return (*self.pans, self.noop)

    def undo(self, actions: np.ndarray) -> np.ndarray:
        """The action that undoes each."""
        return np.array([self.world.spec.actions.inverse.get(int(action), self.noop) for action in actions])

    def pan_of_scene(self, rows: int) -> np.ndarray:
        """A pan per scene, by turns, so that every direction is tried."""
        return np.array([self.pans[row % len(self.pans)] for row in range(rows)])

    def times_away(self, pans: np.ndarray) -> np.ndarray:
        """How often each pan takes all that is in view out of it."""
        return np.array([self.bearings.away[int(pan)] for pan in pans])

    @property
    def longest_away(self) -> int:
        """The most steps that any pan takes until the view has changed."""
        return max(self.bearings.away.values(), default=1)

    # --- acting ---

    def settle(self, take: Take) -> Take:
        """Wait until the last action shows."""
        return take.repeat(self.noop, self.bearings.lag, self.noop)

    def idle(self, take: Take, times: int) -> Take:
        """Do nothing for a while."""
        return take.repeat(self.noop, times, self.noop)

    def pan(self, take: Take, pans: np.ndarray, times: int | np.ndarray) -> Take:
        """Each row pans its own way its own number of times, and the last pan shows."""
        return self.settle(take.repeat(pans, times, self.noop))

    def to_anchor(self, take: Take, pans: np.ndarray) -> np.ndarray:
        """Go to a place that does not look like the start; how different it looks, per row.

        Half a view of panning is enough where scenes are rich. Where a row still looks as it did, it strolls on a
        little, with whatever actions there are, and a world that shows nothing new by then has failed to.
        """
        start = take.view
        self.pan(take, pans, -(-self.times_away(pans) // 2))
        rng = np.random.default_rng(0)
        for _ in range(STROLLS):
            unlike = self.normal(take.view, start)
            if (unlike > LEFT).all():
                break
            self._stroll(take, unlike <= LEFT, rng)
        return self.normal(take.view, start)

    def _stroll(self, take: Take, who: np.ndarray, rng: np.random.Generator) -> None:
        table = self.world.spec.actions
        actions = table.sample(rng, len(take))
        for _ in range(STROLL):
            actions = np.where(rng.random(len(take)) < STICKY, actions, table.sample(rng, len(take)))
            take.act(np.where(who, actions, self.noop))
        self.settle(take)

    # --- comparing ---

    def apart(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(N,) distances, 0 for equal pictures."""
        return self.distance(a, b)

    def normal(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(N,) distances between 0, the same, and 1, as different as different scenes."""
        return self.scale.normal(self.distance(a, b))

    def others(self, pictures: np.ndarray) -> list[np.ndarray]:
        """For each scene the pictures of up to three other scenes, to be told from its own."""
        return [np.roll(pictures, turn, axis=0) for turn in range(1, min(OTHERS, len(pictures) - 1) + 1)]


def needs_a_view(stage: Stage) -> str | None:
    """Why the view cannot be moved away and back in this world; None if it can."""
    table = stage.world.spec.actions
    if table.kind != "discrete" or not isinstance(table.noop, int):
        return "needs a discrete table of actions with one that does nothing"
    return None if stage.pans else "needs actions that only move the view, with their inverses"
