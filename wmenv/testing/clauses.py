"""The contract, one clause per function: its docstring says what is demanded, its body asks a world for it.

A clause returns what it found worth saying, raises `ConformanceError` if the world breaks it, and `NotApplicable` if
the world's spec says that there is nothing to ask.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from wmenv.contract import START_KINDS, Describes, Direction, Instructs, Outcome, Receipt, Start, State, WorldSpec
from wmenv.errors import ActionError, ConformanceError, SnapshotError, StartError, StateConsumedError, WmenvError
from wmenv.runtime import to_host
from wmenv.testing.trial import ROWS, Trial, difference, on_host, rows_of, start_of

Clause = Callable[[Trial], str]
CLAUSES: dict[str, Clause] = {}


class NotApplicable(Exception):  # noqa: N818 - no error: an answer
    """The world's spec says that it lacks what this clause is about."""


def clause(check: Clause) -> Clause:
    """List a clause under the name of its function."""
    CLAUSES[check.__name__] = check
    return check


def demand(kept: Any, complaint: str) -> None:
    if not kept:
        raise ConformanceError(complaint)


def only_if(applies: Any, reason: str) -> None:
    if not applies:
        raise NotApplicable(reason)


def demand_error(kind: type[Exception], call: Callable[[], Any], asked: str) -> None:
    """Demand that `call` is refused with that error."""
    try:
        call()
    except kind:
        return
    except Exception as problem:
        raise ConformanceError(
            f"{asked} should raise {kind.__name__}, raised {type(problem).__name__}: {problem}"
        ) from problem
    raise ConformanceError(f"{asked} should raise {kind.__name__}, and passed.")


# --- what a world says of itself ------------------------------------------------------------------------------------


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


# --- rows and seeds -------------------------------------------------------------------------------------------------


@clause
def same_seed_same_frames(trial: Trial) -> str:
    """The same starts, seeds and actions show the same thing again, bit for bit, whatever ran in between."""
    only_if(trial.spec.seeded, "the spec says that seeds decide nothing.")
    (state, first), (again, second) = trial.open(), trial.open()
    demand(not difference([on_host(first)], [on_host(second)]), "two openings with one seed show different frames.")
    _, film = trial.drive(state)
    _, repeat = trial.drive(again)
    parted = difference(film, repeat)
    demand(not parted, f"two runs of the same seeds part: {parted}.")
    return "bitwise"


@clause
def rows_are_independent(trial: Trial) -> str:
    """A row shows the same alone as beside others: bit for bit, or within the tolerance after decoding."""
    only_if(trial.spec.seeded, "without seeds, two runs of one row cannot be compared.")
    state, first = trial.open()
    _, together = trial.drive(state)
    together = [on_host(first), *together]
    bitwise = True
    for row in range(ROWS):
        alone, opened = trial.open([row])
        _, film = trial.drive(alone, [row])
        film = [on_host(opened), *film]
        parted = difference(rows_of(together, [row]), film, trial.tolerance)
        demand(not parted, f"row {row} alone is not what it is among {ROWS}: {parted}.")
        bitwise = bitwise and not difference(rows_of(together, [row]), film)
    return "bitwise" if bitwise else f"within {trial.tolerance} grey levels"


# --- a state is a value ---------------------------------------------------------------------------------------------


@clause
def consumed_states_are_refused(trial: Trial) -> str:
    """A state that `advance` has consumed raises `StateConsumedError` wherever it is used."""
    state, _ = trial.open()
    trial.step(state, 0)
    demand_error(StateConsumedError, lambda: trial.step(state, 0), "advancing a consumed state")
    demand_error(StateConsumedError, lambda: state.fork(), "forking a consumed state")
    demand_error(StateConsumedError, lambda: type(state).concat([state]), "concatenating a consumed state")
    if trial.spec.snapshots:
        demand_error(StateConsumedError, lambda: state.to_bytes(), "packing a consumed state")
    return "advance, fork, concat" + (", to_bytes" if trial.spec.snapshots else "")


def grown(trial: Trial) -> tuple[State, int]:
    """A state with a past, and the step it is at."""
    middle = trial.steps // 2
    state, _ = trial.drive(trial.open()[0], end=middle)
    return state, middle


@clause
def forks_leave_their_parent_alone(trial: Trial) -> str:
    """A fork goes on exactly as its parent would, and what it does never shows in the parent."""
    state, middle = grown(trial)
    fork, stranger = state.fork(), state.fork()
    trial.drive(stranger, begin=0, end=middle)  # other actions than the parent's
    _, of_fork = trial.drive(fork, begin=middle)
    _, of_parent = trial.drive(state, begin=middle)
    parted = difference(of_fork, of_parent)
    demand(not parted, f"a fork and its parent part under the same actions: {parted}.")
    return "bitwise"


@clause
def select_copies_rows(trial: Trial) -> str:
    """`select` gives independent copies of rows, in the order asked for, the same row twice if asked."""
    state, middle = grown(trial)
    rows = [2, 0, 2]
    chosen = state.select(rows)
    demand(len(chosen) == len(rows), f"selecting {len(rows)} rows gave {len(chosen)}.")
    _, of_chosen = trial.drive(chosen, rows, begin=middle)
    _, of_all = trial.drive(state, begin=middle)
    parted = difference(of_chosen, rows_of(of_all, rows), trial.tolerance)
    demand(not parted, f"selected rows do not go on as they would have: {parted}.")
    return f"rows {rows}"


@clause
def concat_keeps_rows_in_order(trial: Trial) -> str:
    """`concat` puts the rows of all parts one after the other, and the parts can still be used."""
    state, middle = grown(trial)
    parts = [state.select([0]), state.select([1, 2])]
    whole = type(state).concat(parts)
    demand(len(whole) == ROWS, f"1 row and 2 rows make {ROWS}, got {len(whole)}.")
    _, of_whole = trial.drive(whole, begin=middle)
    _, of_part = trial.drive(parts[1], [1, 2], begin=middle)
    _, of_all = trial.drive(state, begin=middle)
    parted = difference(of_whole, of_all) or difference(of_part, rows_of(of_all, [1, 2]), trial.tolerance)
    demand(not parted, f"concatenated rows do not go on as they would have: {parted}.")
    return "1 + 2 rows"


@clause
def put_replaces_rows(trial: Trial) -> str:
    """`put` replaces the named rows, leaves the others as they were, and consumes both states."""
    state, middle = grown(trial)
    guest, _ = trial.open([0])
    _, of_guest = trial.drive(guest.fork(), [1], begin=middle)
    _, of_state = trial.drive(state.fork(), begin=middle)
    mixed = state.put([1], guest)
    demand_error(StateConsumedError, state.check_live, "using a state after put")
    demand_error(StateConsumedError, guest.check_live, "using a guest after put")
    _, film = trial.drive(mixed, begin=middle)
    parted = difference(rows_of(film, [1]), of_guest, trial.tolerance)
    demand(not parted, f"the row that was put in does not go on as it would have: {parted}.")
    parted = difference(rows_of(film, [0, 2]), rows_of(of_state, [0, 2]))
    demand(not parted, f"the rows that stayed do not go on as they would have: {parted}.")
    return "row 1 of 3"


@clause
def bytes_bring_a_state_back(trial: Trial) -> str:
    """`revive` of `to_bytes` goes on bit for bit; packing disturbs nothing."""
    only_if(trial.spec.snapshots, "the spec says that this world has no snapshots.")
    state, middle = grown(trial)
    data = state.to_bytes()
    demand(isinstance(data, bytes), f"to_bytes returns bytes, got {type(data).__name__}.")
    revived = trial.world.revive(data)
    demand(len(revived) == ROWS, f"{ROWS} rows were packed, {len(revived)} revived.")
    _, of_revived = trial.drive(revived, begin=middle)
    _, of_state = trial.drive(state, begin=middle)
    parted = difference(of_revived, of_state)
    demand(not parted, f"a revived state does not go on as it would have: {parted}.")
    return f"{len(data) / ROWS:,.0f} bytes a row, {trial.spec.snapshots}"


@clause
def foreign_bytes_are_refused(trial: Trial) -> str:
    """`revive` refuses bytes that are cut short or not its own with `SnapshotError`."""
    only_if(trial.spec.snapshots, "the spec says that this world has no snapshots.")
    data = trial.open()[0].to_bytes()
    for name, bad in (("nothing", b""), ("noise", b"\x93" * 64), ("half a state", data[: len(data) // 2])):
        demand_error(SnapshotError, partial(trial.world.revive, bad), f"reviving {name}")
    return "nothing, noise, half a state"


@clause
def state_size_is_constant(trial: Trial) -> str:
    """A state takes as many bytes after many steps as after the first."""
    only_if(trial.spec.snapshots != "replay", "a world that replays its past keeps its past.")
    state, _ = trial.drive(trial.open()[0], end=1)
    before = state.nbytes
    state, _ = trial.drive(state, begin=1)
    demand(before > 0, f"nbytes is the memory that rows take, got {before}.")
    demand(state.nbytes == before, f"the state grew from {before} to {state.nbytes} bytes in {trial.steps - 1} steps.")
    return f"{before / ROWS:,.0f} bytes a row"


# --- what goes in ---------------------------------------------------------------------------------------------------


@clause
def bad_actions_are_refused(trial: Trial) -> str:
    """Actions of a wrong number, shape or kind raise `ActionError`, and the state can still be used."""
    state, table = trial.open()[0], trial.spec.actions
    good = trial.actions(0)
    bad = {
        "actions for too few rows": good[:-1],
        "actions that are words": np.full(good.shape, "left"),
        "actions that are not finite": np.full(good.shape, np.nan),
    }
    if table.kind == "discrete":
        bad |= {"an action that is not in the table": good * 0 + table.count, "a negative action": good * 0 - 1}
    silent: Sequence[None] = [None] * ROWS
    for name, actions in bad.items():
        demand_error(ActionError, partial(trial.world.advance, state, actions, silent), name)
    _, after = trial.drive(state, end=1)
    _, undisturbed = trial.drive(trial.open()[0], end=1)
    demand(not trial.spec.seeded or not difference(after, undisturbed), "a refused action left a trace.")
    return f"{len(bad)} kinds"


@clause
def undeclared_abilities_are_refused(trial: Trial) -> str:
    """Starts and directions that the spec does not declare are refused by name, not ignored."""
    asked = []
    for kind in sorted(set(START_KINDS) - trial.spec.starts):
        start = start_of(trial.spec, kind)
        demand_error(StartError, partial(trial.world.open, [start], [0]), f"a start from a {kind}")
        asked.append(kind)
    if not trial.spec.directions:
        state, _ = trial.open()
        wishes = [Direction("night falls"), None, None]
        demand_error(
            WmenvError, lambda: trial.world.advance(state, trial.actions(0), wishes), "an undeclared direction"
        )
        asked.append("direction")
    if not trial.spec.snapshots:
        demand_error(WmenvError, lambda: trial.open()[0].to_bytes(), "packing the state of a world without snapshots")
        asked.append("snapshot")
    only_if(asked, "the spec declares everything.")
    return ", ".join(asked)


@clause
def declared_starts_open(trial: Trial) -> str:
    """Every kind of start that the spec declares opens, each template by its name; an unknown template is refused."""
    spec = trial.spec
    moment = trial.open([0])[0].to_bytes() if "moment" in spec.starts else None
    starts = [start_of(spec, kind, moment) for kind in sorted(spec.starts)]
    starts += [Start(template=name) for name in spec.templates[1:]]
    for start in starts:
        state, outcome = trial.world.open([start], [trial.seeds[0]])
        check_outcome(spec, outcome, 1, first=True)
        trial.drive(state, [0], end=1)
    wrong = Start(template="no such place")
    demand_error(StartError, lambda: trial.world.open([wrong], [0]), "an unknown template")
    return ", ".join(sorted(spec.starts))


@clause
def directions_are_answered(trial: Trial) -> str:
    """A directed row gets a receipt, with a reason if it was refused; a silent row gets none."""
    only_if(trial.spec.directions, "the spec says that this world takes no directions.")
    answers = [answer(trial, text) for text in trial.spec.suggestions or ("night falls",)]
    applied = sum(receipt.applied for receipt in answers)
    demand(applied, f"not one of the world's own suggestions was applied: {answers[0].reason}")
    return f"{applied} of {len(answers)} suggestions applied at the first step"


def answer(trial: Trial, text: str) -> Receipt:
    """The receipt for one direction, given to row 0 alone."""
    state, _ = trial.open()
    _, outcome = trial.step(state, 0, wishes={0: text})
    receipts = outcome.receipts
    demand(receipts is not None and len(receipts) == ROWS, "every step with a direction has one receipt entry per row.")
    receipt = receipts[0] if receipts else None
    if not isinstance(receipt, Receipt):
        raise ConformanceError(f"the direction {text!r} got no receipt.")
    demand(receipt.applied or receipt.reason, f"the direction {text!r} was refused without a reason.")
    demand(receipts and all(other is None for other in receipts[1:]), "a row that was not directed got a receipt.")
    return receipt


@clause
def directions_reach_only_their_row(trial: Trial) -> str:
    """What is said to one row changes nothing in the others."""
    only_if(trial.spec.directions, "the spec says that this world takes no directions.")
    only_if(trial.spec.seeded, "without seeds, two runs of one row cannot be compared.")
    text = (trial.spec.suggestions or ("night falls",))[0]
    _, told = trial.drive(trial.open()[0], wishes={0: text})
    _, silent = trial.drive(trial.open()[0])
    parted = difference(rows_of(told, [1, 2]), rows_of(silent, [1, 2]))
    demand(not parted, f"a direction to row 0 changed another row: {parted}.")
    return repr(text)


@clause
def words_are_given_for_every_row(trial: Trial) -> str:
    """Where a world has words, every row has its own, and asking for them changes nothing."""
    world = trial.world
    if not (trial.spec.words and isinstance(world, Describes)):
        raise NotApplicable("the spec says that this world has no words.")
    state, middle = grown(trial)
    fork = state.fork()
    said = world.describe(state)
    demand(
        len(said) == ROWS and all(isinstance(text, str) and text for text in said), f"a caption per row, got {said!r}."
    )
    if isinstance(world, Instructs):
        tasks = world.instructions(state)
        demand(len(tasks) == ROWS and all(isinstance(task, str) for task in tasks), f"a task per row, got {tasks!r}.")
    parted = difference(trial.drive(state, begin=middle)[1], trial.drive(fork, begin=middle)[1])
    demand(not parted, f"describing a state changed what it does next: {parted}.")
    return repr(said[0])


def meaning(name: str) -> str:
    """What the clause called `name` demands, in a sentence."""
    return inspect.cleandoc(CLAUSES[name].__doc__ or "")
