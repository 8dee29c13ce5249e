"""What only a learned world has: passes to choose, the real environment beside it, one's own picture to begin from."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.live.visitor import PATIENCE_S, Visitor, live_server

FORWARD, SIDE = 2, 56


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live_server("gridrooms", rooms=16) as address:
        yield address


@pytest.fixture
def anna(address) -> Iterator[Visitor]:
    with Visitor(address) as visitor:
        visitor.until("room")
        visitor.settled(lambda room: room["paused"], kind="pace", paused=True)
        visitor.begin(3)
        yield visitor


def step(visitor: Visitor, action: int, number: int) -> dict[str, np.ndarray]:
    """One step by hand: what each view shows."""
    visitor.say(kind="act", action=action, id=number)
    return shown(visitor, visitor.until("frame", lambda frame: number in frame["acts"]))


def shown(visitor: Visitor, frame: dict) -> dict[str, np.ndarray]:
    names = [view["view"] for view in frame["views"]]
    return {name: np.frombuffer(blob, np.uint8) for name, blob in zip(names, visitor.frames[-1][1], strict=False)}


def test_the_number_of_passes_changes_in_the_middle_of_a_scene(anna):
    for number in range(3):
        step(anna, FORWARD, number)
    for passes in (1, 4):
        anna.settled(lambda room, passes=passes: room["passes"] == passes, kind="passes", passes=passes)
        assert step(anna, FORWARD, passes + 10)["main"].size == SIDE * SIDE * 3
    assert anna.settled(lambda room: True, kind="pace")["branches"][-1]["tip"] == 5
    anna.say(kind="passes", passes=9)
    assert "1 to 4 times" in anna.until("problem")["text"]


def test_the_real_environment_runs_beside_from_the_same_beginning(anna):
    room = anna.settled(lambda room: room["ghost"], kind="ghost", on=True)
    views = shown(anna, anna.until("frame", lambda frame: frame["branch"] == room["current"]))
    assert (views["main"] == views["ghost"]).all()
    for number in range(12):
        views = step(anna, number % 3, number)
    branch = room["current"]
    anna.settled(lambda room: room["current"] != branch, kind="branch", branch=branch, step=6)
    frame = anna.until("frame", lambda frame: frame["step"] == 6)
    anna.say(kind="look", branch=branch, step=6)
    kept = shown(anna, anna.until("look"))
    assert (kept["ghost"] == shown_again(anna, frame)["ghost"]).all()  # the real one went back too
    assert anna.settled(lambda room: not room["ghost"], kind="ghost", on=False)


def shown_again(visitor: Visitor, frame: dict) -> dict[str, np.ndarray]:
    blobs = next(blobs for message, blobs in visitor.frames if message is frame)
    return {view["view"]: np.frombuffer(blob, np.uint8) for view, blob in zip(frame["views"], blobs, strict=True)}


def test_one_begins_from_ones_own_picture(anna):
    picture = step(anna, FORWARD, 1)["main"].tobytes()
    answer = httpx.post(
        f"http://{anna.address}/rooms/{anna.room['room']}/begin",
        params={"kind": "picture", "seed": 1},
        content=picture,
        headers={"x-wmenv-visitor": anna.key},
        timeout=PATIENCE_S,
    )
    assert answer.json() == {"ok": True}
    room = anna.until("room", lambda room: room["branches"][-1]["name"] == "your picture")
    frame = anna.until("frame", lambda frame: frame["branch"] == room["current"])
    assert shown(anna, frame)["main"].tobytes() == picture


def test_sound_comes_to_those_who_want_it(anna):
    step(anna, FORWARD, 1)
    assert not anna.frames[-1][0]["audio"]
    anna.say(kind="want", sound=True)
    step(anna, FORWARD, 2)
    assert len(anna.frames[-1][1][-1]) == 2 * 400


def test_captions_say_what_is_in_view(anna):
    step(anna, FORWARD, 1)
    assert "you are" in anna.until("caption")["text"]
