"""The grammar: every sentence means what it was made from, and the held-out ones stay out."""

import numpy as np
import pytest

from wmenv.sources.gridrooms import VOCABULARY, nonsense
from wmenv.sources.gridrooms.grammar import EVENTS, MOST_WORDS, SUGGESTIONS, Command, parse, say
from wmenv.sources.gridrooms.tiles import COLOURS, DOOR_STATES, THINGS


def _commands() -> list[Command]:
    some = [Command("dark"), Command("light"), *(Command("agent", shade=shade) for shade in COLOURS)]
    for colour in ("", *COLOURS):
        some += [Command(event, "door", colour) for event in ("open", "close", "lock")]
        some += [Command("vanish", kind, colour) for kind in THINGS]
        some += [Command("recolour", kind, colour, shade=s) for kind in (*THINGS, "door") for s in COLOURS]
    places = ("ahead", "two ahead", "ahead left", "ahead right")
    return some + [Command("appear", kind, colour, place) for kind in THINGS for colour in COLOURS for place in places]


@pytest.mark.parametrize("held_out", [False, True])
def test_every_sentence_means_what_it_was_made_from(held_out):
    rng = np.random.default_rng(0)
    for command in _commands():
        for _ in range(12):
            text = say(command, rng, held_out)
            assert parse(text) == command, text
            assert len(text.split()) <= MOST_WORDS
            assert set(text.split()) <= set(VOCABULARY)
            assert text == text.lower()


@pytest.mark.parametrize("event", EVENTS)
def test_a_quarter_of_the_ways_to_say_it_is_held_out(event):
    training, held_out = EVENTS[event].training, EVENTS[event].held_out
    assert len(training) + len(held_out) >= 8
    assert len(held_out) * 3 == len(training)
    assert not set(training) & set(held_out)


def test_held_out_sentences_hold_no_new_words():
    words = lambda which: {word for phrases in EVENTS.values() for text in which(phrases) for word in text.split()}
    assert words(lambda p: p.held_out) <= words(lambda p: p.training)


def test_held_out_sentences_are_never_said_in_training():
    rng = np.random.default_rng(0)
    commands = _commands()
    drawn = [commands[int(index)] for index in rng.integers(len(commands), size=6000)]
    trained = {say(command, rng) for command in drawn}
    tested = {say(command, rng, held_out=True) for command in drawn}
    assert len(trained) > 1000
    assert not trained & tested


def test_every_template_is_used():
    rng = np.random.default_rng(0)
    said = {say(Command("dark"), rng) for _ in range(300)}
    assert said == set(EVENTS["dark"].training)


def test_case_and_punctuation_do_not_matter():
    assert parse("  The LIGHTS go out! ") == Command("dark")
    assert parse("Put a golden sphere, in front of you.") == Command("appear", "ball", "yellow", "ahead")


@pytest.mark.parametrize("text", ["", "red", "the door", "a pink ball appears ahead", "the key opens", "lights " * 20])
def test_what_is_no_sentence_of_ours_is_not_understood(text):
    assert parse(text) is None


def test_nonsense_is_varied_short_and_never_understood():
    rng = np.random.default_rng(0)
    texts = [nonsense(rng) for _ in range(500)]
    assert all(parse(text) is None for text in texts)
    assert all(0 < len(text.split()) <= MOST_WORDS for text in texts)
    assert len(set(texts)) > 300


def test_suggestions_are_understood():
    assert all(parse(text) for text in SUGGESTIONS)
    assert {parse(text).event for text in SUGGESTIONS} >= {"appear", "vanish", "recolour", "open", "lock", "dark"}


def test_door_states_have_a_word_each():
    assert {"open", "closed", "locked"} == set(DOOR_STATES) <= set(VOCABULARY)
