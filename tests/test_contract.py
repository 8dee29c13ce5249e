"""The vocabulary itself: tables that check and draw actions, starts that know their kinds, states that are values."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmenv.contract import (
    ActionTable,
    ArrayState,
    Direction,
    Outcome,
    Receipt,
    Span,
    Start,
    WorldSpec,
    pack_arrays,
    unpack_arrays,
)
from wmenv.errors import ActionError, DirectionError, SnapshotError, StartError, StateConsumedError, UnsupportedError

DISCRETE = ActionTable(("left", "right", "stay"), noop=2, inverse={0: 1, 1: 0}, pans=(0, 1))
BOX = ActionTable(("turn", "gas"), kind="box", low=(-1.0, 0.0), high=(1.0, 5.0))
OPEN_BOX = ActionTable(("force",), kind="box", low=(-np.inf,), high=(np.inf,))
HALF_OPEN_BOX = ActionTable(("speed", "depth"), kind="box", low=(10.0, -np.inf), high=(np.inf, -10.0))
MULTI = ActionTable(("move", "fire"), kind="multi_discrete", sizes=(3, 2))
DIRECTED = WorldSpec("told", 4, 6, 10.0, DISCRETE, directions=True)
SPEC = WorldSpec("toy", 4, 6, 10.0, DISCRETE, starts=frozenset({"seed", "template", "picture"}), templates=("hall",))


@pytest.mark.parametrize("table", [DISCRETE, BOX, OPEN_BOX, HALF_OPEN_BOX, MULTI])
def test_a_table_takes_what_it_draws(table):
    drawn = table.sample(np.random.default_rng(0), rows=50)
    assert (table.check(drawn, rows=50) == drawn).all()
    assert len(np.unique(drawn, axis=0)) > 1


def test_whole_numbers_in_other_clothes_are_taken():
    for actions in ([0, 2], np.array([0.0, 2.0]), np.array([0, 2], np.uint8)):
        checked = DISCRETE.check(actions, rows=2)
        assert checked.dtype == np.int64
        assert checked.tolist() == [0, 2]


NARROW_BOX = ActionTable(("nudge",), kind="box", low=(-0.1,), high=(0.1,))  # its bounds are no float32


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_bounds_of_a_field_are_within_them(kind):
    bounds = np.array([[-0.1], [0.1]], kind)
    assert NARROW_BOX.check(bounds, rows=2).tolist() == bounds.astype(np.float32).tolist()
    with pytest.raises(ActionError, match=r"is 0.10001, outside -0.1..0.1"):
        NARROW_BOX.check(np.array([[0.10001]], kind), rows=1)


@pytest.mark.parametrize(
    ("table", "actions", "says"),
    [
        (DISCRETE, [0], r"shape \(2,\)"),
        (DISCRETE, [[0, 1]], r"shape \(2,\)"),
        (DISCRETE, 0, r"shape \(2,\)"),
        (DISCRETE, [0, 3], "action 3 in row 1"),
        (DISCRETE, [-1, 0], "action -1 in row 0"),
        (DISCRETE, [0.5, 0], "whole numbers"),
        (DISCRETE, [np.nan, 0], "whole numbers"),
        (DISCRETE, ["left", "right"], "whole numbers"),
        (DISCRETE, [None, None], "whole numbers"),
        (DISCRETE, [True, False], "whole numbers"),
        (BOX, [[0, 1]], r"shape \(2, 2\)"),
        (BOX, [[0, 1], [0, 6]], "field 'gas' in row 1 is 6"),
        (BOX, [[0, 1], [0, np.inf]], "finite"),
        (OPEN_BOX, [[0.0], [1e300]], "finite"),
        (MULTI, [[0, 1], [3, 0]], "field 'move' in row 1"),
        (MULTI, [[0, 1], [0.5, 0]], "whole numbers"),
    ],
)
def test_a_wrong_action_is_refused_by_name(table, actions, says):
    with pytest.raises(ActionError, match=says):
        table.check(actions, rows=2)


@given(st.lists(st.integers(-5, 8), min_size=1, max_size=6))
def test_discrete_actions_are_taken_exactly_if_they_are_in_the_table(actions):
    inside = all(0 <= action < DISCRETE.count for action in actions)
    try:
        assert DISCRETE.check(actions, len(actions)).tolist() == actions
        assert inside
    except ActionError:
        assert not inside


def test_a_name_that_is_not_in_the_table_gets_its_neighbour():
    assert DISCRETE.index("stay") == 2
    with pytest.raises(ActionError, match="Did you mean 'right'"):
        DISCRETE.index("rihgt")


def test_a_start_knows_what_it_needs():
    picture = np.zeros((4, 6, 3), np.uint8)
    assert Start().kinds == {"seed"}
    assert Start(template="hall", prompt="night").kinds == {"template", "prompt"}
    assert Start(picture=picture).check(SPEC).picture is picture
    with pytest.raises(StartError, match="template and picture"):
        Start(template="hall", picture=picture)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (Start(prompt="night"), "cannot start from a prompt"),
        (Start(moment=b"x"), "cannot start from a moment"),
        (Start(template="hell"), "Did you mean 'hall'"),
        (Start(picture=np.zeros((6, 4, 3), np.uint8)), r"shape \(4, 6, 3\)"),
        (Start(picture=np.zeros((4, 6, 3))), "uint8"),
    ],
)
def test_a_start_the_world_cannot_take_is_refused(start, says):
    with pytest.raises(StartError, match=says):
        start.check(SPEC)


@pytest.mark.parametrize("lock", [None, (0, 0, 1, 1), [2, 3, 4, 5], (np.int64(1), 0, 8, 8)])
def test_a_lock_is_a_rectangle(lock):
    assert Direction("night falls", lock).check(DIRECTED).lock == lock


@pytest.mark.parametrize(
    "lock",
    [
        (),
        (1, 2, 3),
        (0, 0, 8, 8, 8),
        (0, 0, 0, 8),
        (0, 0, 8, -1),
        (-1, 0, 8, 8),
        (0.5, 0, 8, 8),
        (0, 0, True, 8),
        "0088",
        7,
    ],
)
def test_what_is_no_rectangle_is_no_lock(lock):
    with pytest.raises(DirectionError, match="four whole numbers of pixels"):
        Direction("night falls", lock).check(DIRECTED)


def test_a_missing_ability_is_an_error_that_names_the_world():
    SPEC.need("starts")
    with pytest.raises(UnsupportedError, match="'toy' has no reward"):
        SPEC.need("reward")


def test_an_outcome_of_some_rows_has_every_field_of_those_rows():
    outcome = Outcome(np.arange(3), reward=np.array([1.0, 2.0, 3.0]), receipts=[None, Receipt(True), None])
    some = outcome.select([1, 0])
    assert some.frames.tolist() == [1, 0]
    assert some.reward.tolist() == [2.0, 1.0]
    assert some.receipts == [Receipt(True), None]
    assert some.pose is None


def state_of(*counts):
    return ArrayState("toy", {"count": np.array(counts)})


def counts_of(state):
    return state.arrays["count"].tolist()


def test_array_states_are_values():
    state = state_of(1, 2, 3)
    fork = state.fork()
    fork.arrays["count"] += 10
    assert counts_of(state) == [1, 2, 3]
    assert counts_of(state.select([2, 0, 2])) == [3, 1, 3]
    assert counts_of(ArrayState.concat([state, fork])) == [1, 2, 3, 11, 12, 13]
    assert counts_of(state.put([1], state_of(9))) == [1, 9, 3]


def test_rows_of_another_world_are_refused_and_nothing_is_consumed():
    state, stranger = state_of(1, 2), ArrayState("toy of other weights", {"count": np.array([9])})
    for mix in (lambda: state.put([0], stranger), lambda: ArrayState.concat([state, stranger])):
        with pytest.raises(SnapshotError, match=r"'toy of other weights' .* among rows of 'toy'"):
            mix()
    assert counts_of(state.put([0], state_of(7))) == [7, 2]
    stranger.check_live()


def test_array_states_come_back_from_bytes_to_their_own_world_only():
    data = state_of(1, 2).to_bytes()
    assert counts_of(ArrayState.from_bytes(data, "toy")) == [1, 2]
    with pytest.raises(SnapshotError, match="'toy', not to 'other'"):
        ArrayState.from_bytes(data, "other")
    with pytest.raises(SnapshotError, match="damaged"):
        ArrayState.from_bytes(data[:-30], "toy")
    with pytest.raises(SnapshotError, match="no wmenv state"):
        ArrayState.from_bytes(b"hello", "toy")


def test_a_pickled_array_is_never_opened():
    data = pack_arrays({"harmless": np.array([1])}, {})
    assert unpack_arrays(data)[0]["harmless"].tolist() == [1]
    with pytest.raises(SnapshotError, match="allow_pickle"):
        unpack_arrays(pack_arrays({"object": np.array([{"a": 1}], object)}, {}))


def test_a_little_that_unpacks_to_much_is_never_unpacked():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, __meta__=np.frombuffer(b"{}", np.uint8), much=np.zeros(10**7))
    with pytest.raises(SnapshotError, match="compressed"):
        unpack_arrays(buffer.getvalue())


@pytest.mark.parametrize("use", ["fork", "to_bytes", "consume"])
def test_a_consumed_state_is_refused(use):
    state = state_of(1)
    state.consume()
    with pytest.raises(StateConsumedError, match="fork"):
        getattr(state, use)()


def test_a_span_measures_from_the_action_and_from_the_slot():
    span = Span(intended_ns=1_000_000, accepted_ns=3_000_000, ready_ns=9_000_000)
    assert (span.latency_ms, span.late_ms) == (6.0, 8.0)
