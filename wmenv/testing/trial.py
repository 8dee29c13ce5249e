"""A world on trial: opens its rows, drives them with seeded actions, films what they show and compares films.

Knows how to ask, not what to demand; the demands are in `clauses.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wmenv.contract import Actions, Direction, Outcome, Start, State, World, WorldSpec
from wmenv.runtime import to_host

ROWS = 3
FIELDS = ("frames", "chunk", "reward", "terminated", "audio", "pose")
PIXELS = ("frames", "chunk")

Film = Sequence[Mapping[str, np.ndarray]]  # one entry per step: the fields that were shown, on the host


class Trial:
    """One world, `ROWS` seeds and one fixed sequence of actions per row, so that any two runs can be compared.

    `tolerance` is the largest difference, in grey levels, that a pixel may show when the same row runs in a batch of
    another shape; within one shape everything must be equal bit for bit.
    """

    def __init__(self, world: World, steps: int = 8, seed: int = 0, tolerance: int = 2) -> None:
        self.world, self.steps, self.tolerance = world, steps, tolerance
        self.seeds = [seed + row for row in range(ROWS)]
        rng = np.random.default_rng(seed)
        self._actions = np.stack([world.spec.actions.sample(rng, ROWS) for _ in range(steps)])

    @property
    def spec(self) -> WorldSpec:
        return self.world.spec

    def open(self, rows: Sequence[int] = range(ROWS)) -> tuple[State, Outcome]:
        """These rows from their first frame."""
        start = start_of(self.spec, sorted(self.spec.starts, key=ease)[0])
        return self.world.open([start for _ in rows], [self.seeds[row] for row in rows])

    def actions(self, step: int, rows: Sequence[int] = range(ROWS)) -> Actions:
        """What these rows do at `step`; the sequence repeats if it runs out."""
        return self._actions[step % self.steps][list(rows)]

    def step(
        self,
        state: State,
        step: int,
        rows: Sequence[int] = range(ROWS),
        wishes: Mapping[int, str | Direction] | None = None,
    ) -> tuple[State, Outcome]:
        """One step of these rows; `wishes` maps a row to a direction that comes with it."""
        asked = [(wishes or {}).get(row) for row in rows]
        directions = [Direction(wish) if isinstance(wish, str) else wish for wish in asked]
        return self.world.advance(state, self.actions(step, rows), directions)

    def drive(
        self,
        state: State,
        rows: Sequence[int] = range(ROWS),
        begin: int = 0,
        end: int | None = None,
        wishes: Mapping[int, str | Direction] | None = None,
    ) -> tuple[State, Film]:
        """Run these rows from step `begin` to `end`; a wish comes with the first of these steps."""
        film = []
        for step in range(begin, self.steps if end is None else end):
            state, outcome = self.step(state, step, rows, wishes if step == begin else None)
            film.append(on_host(outcome))
        return state, film


def on_host(outcome: Outcome) -> dict[str, np.ndarray]:
    """The fields an outcome shows, as numpy arrays of our own."""
    shown = {name: getattr(outcome, name) for name in FIELDS}
    return {name: np.array(to_host(value)) for name, value in shown.items() if value is not None}


def rows_of(film: Film, rows: Sequence[int]) -> Film:
    """The film of some rows only."""
    return [{name: array[list(rows)] for name, array in step.items()} for step in film]


def difference(one: Film, other: Film, tolerance: int = 0) -> str:
    """Where two films part by more than `tolerance` grey levels, in words; empty if they do not."""
    for step, (left, right) in enumerate(zip(one, other, strict=True)):
        for name in FIELDS:
            if (name in left) != (name in right):
                return f"{name} is shown in one run only, at step {step}"
            if name in left and not alike(name, left[name], right[name], tolerance):
                return f"{name} differ at step {step} by up to {gap(left[name], right[name]):.4g}"
    return ""


def alike(name: str, left: np.ndarray, right: np.ndarray, tolerance: int) -> bool:
    """Equal bit for bit; with a tolerance, pixels and PCM may differ by it, other numbers by one part in a thousand."""
    if left.shape != right.shape:
        return False
    if tolerance and (name in PIXELS or name == "audio"):
        return gap(left, right) <= tolerance
    if tolerance and left.dtype.kind == "f":
        return np.allclose(left, right, rtol=1e-3, atol=1e-3, equal_nan=True)
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def gap(left: np.ndarray, right: np.ndarray) -> float:
    """The largest absolute difference."""
    return float(np.abs(left.astype(np.float64) - right).max()) if left.shape == right.shape else np.inf


# --- what to ask a world for ----------------------------------------------------------------------------------------


def ease(kind: str) -> int:
    """Starts from the one that needs least to the one that needs most."""
    return ("seed", "template", "prompt", "picture", "moment").index(kind)


def start_of(spec: WorldSpec, kind: str, moment: bytes | None = None) -> Start:
    """A start of that kind, such as `spec` should be able to take if it lists the kind."""
    if kind == "template":
        return Start(template=spec.templates[0] if spec.templates else "anywhere")
    if kind == "prompt":
        return Start(prompt=spec.suggestions[0] if spec.suggestions else "a quiet place")
    if kind == "picture":
        return Start(picture=np.full((spec.height, spec.width, 3), 128, np.uint8))
    if kind == "moment":
        return Start(moment=moment if moment is not None else b"no moment")
    return Start()
