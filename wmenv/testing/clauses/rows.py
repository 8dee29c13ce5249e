"""Clauses on rows and seeds: what decides what a row shows, and what must not."""

from __future__ import annotations

from wmenv.testing.clauses.clause import clause, demand, only_if
from wmenv.testing.trial import ROWS, Trial, difference, on_host, rows_of


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
