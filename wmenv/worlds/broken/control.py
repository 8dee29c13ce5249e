"""Faults of control: what is done does not lead to what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wmenv.contract import Start
from wmenv.runtime import to_host
from wmenv.worlds.broken.fault import Fault, Moment, chance

HELD = 5  # steps for which a ping-pong video goes on in one way


@dataclass(frozen=True)
class Frozen(Fault):
    """The first picture stays for ever."""

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        moment.own["first"] = moment.outcome.frames.copy()

    def after(self, moment: Moment) -> None:
        moment.show_instead(moment.own["first"], range(moment.rows))


@dataclass(frozen=True)
class IgnoresActions(Fault):
    """Every action is taken for a no-op."""

    def before(self, moment: Moment) -> None:
        moment.actions = moment.world.spec.actions.still(moment.rows)


@dataclass(frozen=True)
class RandomWalk(Fault):
    """Every action is replaced by a random one."""

    def before(self, moment: Moment) -> None:
        moment.actions = chance(moment.world.spec.actions, moment.own, moment.own["clock"])


@dataclass(frozen=True)
class Lag(Fault):
    """What is shown is `steps` steps old."""

    steps: int = 5

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        moment.own["waiting"] = np.repeat(moment.outcome.frames[:, None], self.steps, axis=1)

    def after(self, moment: Moment) -> None:
        line = np.concatenate([moment.own["waiting"], moment.outcome.frames[:, None]], axis=1)
        moment.own["waiting"] = line[:, 1:]
        moment.show_instead(line[:, 0], range(moment.rows))


@dataclass(frozen=True)
class PingPong(Fault):
    """A video of `length` steps plays forth and back, whatever is done."""

    length: int = 30

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        state, frames, nothing = moment.states["now"].fork(), [moment.outcome.frames], [None] * moment.rows
        for step in range(self.length):
            held = np.full(moment.rows, step // HELD)
            wander = chance(moment.world.spec.actions, moment.own, held)
            state, outcome = moment.world.advance(state, wander, nothing)
            frames.append(to_host(outcome.frames))
        moment.own["video"] = np.stack(frames, axis=1)

    def after(self, moment: Moment) -> None:
        clock = moment.own["clock"] % (2 * self.length)
        index = np.minimum(clock, 2 * self.length - clock)
        moment.show_instead(moment.own["video"][np.arange(moment.rows), index], range(moment.rows))
