"""Clauses on what is asked of a world: actions, starts, directions and words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from wmenv.contract import START_KINDS, Describes, Direction, Instructs, Receipt, Start
from wmenv.errors import ActionError, ConformanceError, DirectionError, StartError, WmenvError
from wmenv.testing.clauses.clause import NotApplicable, clause, demand, demand_error, only_if
from wmenv.testing.clauses.promises import check_outcome
from wmenv.testing.clauses.states import grown
from wmenv.testing.trial import ROWS, Trial, difference, rows_of, start_of


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
    if not trial.spec.hears:
        state, _ = trial.open()
        demand_error(WmenvError, partial(trial.step, state, 0, wishes={0: heard(1)}), "an undeclared sound")
        asked.append("sound")
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
def moments_are_of_one_row(trial: Trial) -> str:
    """A moment that holds several rows is refused with `StartError`, since a start begins one row."""
    only_if("moment" in trial.spec.starts, "the spec says that this world does not start from moments.")
    several = Start(moment=trial.open()[0].to_bytes())
    demand_error(StartError, lambda: trial.world.open([several], [0]), f"a moment of {ROWS} rows")
    return f"{ROWS} rows refused"


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
def sounds_are_answered(trial: Trial) -> str:
    """Where a world hears, a sound for one row is answered, no other row notices, and another length is refused."""
    if not trial.spec.hears or trial.spec.audio is None:
        raise NotApplicable("the spec says that this world hears nothing.")
    samples = trial.spec.audio.samples
    state, _ = trial.open()
    demand_error(DirectionError, partial(trial.step, state, 0, wishes={0: heard(samples - 1)}), "a sound cut short")
    receipts = trial.step(state, 0, wishes={0: heard(samples)})[1].receipts or [None] * ROWS
    demand(isinstance(receipts[0], Receipt) and not any(receipts[1:]), f"one receipt for one sound, got {receipts}.")
    _, told = trial.drive(trial.open()[0], wishes={0: heard(samples)})
    _, silent = trial.drive(trial.open()[0])
    parted = difference(rows_of(told, [1, 2]), rows_of(silent, [1, 2]))
    demand(not parted or not trial.spec.seeded, f"a sound for row 0 changed another row: {parted}.")
    return f"{samples} samples a step"


def heard(samples: int) -> Direction:
    """A sound so long."""
    return Direction("(a sound)", sound=bytes(2 * samples))


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
