"""Clauses on the state as a value: forks, copies, bytes and size."""

from __future__ import annotations

from functools import partial

import numpy as np

from wmenv.contract import ArrayState, State
from wmenv.errors import SnapshotError, StateConsumedError
from wmenv.testing.clauses.clause import clause, demand, demand_error, only_if
from wmenv.testing.trial import ROWS, Trial, difference, rows_of


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
def foreign_states_are_refused(trial: Trial) -> str:
    """A state of another world is refused with `SnapshotError`."""
    stray = ArrayState("elsewhere", {"clock": np.zeros(ROWS)})
    demand_error(SnapshotError, lambda: trial.step(stray, 0), "advancing a state of another world")
    return "a state from elsewhere"


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
