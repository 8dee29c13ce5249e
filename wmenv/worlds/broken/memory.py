"""Faults of memory: the scene snaps back to its start, or what is out of view is dreamt anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmenv.contract import ActionTable, Start, WorldSpec
from wmenv.errors import UnsupportedError
from wmenv.runtime import to_host
from wmenv.worlds.broken.fault import Fault, Moment

DREAMS = 3  # an odd number, so that going away and coming back never ends where it began


@dataclass(frozen=True)
class Reverts(Fault):
    """The scene snaps back to where it began, on the steps that `due` names."""

    def due(self, clock: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        moment.states["first"] = moment.states["now"].fork()
        moment.own["first"] = moment.outcome.frames.copy()

    def after(self, moment: Moment) -> None:
        rows = np.flatnonzero(self.due(moment.own["clock"]))
        if rows.size:
            moment.swap_in(moment.states["first"].select(rows.tolist()), rows)
            moment.show_instead(moment.own["first"][rows], rows)


@dataclass(frozen=True)
class RevertsEvery(Reverts):
    """The scene snaps back to its start every `steps` steps."""

    steps: int = 40

    def due(self, clock: np.ndarray) -> np.ndarray:
        return clock % self.steps == 0


@dataclass(frozen=True)
class RevertsOnce(Reverts):
    """The scene snaps back to its start once, at step `at`."""

    at: int = 130

    def due(self, clock: np.ndarray) -> np.ndarray:
        return clock == self.at


@dataclass(frozen=True)
class ForgetsUnseen(Fault):
    """What has left the view is dreamt anew: after `away` pans one way, the row goes on in another scene.

    A view is `away` pans wide: 16 in the pan world, 2 where a pan is a quarter turn.
    """

    away: int = 16

    def spec(self, spec: WorldSpec) -> WorldSpec:
        """In a dream there is no true pose, and without pans nothing leaves the view."""
        if not opposites(spec.actions):
            raise UnsupportedError(
                f"{spec.name!r} names no pans and their inverses, so nothing is known to leave its view."
            )
        return spec.with_(pose=None)

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        again = [without_scene(start, moment.world.spec) for start in starts]
        first = []
        for dream in range(DREAMS):
            elsewhere = [int(np.random.default_rng([13, seed, dream]).integers(2**31)) for seed in moment.own["seed"]]
            moment.states[f"dream {dream}"], outcome = moment.world.open(again, elsewhere)
            first.append(to_host(outcome.frames))
        moment.own["dreamt"] = np.stack(first, axis=1)
        moment.own["dream"] = np.zeros(moment.rows, np.int64)
        moment.own["net"] = np.zeros((moment.rows, len(opposites(moment.world.spec.actions))), np.int64)

    def after(self, moment: Moment) -> None:
        own = moment.own
        there, back = np.array(opposites(moment.world.spec.actions)).T
        asked = moment.actions[:, None]
        net = own["net"] + (asked == there) - (asked == back)
        gone = np.abs(net).max(axis=1) >= self.away
        for dream in range(DREAMS):
            rows = np.flatnonzero(gone & (own["dream"] % DREAMS == dream))
            if rows.size:
                moment.swap_in(moment.states[f"dream {dream}"].select(rows.tolist()), rows)
                moment.show_instead(own["dreamt"][rows, dream], rows)
        own["net"] = np.where(gone[:, None], 0, net)
        own["dream"] = own["dream"] + gone


def opposites(table: ActionTable) -> list[tuple[int, int]]:
    """The pans of a table and what undoes them, each pair once."""
    return [(a, b) for a, b in table.inverse.items() if a < b and a in table.pans]


def without_scene(start: Start, spec: WorldSpec) -> Start:
    """The same kind of place, but not the very picture."""
    return Start(template=start.template, prompt=start.prompt) if "seed" in spec.starts else start
