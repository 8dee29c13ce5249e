"""The server with visitors but no browser: people, time, files, and everything hostile."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.live.visitor import PATIENCE_S, Visitor, live_server, wait_until
from wmenv.contract import Start, no_directions
from wmenv.episodes import Episode
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.replay import ReplayWorld

LEFT, RIGHT, STAY = 0, 1, 4


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live_server(rooms=256) as address:
        yield address


def pixels(visitor: Visitor) -> np.ndarray:
    return visitor.views()["main"]


# --- walking and directing -------------------------------------------------------------------------------------------


def test_what_is_shown_is_the_world_itself(anna):
    walk = [LEFT, LEFT, RIGHT, STAY, LEFT]
    anna.begin(7, "ice")
    for action in walk:
        anna.press(action)
    world = PanWorld()
    state, outcome = world.open([Start(template="ice")], [7])
    for action in walk:
        state, outcome = world.advance(state, np.array([action]), no_directions(1))
    assert (pixels(anna) == outcome.frames[0]).all()


def test_the_world_runs_at_its_pace_while_nobody_acts(address):
    with Visitor(address) as visitor:
        first = visitor.until("frame", lambda frame: frame["step"] > 0)
        last = visitor.until("frame", lambda frame: frame["step"] > first["step"] + 10)
    assert last["branch"] == first["branch"]


def test_a_world_opened_for_a_task_begins_with_it():
    with live_server("gridrooms-source", settings={"task": "reach"}) as address, Visitor(address) as visitor:
        assert visitor.until("room")["template"] == "reach"


def test_what_is_held_goes_on_until_it_is_let_go(anna):
    anna.say(kind="hold", action=RIGHT)
    anna.say(kind="pace", paused=False)
    anna.until("frame", lambda frame: frame["step"] >= 6)
    anna.say(kind="hold", action=None)
    branch = anna.room["current"]
    record = anna.ask("save", params={"kind": "episode", "branch": branch, "first": 0, "last": 5}).content
    assert Episode.from_bytes(record).actions.tolist().count(RIGHT) >= 4


def test_a_direction_gets_its_receipts(anna):
    anna.say(kind="direct", text="night falls", id=5)
    received = anna.until("receipt")
    anna.say(kind="step")
    applied = anna.until("receipt")
    assert (received["state"], received["received_at"], received["mine"]) == ("received", 0, True)
    assert (applied["state"], applied["applied_at"], applied["id"]) == ("applied", 1, 5)
    room = anna.until("room", lambda room: room["branches"][-1]["marks"])
    assert room["branches"][-1]["marks"] == [{"step": 1, "text": "night falls", "applied": True}]


def test_a_direction_that_the_world_does_not_know_is_refused_with_a_reason(anna):
    anna.say(kind="direct", text="make me a sandwich", id=1)
    anna.say(kind="step")
    refused = anna.until("receipt", lambda receipt: receipt["state"] == "refused")
    assert refused["reason"]


# --- time ------------------------------------------------------------------------------------------------------------


def walked(visitor: Visitor, steps: int) -> tuple[int, list[np.ndarray]]:
    """A new scene walked along to the right: its branch, and what every step has shown."""
    branch = visitor.begin(5)
    shown = [pixels(visitor)]
    for _ in range(steps):
        visitor.press(RIGHT)
        shown.append(pixels(visitor))
    return branch, shown


def entered(visitor: Visitor, **message) -> np.ndarray:
    """What is shown after a change of branches."""
    before = visitor.room["current"]
    room = visitor.settled(lambda room: room["current"] != before, **message)
    visitor.until("frame", lambda frame: frame["branch"] == room["current"])
    return pixels(visitor)


def test_a_branch_goes_its_own_way_from_a_moment_of_the_past(anna):
    first, shown = walked(anna, 11)
    assert (entered(anna, kind="branch", branch=first, step=5) == shown[5]).all()  # no state is kept at 5
    anna.press(LEFT)
    assert (pixels(anna) == shown[4]).all()
    assert (entered(anna, kind="go", branch=first) == shown[11]).all()
    anna.press(LEFT)
    assert (pixels(anna) == shown[10]).all()
    room = anna.settled(lambda room: True, kind="pace")
    assert [(b["fork"], b["tip"]) for b in room["branches"] if b["id"] >= first] == [(None, 12), (5, 6)]


def test_the_past_can_be_looked_at_while_the_world_stands(anna):
    branch, shown = walked(anna, 4)
    anna.say(kind="look", branch=branch, step=2)
    assert anna.until("look")["step"] == 2
    assert (pixels(anna) == shown[2]).all()
    assert anna.settled(lambda room: True, kind="pace")["branches"][-1]["tip"] == 4


def test_two_branches_run_side_by_side_with_the_same_actions(anna):
    first, _ = walked(anna, 4)
    entered(anna, kind="branch", branch=first, step=4)
    anna.say(kind="direct", text="night falls", id=1)
    anna.say(kind="step")
    anna.until("receipt", lambda receipt: receipt["state"] == "applied")
    anna.settled(lambda room: room["twin"] == first, kind="compare", branch=first)
    head = anna.press(RIGHT)
    assert [view["view"] for view in head["views"]] == ["main", "twin"]
    night, day = (view.mean() for view in anna.views().values())
    assert night < 0.8 * day
    room = anna.settled(lambda room: room["twin"] is None, kind="compare", branch=None)
    tips = {b["id"]: b["tip"] for b in room["branches"]}
    assert tips[first] == 5


def test_a_branch_is_named_and_removed(anna):
    first, _ = walked(anna, 2)
    entered(anna, kind="branch", branch=first, step=1)
    anna.say(kind="name", branch=first, name="the long way")
    anna.until("room", lambda room: "the long way" in [b["name"] for b in room["branches"]])
    anna.say(kind="remove", branch=first)
    assert "came from" in anna.until("problem")["text"]


# --- files -----------------------------------------------------------------------------------------------------------


def test_an_episode_file_replays_what_was_seen(anna):
    branch, shown = walked(anna, 6)
    answer = anna.ask("save", params={"kind": "episode", "branch": branch, "first": 2, "last": 6})
    world = ReplayWorld(Episode.from_bytes(answer.content))
    state, outcome = world.open([Start()], [0])
    assert (outcome.frames[0] == shown[2]).all()
    for step in range(3, 7):
        state, outcome = world.advance(state, np.array([RIGHT]), [None])
        assert (outcome.frames[0] == shown[step]).all()
    assert answer.headers["content-disposition"] == 'attachment; filename="pan-5-2-6.safetensors"'


@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_a_film_comes_with_actions_and_records(anna, kind):
    pytest.importorskip("av", reason="films need PyAV, in the extra `live`")
    branch, _ = walked(anna, 6)
    answer = anna.ask("save", params={"kind": kind, "branch": branch, "first": 0, "last": 6})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert json.loads(archive.read("actions.json"))["actions"] == [RIGHT] * 6
        assert len(archive.read("records.jsonl").splitlines()) == 7


def test_a_saved_moment_goes_on_in_another_room(anna, address):
    branch, shown = walked(anna, 5)
    data = anna.ask("save", params={"kind": "moment", "branch": branch, "first": 5, "last": 5}).content
    with Visitor(address) as ben:
        ben.stand_still()
        assert ben.ask("begin", params={"kind": "moment", "seed": 3}, content=data).json() == {"ok": True}
        room = ben.until("room", lambda room: len(room["branches"]) == 2)
        ben.until("frame", lambda frame: frame["branch"] == room["current"])
        assert (pixels(ben) == shown[5]).all()


# --- people ----------------------------------------------------------------------------------------------------------


def test_a_spectator_sees_all_and_moves_nothing(anna, address):
    with Visitor(address, room=anna.room["room"]) as ben:
        assert ben.until("room")["may"] == {"move": False, "direct": False}
        ben.say(kind="act", action=LEFT, id=1)
        assert "visitor 1 moves here" in ben.until("problem")["text"]
        anna.press(RIGHT)
        frame = ben.until("frame", lambda frame: frame["step"] == 1)
        assert frame["acts"] == []
        assert (pixels(ben) == pixels(anna)).all()


def test_one_moves_and_another_directs(anna, address):
    with Visitor(address, room=anna.room["room"]) as ben:
        you = ben.until("room")["you"]
        anna.say(kind="role", role="direct", to=you)
        ben.until("room", lambda room: room["may"] == {"move": False, "direct": True})
        ben.say(kind="direct", text="night falls", id=4)
        ben.until("receipt")
        anna.press(RIGHT)
        assert ben.until("receipt")["state"] == "applied"
        theirs = [said for said in anna.said if said["kind"] == "receipt"]
        assert [(told["state"], told["mine"], told["by"]) for told in theirs] == [
            ("received", False, you),
            ("applied", False, you),
        ]


def test_a_session_survives_a_reload(anna, address):
    branch, shown = walked(anna, 3)
    anna.socket.close()
    with Visitor(address, key=anna.key) as again:
        room = again.until("room")
        assert (room["room"], room["current"], room["may"]["move"]) == (anna.room["room"], branch, True)
        again.until("frame")
        assert (pixels(again) == shown[3]).all()


def test_nothing_runs_while_nobody_is_there(address):
    with Visitor(address) as anna:
        anna.until("frame", lambda frame: frame["step"] > 2)
    with Visitor(address, key=anna.key) as again:
        left = again.until("room")["branches"][0]["tip"]
    time.sleep(0.5)
    with Visitor(address, key=anna.key) as later:
        assert later.until("room")["branches"][0]["tip"] - left < 5  # what ran while it was connected


def test_who_finds_no_place_waits_in_line_and_gets_the_next_one():
    with live_server(rooms=1, grace_s=0.1) as address:
        anna = Visitor(address)
        anna.until("room")
        with Visitor(address) as ben, Visitor(address) as carl:
            assert ben.until("queue")["position"] == 1
            assert carl.until("queue", lambda told: told["position"] == 2)["limit"] == 1
            anna.until("waiting", lambda told: told["people"] == 2)
            anna.socket.close()
            assert ben.until("room")["may"]["move"]
            assert carl.until("queue")["position"] == 1


def test_a_room_in_which_nothing_is_done_makes_room_for_who_waits():
    with live_server(rooms=1, idle_s=0.2) as address, Visitor(address) as anna, Visitor(address) as ben:
        anna.until("room")
        ben.until("room")
        assert "place is theirs" in anna.until("ended")["text"]


def test_a_slow_page_slows_nobody(anna, address):
    host, port = address.split(":")
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # full after the first picture
    line.connect((host, int(port)))
    with connect(f"ws://{address}/live", sock=line, max_queue=1, close_timeout=0.1) as slow:
        slow.send(json.dumps({"kind": "hello", "visitor": "s" * 32, "room": anna.room["room"]}))
        for number in range(80):
            anna.press(number % 4)
    assert anna.frames[-1][0]["step"] == 80


# --- who is hostile ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[" * 50_000,
        '{"kind": "act", "action": "left", "id": 1}',
        '{"kind": "act", "action": 99, "id": 1}',
        '{"kind": "act", "action": 0, "id": -1}',
        '{"kind": "act", "action": 0, "id": 1, "more": 1}',
        '{"kind": "direct", "text": "' + "x" * 5000 + '", "id": 1}',
        '{"kind": "direct", "text": "\\u0000", "id": 1}',
        '{"kind": "pace", "fps": 1e9}',
        '{"kind": "pace", "fps": NaN}',
        '{"kind": "begin", "seed": 1, "template": "../../etc/passwd"}',
        '{"kind": "look", "branch": 0, "step": 999999}',
        '{"kind": "branch", "branch": 7, "step": 0}',
        '{"kind": "compare", "branch": 1}',
        '{"kind": "passes", "passes": 3}',
        '{"kind": "name", "branch": 0, "name": ""}',
        '{"kind": "role", "role": "king", "to": 1}',
        '{"kind": "hello", "visitor": "0123456789abcdef", "room": null, "again": 1}',
    ],
)
def test_what_makes_no_sense_is_refused_and_the_room_goes_on(anna, text):
    anna.socket.send(text)
    assert anna.until("problem")["text"]
    anna.press(RIGHT)


def test_too_long_a_message_ends_the_connection_of_who_sent_it_alone(anna, address):
    with Visitor(address, room=anna.room["room"]) as ben:
        ben.until("room")
        ben.socket.send("x" * 200_000)
        assert ben.let_go()[0] == 1009
    anna.press(RIGHT)


def test_who_says_too_much_is_let_go(anna):
    with contextlib.suppress(ConnectionClosed):
        for _ in range(5000):
            anna.say(kind="want", sound=False)
    assert anna.let_go()[0] == 4008


@pytest.mark.parametrize("first", ["nonsense", '{"kind": "step"}', '{"kind": "hello", "visitor": "short"}'])
def test_a_connection_begins_with_hello(address, first):
    with connect(f"ws://{address}/live", open_timeout=PATIENCE_S) as socket:
        socket.send(first)
        assert refusal(socket)[0] == 4003


def test_a_foreign_page_may_not_connect(address):
    with connect(f"ws://{address}/live", origin="http://evil.example", open_timeout=PATIENCE_S) as socket:
        assert "evil.example" in refusal(socket)[1]


def refusal(socket) -> tuple[int, str]:
    """The code and the reason with which a connection ends."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=PATIENCE_S)
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_a_name_bent_to_this_machine_is_refused(anna):
    answer = anna.ask("save?kind=webm&branch=0&first=0&last=1", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" in answer.json()["detail"]


def test_files_are_for_those_in_the_room(anna):
    stranger = anna.ask("save?kind=moment&branch=0&first=0&last=0", headers={"x-wmenv-visitor": "somebody"})
    assert stranger.status_code == 400


@pytest.mark.parametrize("path", ["../room.py", "..%2froom.py", "%2e%2e/room.py", "page/main.js", "main.py", "etc"])
def test_no_path_leads_out_of_the_page(address, path):
    assert httpx.get(f"http://{address}/{path}", timeout=PATIENCE_S).status_code == 404


@pytest.mark.parametrize("kind", ["picture", "moment"])
@pytest.mark.parametrize("size", [0, 100, 10**7])
def test_what_is_no_picture_or_moment_is_refused(anna, kind, size):
    answer = anna.ask("begin", params={"kind": kind, "seed": 0}, content=b"x" * size)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    anna.press(RIGHT)


def test_beyond_this_machine_a_token_is_needed():
    with live_server(token="open sesame") as address:
        with connect(f"ws://{address}/live", open_timeout=PATIENCE_S) as socket:
            assert "token" in refusal(socket)[1]
        answer = httpx.get(f"http://{address}/", params={"token": "open sesame"}, timeout=PATIENCE_S)
        cookie = answer.headers["set-cookie"]
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        with Visitor(address, additional_headers={"cookie": cookie.split(";")[0]}) as visitor:
            assert visitor.until("room")


def test_pages_that_say_nothing_are_let_go_and_others_served(address, monkeypatch):
    monkeypatch.setattr("wmenv.live.visit.HELLO_S", 0.5)
    with contextlib.ExitStack() as stack:
        silent = [connect(f"ws://{address}/live", open_timeout=PATIENCE_S) for _ in range(50)]
        sockets = [stack.enter_context(one) for one in silent]
        with Visitor(address) as visitor:
            visitor.until("room")
        wait_until(lambda: all(_is_closed(socket) for socket in sockets))


def _is_closed(socket) -> bool:
    try:
        socket.recv(timeout=0.01)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True
    return False
