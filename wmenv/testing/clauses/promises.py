"""Clauses on what a world says of itself, and on whether it shows that and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.contract import START_KINDS, Describes, Outcome, State, WorldSpec
from wmenv.runtime import to_host
from wmenv.testing.clauses.clause import clause, demand
from wmenv.testing.trial import ROWS, Trial, difference, on_host


@clause
def spec_is_consistent(trial: Trial) -> str:
    """The spec has real sizes and speeds, and its parts do not contradict each other."""
    spec = trial.spec
    demand(isinstance(spec, WorldSpec), f"world.spec is a WorldSpec, got {type(spec).__name__}.")
    demand(min(spec.height, spec.width, spec.frames_per_step) >= 1 and spec.fps > 0, "sizes and fps are positive.")
    demand(spec.starts and spec.starts <= set(START_KINDS), f"starts {sorted(spec.starts)} are out of {START_KINDS}.")
    demand(
        ("template" in spec.starts) == bool(spec.templates), "templates are named if and only if a start can use one."
    )
    demand("moment" not in spec.starts or spec.snapshots, "to start from a moment, a world needs snapshots.")
    demand(not spec.suggestions or spec.directions, "directions are suggested, but the world takes none.")
    demand(not spec.words or isinstance(trial.world, Describes), "the spec has words, but there is no describe().")
    return check_table(spec)


def check_table(spec: WorldSpec) -> str:
    table = spec.actions
    if table.kind != "discrete":
        bounds = (table.low, table.high) if table.kind == "box" else (table.sizes,)
        demand(all(len(b) == table.count for b in bounds), f"each of {table.count} fields needs its bounds or size.")
        return f"{table.count} action fields"
    numbers = {*table.pans, *table.keys.values(), *table.inverse, *table.inverse.values()}
    numbers |= {table.noop} if isinstance(table.noop, int) else set()
    outside = sorted(numbers - set(range(table.count)))
    demand(not outside, f"the table speaks of actions {outside}, but there are only 0..{table.count - 1}.")
    one_way = [a for a, b in table.inverse.items() if table.inverse.get(b) != a]
    demand(not one_way, f"actions {one_way} have inverses of which they are not the inverse.")
    return f"{table.count} actions"


@clause
def first_frames_fit_the_spec(trial: Trial) -> str:
    """`open` gives a state with a row per start, and frames of the promised shape."""
    state, outcome = trial.open()
    demand(isinstance(state, State), f"open returns a wmenv State, got {type(state).__name__}.")
    demand(len(state) == ROWS, f"{ROWS} starts give {ROWS} rows, got {len(state)}.")
    check_outcome(trial.spec, outcome, ROWS, first=True)
    return str(tuple(outcome.frames.shape))


@clause
def steps_fit_the_spec(trial: Trial) -> str:
    """Every step shows what the spec declares and nothing that it does not, in shapes and types that hold."""
    state, _ = trial.open()
    for step in range(trial.steps):
        state, outcome = trial.step(state, step)
        check_outcome(trial.spec, outcome, ROWS)
        demand(len(state) == ROWS, f"a step keeps the number of rows, got {len(state)} after step {step}.")
    return ", ".join(on_host(outcome))


def check_outcome(spec: WorldSpec, outcome: Outcome, rows: int, first: bool = False) -> None:
    """Each field is there if the spec declares it; before the first step only frames have to be."""
    frame = (spec.height, spec.width, 3)
    check_field("frames", outcome.frames, (rows, *frame), "u1")
    declared = {
        "chunk": (spec.frames_per_step > 1, (rows, spec.frames_per_step, *frame), "u1"),
        "reward": (spec.reward, (rows,), "f"),
        "terminated": (spec.terminates, (rows,), "b"),
        "audio": (spec.audio, (rows, spec.audio.samples if spec.audio else 0), "i2"),
        "pose": (spec.pose, (rows, 3), "f4"),
    }
    for name, (promised, shape, kind) in declared.items():
        value = getattr(outcome, name)
        if not promised:
            demand(value is None, f"the spec declares no {name}, but the outcome has one.")
        elif value is not None or not first:
            check_field(name, value, shape, kind)
    if outcome.chunk is not None:
        last = to_host(outcome.chunk)[:, -1]
        demand((last == to_host(outcome.frames)).all(), "the last frame of the chunk is the frame of the step.")


def check_field(name: str, value: Any, shape: tuple[int, ...], kind: str) -> None:
    demand(value is not None, f"the spec declares {name}, but the outcome has none.")
    array = to_host(value)
    demand(array.shape == shape, f"{name} has shape {array.shape}, the spec says {shape}.")
    fits = array.dtype.kind == kind if len(kind) == 1 else array.dtype == np.dtype(kind)
    demand(fits, f"{name} has dtype {array.dtype}, which should be {np.dtype(kind) if len(kind) > 1 else kind}.")
    demand(array.dtype.kind != "f" or np.isfinite(array).all(), f"{name} holds numbers that are not finite.")


@clause
def frames_are_not_reused(trial: Trial) -> str:
    """What a step has shown stays as it was while the world goes on."""
    state, first = trial.open()
    shown, kept = [first], [on_host(first)]
    for step in range(trial.steps):
        state, outcome = trial.step(state, step)
        shown.append(outcome)
        kept.append(on_host(outcome))
    demand(not difference([on_host(outcome) for outcome in shown], kept), "an outcome changed after it was shown.")
    return f"{len(kept)} outcomes kept"
