"""What every fault can get hold of, and the four places where it can go wrong.

A fault is a small dataclass whose fields are its strengths. It keeps what it needs in the row's own arrays and in
further states of the same world, and touches the world through its protocol alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wmenv.contract import Actions, ActionTable, Directions, Outcome, Start, State, World, WorldSpec

Own = dict[str, np.ndarray]  # leading axis = rows; arrays are replaced, never written to


@dataclass
class Moment:
    """One opening or step in the making. The world itself is `states["now"]`; faults may keep more beside it.

    `own["clock"]` counts the steps of each row, `own["seed"]` is its seed. `asked` is what the caller said,
    `directions` is what the world will hear of it.
    """

    world: World
    states: dict[str, State]
    own: Own
    actions: Actions
    asked: Directions
    directions: Directions
    outcome: Outcome

    @property
    def rows(self) -> int:
        return len(self.own["clock"])

    def show_instead(self, frames: np.ndarray, rows: Sequence[int] | np.ndarray) -> None:
        """Let `rows` show other frames than the world made; a step of several frames holds the new one."""
        shown = self.outcome.frames.copy()
        shown[rows] = frames
        chunk = self.outcome.chunk
        if chunk is not None:
            chunk = chunk.copy()
            chunk[rows] = frames[:, None]
        self.outcome = replace(self.outcome, frames=shown, chunk=chunk)

    def swap_in(self, state: State, rows: np.ndarray) -> None:
        """Let `rows` go on from `state`, which has as many rows."""
        self.states["now"] = self.states["now"].put(rows.tolist(), state)


@dataclass(frozen=True)
class Fault:
    """One way in which a world can be wrong. A fault overrides the places where it goes wrong."""

    needs: ClassVar[tuple[str, ...]] = ()  # abilities of the spec without which the fault would be no fault

    def spec(self, spec: WorldSpec) -> WorldSpec:
        """What can honestly be promised of the broken world."""
        return spec

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        """New rows were opened: keep what will be needed."""

    def before(self, moment: Moment) -> None:
        """A step is asked for: change what goes in."""

    def after(self, moment: Moment) -> None:
        """The step was taken: change what comes out, or what the rows go on from."""

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        """Change the pictures, (rows, H, W, 3) uint8, of an opening as well as of a step."""
        return frames


def chance(table: ActionTable, own: Own, clock: np.ndarray) -> Actions:
    """A random action per row, decided by the row's seed and `clock` alone."""
    streams = [np.random.default_rng([7, seed, tick]) for seed, tick in zip(own["seed"], clock, strict=True)]
    return np.concatenate([table.sample(stream, 1) for stream in streams])
