"""What only a learned world has: passes to choose, the real environment beside it, one's own picture to begin from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.live.visitor import live_server
from wmenv.errors import MissingExtraError
from wmenv.live import stock

FORWARD = 2


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live_server("gridrooms", rooms=16) as address:
        yield address


def test_the_number_of_passes_changes_in_the_middle_of_a_scene(anna):
    for _ in range(3):
        anna.press(FORWARD)
    for passes in (1, 4):
        anna.settled(lambda room, passes=passes: room["passes"] == passes, kind="passes", passes=passes)
        anna.press(FORWARD)
    assert anna.settled(lambda room: True, kind="pace")["branches"][-1]["tip"] == 5
    anna.say(kind="passes", passes=9)
    assert "1 to 4 times" in anna.until("problem")["text"]


def test_without_minigrid_there_is_nothing_real_beside_it(monkeypatch):
    plain = stock.load_world

    def poorer(name, **settings):
        if name.endswith(stock.GHOST):
            raise MissingExtraError("GridRooms needs minigrid")
        return plain(name, **settings)

    async def opened():
        async with stock.Stock("gridrooms", {}, rooms=1) as there:
            return there.ghost_hub

    assert asyncio.run(opened()) is not None
    monkeypatch.setattr(stock, "load_world", poorer)
    assert asyncio.run(opened()) is None


def test_the_real_environment_runs_beside_from_the_same_beginning(anna):
    room = anna.settled(lambda room: room["ghost"], kind="ghost", on=True)
    views = anna.views(anna.until("frame", lambda frame: frame["branch"] == room["current"]))
    assert (views["main"] == views["ghost"]).all()
    for number in range(12):
        anna.press(number % 3)
    branch = room["current"]
    anna.settled(lambda room: room["current"] != branch, kind="branch", branch=branch, step=6)
    again = anna.views(anna.until("frame", lambda frame: frame["step"] == 6))
    anna.say(kind="look", branch=branch, step=6)
    kept = anna.views(anna.until("look"))
    assert (kept["ghost"] == again["ghost"]).all()  # the real one went back too
    assert anna.settled(lambda room: not room["ghost"], kind="ghost", on=False)


def test_one_begins_from_ones_own_picture(anna):
    anna.press(FORWARD)
    picture = anna.views()["main"]
    begun = anna.ask("begin", params={"kind": "picture", "seed": 1}, content=picture.tobytes())
    assert begun.json() == {"ok": True}
    room = anna.until("room", lambda room: room["branches"][-1]["name"] == "your picture")
    frame = anna.until("frame", lambda frame: frame["branch"] == room["current"])
    assert (anna.views(frame)["main"] == picture).all()


def test_sound_comes_to_those_who_want_it(anna):
    anna.press(FORWARD)
    assert not anna.frames[-1][0]["audio"]
    anna.say(kind="want", sound=True)
    anna.press(FORWARD)
    assert len(anna.frames[-1][1][-1]) == 2 * 400


def test_captions_say_what_is_in_view(anna):
    anna.press(FORWARD)
    assert "you are" in anna.until("caption")["text"]


def test_a_sentence_of_the_prompt_that_is_refused_is_told(anna):
    anna.say(kind="begin", seed=1, template="explore", prompt="the door ahead opens; a red ball appears ahead")
    assert "prompt refused: 'the door ahead opens'" in anna.until("note")["text"]
