"""Directions: each does to the true state exactly what it says, at once, or is refused with a reason."""

from collections import Counter

import numpy as np
import pytest

from wmenv.sources.gridrooms import CATALOGUE, GridRooms, nonsense, sample_direction
from wmenv.sources.gridrooms.grammar import EVENTS, parse
from wmenv.sources.gridrooms.layout import SIZE
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, DOOR_STATES


def _cells(env: GridRooms) -> dict[tuple[int, int], tuple[str, str, str]]:
    """Kind, colour and state of every cell, read from minigrid's objects."""
    found = {}
    for index, thing in enumerate(env.grid.grid):
        state = DOOR_STATES[thing.encode()[2]] if thing is not None and thing.type == "door" else ""
        found[index % SIZE, index // SIZE] = ("floor", "", "") if thing is None else (thing.type, thing.color, state)
    return found


def _expected(command, before: tuple[str, str, str]) -> tuple[str, str, str]:
    """What the one cell that a command changes should hold afterwards."""
    kind, colour, _ = before
    if command.event == "appear":
        assert kind == "floor"
        return command.kind, command.colour, ""
    assert kind == command.kind
    assert command.colour in ("", colour)
    if command.event == "vanish":
        return "floor", "", ""
    if command.event == "recolour":
        return kind, command.shade, before[2]
    return kind, colour, {"open": "open", "close": "closed", "lock": "locked"}[command.event]


def test_each_event_changes_the_true_state_as_it_says_and_nothing_else(walk):
    rng, seen = np.random.default_rng(0), Counter()
    for env, _ in walk("explore", 1200, directed=False):
        text = sample_direction(rng, env, held_out=bool(rng.integers(2)))
        command, before, self_before = parse(text), _cells(env), (env.dark, env.agent_colour)
        assert env.direct(text).applied, text
        after = _cells(env)
        changed = [cell for cell in before if before[cell] != after[cell]]
        seen[command.event] += 1
        if command.event in ("dark", "light", "agent"):
            assert not changed
            dark, colour = self_before
            expected = (dark, command.shade) if command.event == "agent" else (command.event == "dark", colour)
            assert (env.dark, env.agent_colour) == expected
            continue
        (cell,) = changed
        assert after[cell] == _expected(command, before[cell])
        assert (env.dark, env.agent_colour) == self_before
    assert set(seen) == set(EVENTS)
    assert min(seen.values()) >= 10, seen


def test_the_next_frame_shows_it(walk):
    rng = np.random.default_rng(0)
    for env, before in walk("explore", 200, directed=False):
        assert env.direct(sample_direction(rng, env)).applied
        told = env.tiles()
        frame = env.step(6)[0]
        assert (frame != before).any()
        assert (CATALOGUE.decode(frame).ravel() == told).all()


@pytest.mark.parametrize(
    ("place", "slot"),
    [("ahead", -7), ("two steps ahead", -14), ("ahead to the left", -8), ("ahead to the right", -6)],
)
def test_a_thing_appears_where_it_is_said(begin_where, place, slot):
    env = begin_where(f"a purple box appears {place}")
    assert CATALOGUE.tiles[env.tiles()[AGENT_SLOT + slot]][:2] == ("box", "purple")


def test_the_nearest_one_vanishes(begin_where):
    env = begin_where("a grey ball appears two ahead")
    assert env.direct("a grey ball appears ahead").applied
    assert env.direct("the grey ball vanishes").applied
    kinds = CATALOGUE.kind[env.tiles()]
    assert (kinds[AGENT_SLOT - 7], kinds[AGENT_SLOT - 14]) == ("floor", "ball")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a red ball appears ahead", "there is no free floor in view ahead"),
        ("paint the grey ball grey", "the nearest grey ball is already grey"),
        ("the lights come on", "it is already bright"),
        ("you turn red", "you are already red"),
        ("make me a sandwich", "i do not understand 'make me a sandwich'"),
        ("a " * 17, "a direction has at most 16 words, this has 17"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(begin_where, text, reason):
    env = begin_where("a grey ball appears ahead")
    before, shown = _cells(env), env.tiles()
    receipt = env.direct(text)
    assert (receipt.applied, receipt.reason) == (False, reason)
    assert _cells(env) == before
    assert (env.tiles() == shown).all()


def test_a_door_that_is_shut_already_cannot_be_shut(begin_where):
    env = begin_where("lock the door")
    assert env.direct("close the door").reason == "the nearest door is already locked"
    assert env.direct("lock the door").reason == "the nearest door is already locked"
    assert env.direct("open the door").applied
    assert env.direct("open the door").reason == "the nearest door is already open"
    assert env.direct("close the door").applied
    assert env.direct("close the door").reason == "the nearest door is already closed"


def test_impossible_directions_and_nonsense_are_refused(walk):
    rng = np.random.default_rng(0)
    for env, _ in walk("explore", 200, directed=False):
        assert not env.direct(sample_direction(rng, env, possible=False)).applied
        refused = env.direct(nonsense(rng))
        assert not refused.applied
        assert refused.reason.startswith("i do not understand")
