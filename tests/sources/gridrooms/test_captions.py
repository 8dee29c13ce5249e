"""Captions: true to what is in view, and made without the simulator."""

import subprocess
import sys

import numpy as np

from wmenv.sources.gridrooms import CATALOGUE, caption_of, objects_of
from wmenv.sources.gridrooms.places import TURNED_OFFSETS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT


def test_what_is_said_to_be_in_view_is_there(walk):
    told = 0
    for env, _ in walk("explore", 300):
        for kind, colour, state, dx, dy in objects_of(env.tiles()):
            x, y = TURNED_OFFSETS[(env.agent_dir + 1) % 4, (dy + 6) * 7 + dx + 3] + env.agent_pos
            thing = env.grid.get(int(x), int(y))
            assert (thing.type, thing.color) == (kind, colour)
            assert state == ("" if kind != "door" else CATALOGUE.tiles[env._number(x, y)].state)
            assert f"{colour} {kind}" in env.caption()
            told += 1
    assert told > 100


def test_places_are_said_in_words():
    view = np.full(49, CATALOGUE.encode("floor"))
    view[AGENT_SLOT] = CATALOGUE.encode("agent", "blue", under="green door")
    view[AGENT_SLOT - 7] = CATALOGUE.encode("wall", "grey")
    view[0] = CATALOGUE.encode("door", "grey", "open")
    view[AGENT_SLOT + 2] = CATALOGUE.encode("key", "red")
    assert caption_of(view) == (
        "a wall ahead; a red key two right; an open grey door six ahead and three left; "
        "you are blue; you stand in a green door"
    )


def test_darkness_and_what_is_carried_are_said(begin_where):
    env = begin_where("put a yellow key ahead")
    env.step(3)
    assert env.caption().endswith("you carry a yellow key")
    env.direct("the lights go out")
    assert env.caption().endswith("you carry a yellow key; it is dark")
    assert env.tiles()[AGENT_SLOT] == CATALOGUE.encode("agent", "red", carried="yellow key", dark=True)


def test_what_cannot_be_read_is_not_spoken_of():
    view = np.full(49, -1)
    assert caption_of(view) == ""
    assert objects_of(view) == set()


def test_words_need_no_simulator():
    code = (
        "import sys; from wmenv.sources.gridrooms import caption_of, place_of_view, SOUND_BANK, VOCABULARY, "
        "sample_direction, spec_of, ACTIONS, TASKS, CATALOGUE; assert not {'minigrid', 'pygame'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
