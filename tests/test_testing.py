"""The conformance kit is itself on trial: for every clause there is a world that breaks it, and must be caught."""

from dataclasses import replace

import numpy as np
import pytest

from wmenv.contract import ActionTable, ArrayState, AudioSpec, Receipt, Start, check_directions
from wmenv.errors import ActionError, ConformanceError
from wmenv.testing import CLAUSES, Finding, Report, Trial, check_clause, check_world
from wmenv.testing.clauses import meaning
from wmenv.worlds.pan import PanWorld


class Honest:
    """A pan world that can be lied about: `spec` changes what it claims, a subclass what it does."""

    State = ArrayState

    def __init__(self, **claims):
        self.world = PanWorld()
        self.spec = self.world.spec.with_(**claims)

    def open(self, starts, seeds):
        state, outcome = self.world.open(starts, seeds)
        return self.State(state.world, state.arrays), outcome

    def advance(self, state, actions, directions):
        state, outcome = self.world.advance(state, actions, directions)
        return self.State(state.world, state.arrays), outcome

    def revive(self, data):
        return self.world.revive(data)

    def describe(self, state):
        return self.world.describe(state)


class Echoes(Honest):
    """One that hears: what is played to a row comes back from `heard_by`."""

    def __init__(self, **claims):
        super().__init__(audio=AudioSpec(8000, 4), hears=True, **claims)

    def heard_by(self, row, sounds):
        return sounds[row]

    def open(self, starts, seeds):
        state, outcome = super().open(starts, seeds)
        return state, replace(outcome, audio=np.zeros((len(starts), 4), np.int16))

    def advance(self, state, actions, directions):
        check_directions(directions, self.spec)
        sounds = [wish and wish.sound for wish in directions]
        texts = [None if sound else wish for wish, sound in zip(directions, sounds, strict=True)]
        state, outcome = super().advance(state, actions, texts)
        heard = [self.heard_by(row, sounds) for row in range(len(sounds))]
        audio = np.stack([np.frombuffer(sound, "<i2") + 1 if sound else np.zeros(4) for sound in heard])
        receipts = [Receipt(True) if s else told for s, told in zip(sounds, outcome.receipts, strict=True)]
        return state, replace(outcome, audio=audio.astype(np.int16), receipts=receipts)


class EchoesToAll(Echoes):
    def heard_by(self, row, sounds):
        return next(filter(None, sounds), None)


class OutcomeLiar(Honest):
    """One that changes its outcomes after the fact; `lie` gets each of them."""

    def __init__(self, lie, **claims):
        super().__init__(**claims)
        self.lie = lie

    def open(self, starts, seeds):
        state, outcome = super().open(starts, seeds)
        return state, self.lie(outcome)

    def advance(self, state, actions, directions):
        state, outcome = super().advance(state, actions, directions)
        return state, self.lie(outcome)


def shows(**changes):
    """A lie about some fields; each change gets the outcome."""
    return lambda outcome: replace(outcome, **{name: change(outcome) for name, change in changes.items()})


class ReusesOneBuffer(Honest):
    buffer = np.zeros((3, 64, 64, 3), np.uint8)

    def advance(self, state, actions, directions):
        state, outcome = super().advance(state, actions, directions)
        buffer = self.buffer[: len(state)]
        buffer[:] = outcome.frames
        return state, replace(outcome, frames=buffer)


class CountsItsCalls(Honest):
    calls = 0

    def advance(self, state, actions, directions):
        state, outcome = super().advance(state, actions, directions)
        self.calls += 1
        return state, replace(outcome, frames=outcome.frames + np.uint8(self.calls))


class NeverConsumes(Honest):
    def advance(self, state, actions, directions):
        return super().advance(state.fork(), actions, directions)


class ForksShareTheirArrays(Honest):
    class State(ArrayState):
        def fork(self):
            return type(self)(self.world, self.arrays)


class SelectSorts(Honest):
    class State(ArrayState):
        def select(self, rows):
            return super().select(sorted(rows))


class ConcatTurnsAround(Honest):
    class State(ArrayState):
        @classmethod
        def concat(cls, states):
            return super().concat(states[::-1])


class PutPutsNothing(Honest):
    class State(ArrayState):
        def put(self, rows, other):
            other.consume()
            return self.consume().__class__(self.world, self.arrays)


class RevivesAtTheOrigin(Honest):
    def revive(self, data):
        state = super().revive(data)
        state.arrays["moved"][:] = 0
        return state


class RevivesAnything(Honest):
    def revive(self, data):
        return self.open([Start()], [0])[0]


class TakesAnyState(Honest):
    def advance(self, state, actions, directions):
        if state.world == "elsewhere":
            state, _ = self.open([Start()] * len(state), range(len(state)))
        return super().advance(state, actions, directions)


class Grows(Honest):
    class State(ArrayState):
        @property
        def nbytes(self):
            return super().nbytes + int(self.arrays["clock"].sum())


class MendsBadActions(Honest):
    def advance(self, state, actions, directions):
        try:
            return super().advance(state, actions, directions)
        except ActionError:
            return super().advance(state, np.zeros(len(state), np.int64), directions)


class MendsSounds(Honest):
    def advance(self, state, actions, directions):
        return super().advance(state, actions, [None if wish and wish.sound else wish for wish in directions])


class ConsumesBeforeItChecks(Honest):
    def advance(self, state, actions, directions):
        state = ArrayState(state.consume().world, state.arrays)
        return super().advance(state, actions, directions)


class IgnoresStarts(Honest):
    def open(self, starts, seeds):
        return super().open([Start() for _ in starts], seeds)


class TellsEveryRow(Honest):
    def advance(self, state, actions, directions):
        said = [wish for wish in directions if wish]
        state, outcome = super().advance(state, actions, said * len(state) if len(said) == 1 else directions)
        receipts = [receipt if wish else None for receipt, wish in zip(outcome.receipts, directions, strict=True)]
        return state, replace(outcome, receipts=receipts)


class SpeaksOnce(Honest):
    def describe(self, state):
        return super().describe(state)[:1]


class MovesWhenDescribed(Honest):
    def describe(self, state):
        state.arrays["moved"] += 1
        return super().describe(state)


class Crashes(Honest):
    def advance(self, state, actions, directions):
        raise ZeroDivisionError("by design")


def mixes_rows(outcome):
    return replace(outcome, frames=np.maximum(outcome.frames, outcome.frames.mean(axis=0).astype(np.uint8)))


ONE_WAY = ActionTable(("left", "right", "up", "down", "noop"), noop=4, inverse={0: 1})
TOO_FEW = ActionTable(("left", "right", "up", "down", "noop"), noop=5)
LIARS = [
    ("spec_is_consistent", lambda: Honest(fps=0)),
    ("spec_is_consistent", lambda: Honest(height=0)),
    ("spec_is_consistent", lambda: Honest(actions=ONE_WAY)),
    ("spec_is_consistent", lambda: Honest(actions=TOO_FEW)),
    ("spec_is_consistent", lambda: Honest(directions=False)),
    ("spec_is_consistent", lambda: Honest(snapshots=None)),
    ("spec_is_consistent", lambda: Honest(templates=())),
    ("spec_is_consistent", lambda: Honest(starts=frozenset({"wish"}))),
    ("first_frames_fit_the_spec", lambda: OutcomeLiar(shows(frames=lambda o: o.frames / 255))),
    ("first_frames_fit_the_spec", lambda: Honest(width=32)),
    ("steps_fit_the_spec", lambda: Honest(reward="env")),
    ("steps_fit_the_spec", lambda: Honest(pose=None)),
    ("steps_fit_the_spec", lambda: Honest(frames_per_step=2)),
    ("steps_fit_the_spec", lambda: OutcomeLiar(shows(pose=lambda o: o.pose.astype(float)))),
    ("steps_fit_the_spec", lambda: OutcomeLiar(shows(pose=lambda o: o.pose * np.nan))),
    (
        "steps_fit_the_spec",
        lambda: OutcomeLiar(shows(chunk=lambda o: np.stack([o.frames, 255 - o.frames], 1)), frames_per_step=2),
    ),
    ("frames_are_not_reused", ReusesOneBuffer),
    ("same_seed_same_frames", CountsItsCalls),
    ("rows_are_independent", lambda: OutcomeLiar(mixes_rows)),
    ("consumed_states_are_refused", NeverConsumes),
    ("forks_leave_their_parent_alone", ForksShareTheirArrays),
    ("select_copies_rows", SelectSorts),
    ("concat_keeps_rows_in_order", ConcatTurnsAround),
    ("put_replaces_rows", PutPutsNothing),
    ("bytes_bring_a_state_back", RevivesAtTheOrigin),
    ("foreign_bytes_are_refused", RevivesAnything),
    ("foreign_states_are_refused", TakesAnyState),
    ("moments_are_of_one_row", IgnoresStarts),
    ("state_size_is_constant", Grows),
    ("bad_actions_are_refused", MendsBadActions),
    ("bad_actions_are_refused", ConsumesBeforeItChecks),
    ("undeclared_abilities_are_refused", IgnoresStarts),
    ("undeclared_abilities_are_refused", lambda: Honest(directions=False, suggestions=())),
    ("undeclared_abilities_are_refused", lambda: Honest(snapshots=None)),
    ("declared_starts_open", lambda: Honest(starts=frozenset({"seed", "picture"}), templates=())),
    ("declared_starts_open", IgnoresStarts),
    ("directions_are_answered", lambda: OutcomeLiar(shows(receipts=lambda o: None))),
    ("directions_are_answered", lambda: OutcomeLiar(shows(receipts=lambda o: [None] * 3))),
    ("directions_are_answered", lambda: Honest(suggestions=("make tea",))),
    ("directions_reach_only_their_row", TellsEveryRow),
    ("undeclared_abilities_are_refused", MendsSounds),
    ("sounds_are_answered", EchoesToAll),
    ("sounds_are_answered", lambda: Honest(hears=True, audio=AudioSpec(8000, 4))),
    ("words_are_given_for_every_row", SpeaksOnce),
    ("words_are_given_for_every_row", MovesWhenDescribed),
]


@pytest.mark.parametrize(("clause", "make"), LIARS)
def test_a_world_that_breaks_a_clause_is_caught_by_it(clause, make):
    with pytest.raises(ConformanceError, match=f"breaks {clause}"):
        check_clause(make(), clause)


def test_every_clause_has_a_world_that_breaks_it():
    assert {clause for clause, _ in LIARS} == set(CLAUSES)


def test_an_honest_world_is_not_blamed():
    report = check_world(Echoes())
    assert report.ok, str(report)
    assert all(finding.ok for finding in report.findings)
    report.raise_if_broken()


@pytest.mark.parametrize("make", [Crashes, NeverConsumes, CountsItsCalls])
def test_whatever_a_world_does_the_report_comes_and_names_what_broke(make):
    report = check_world(make())
    assert not report.ok
    assert [finding.clause for finding in report.findings] == list(CLAUSES)
    with pytest.raises(ConformanceError, match=report.broken[0].clause):
        report.raise_if_broken()


def test_an_unexpected_error_is_told_in_the_finding():
    finding = next(f for f in check_world(Crashes()).findings if f.clause == "same_seed_same_frames")
    assert finding == Finding("same_seed_same_frames", False, "raised ZeroDivisionError: by design")


def test_what_does_not_apply_is_neither_kept_nor_broken():
    world = Honest(seeded=False)
    assert check_clause(world, "same_seed_same_frames").ok is None
    assert check_world(world).ok


def brighter_when_alone(outcome):
    return replace(outcome, frames=outcome.frames // 2 + np.uint8(len(outcome.frames) == 1))


def test_batches_of_another_shape_may_differ_by_the_stated_tolerance():
    world = OutcomeLiar(brighter_when_alone)
    assert "within 2" in check_clause(world, "rows_are_independent", tolerance=2).detail
    with pytest.raises(ConformanceError, match="rows_are_independent"):
        check_clause(world, "rows_are_independent", tolerance=0)


def test_a_report_prints_one_line_per_clause():
    report = Report("toy", (Finding("a", True, "fine"), Finding("long", False, "bad"), Finding("b", None, "absent")))
    assert str(report).splitlines() == ["a     ok      fine", "long  BROKEN  bad", "b     -       absent"]


def test_every_clause_says_what_it_demands_in_a_sentence():
    for name in CLAUSES:
        assert meaning(name).endswith(".")
        assert "\n" not in meaning(name)


def test_the_trial_repeats_itself():
    one, other = (Trial(PanWorld(), seed=5) for _ in range(2))
    assert (one.actions(3) == other.actions(3)).all()
    assert (one.actions(3, [2]) == other.actions(3)[2:]).all()
