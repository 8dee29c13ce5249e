"""Whatever strangers send, the server says no in words, keeps its size, and others do not notice."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import connect

from tests.serve.serving import Process, serving
from wmenv.contract import Start
from wmenv.errors import ConfigError
from wmenv.serve.hub import Hub
from wmenv.serve.server import Server
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.remote.wire import pack, unpack
from wmenv.worlds.remote.world import RemoteWorld

MIB = 2**20
ROOM = 96 * MIB  # that the server may grow by; what is thrown at it is more


@pytest.fixture(scope="module")
def process():
    with Process("pan", 0, "--set", "handshake_s=3") as server:
        yield server


@pytest.fixture
def neighbour(process):
    """Somebody who plays on while strangers do what they do: `neighbour()` makes sure that it still goes right."""
    world, truth = RemoteWorld(process.url), PanWorld()
    here, there = truth.open([Start()] * 2, [1, 2])[0], world.open([Start()] * 2, [1, 2])[0]

    def play(steps=5):
        nonlocal here, there
        for step in range(steps):
            actions, silence = np.array([step % 2, 1]), [None, None]
            here, wanted = truth.advance(here, actions, silence)
            there, shown = world.advance(there, actions, silence)
            assert (shown.frames == wanted.frames).all()

    play()
    yield play
    play()
    world.close()


def size(process) -> int:
    """The memory that the server holds."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Talk:
    """A connection that says what it likes."""

    def __init__(self, url, hello=True):
        self._held = contextlib.ExitStack()
        opening = connect(url, compression=None, max_size=None, proxy=None, close_timeout=0.5)
        self.socket = self._held.enter_context(opening)
        if hello:
            assert "world" in self.ask({"op": "hello", "protocol": 1, "client": os.urandom(16).hex()})

    def ask(self, message, blobs=()):
        self.socket.send(pack({"id": 1, **message}, blobs))
        return unpack(self.socket.recv(30))[0]

    def code_after(self, data):
        """The code with which the server hangs up after this."""
        with contextlib.suppress(ConnectionClosed):
            self.socket.send(data)
        with pytest.raises(ConnectionClosed) as ended:
            self.socket.recv(30)
        return ended.value.rcvd.code

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)
        self._held.close()


@pytest.fixture
def talk(process):
    talk = Talk(process.url)
    yield talk
    talk.close()


SESSION = {"starts": [{}], "seeds": [1], "codec": "none"}
WRONG = {
    "an unknown op": ({"op": "explode"}, "ProtocolError"),
    "no op": ({}, "ProtocolError"),
    "an unknown key": ({"op": "status", "sesions": []}, "ProtocolError"),
    "a number that is a text": ({"op": "open", "starts": [{}], "seeds": ["1"]}, "ProtocolError"),
    "no moves": ({"op": "advance", "moves": []}, "ProtocolError"),
    "too many moves": ({"op": "status", "sessions": ["a"] * 2000}, "ProtocolError"),
    "a name that is too long": ({"op": "status", "sessions": ["a" * 65]}, "ProtocolError"),
    "a blob that is not there": ({"op": "open", "starts": [{"moment": 3}], "seeds": [1]}, "ProtocolError"),
    "a picture of another size": ({"op": "open", "starts": [{"picture": 0}], "seeds": [1]}, "StartError"),
    "fewer seeds than starts": ({"op": "open", "starts": [{}, {}], "seeds": [1]}, "ProtocolError"),
    "a template that is none": ({"op": "open", "starts": [{"template": "../../etc"}], "seeds": [1]}, "StartError"),
    "an endless prompt": ({"op": "open", "starts": [{"prompt": "x" * 5000}], "seeds": [1]}, "StartError"),
    "a session of nobody": ({"op": "status", "sessions": ["nobody"]}, "SessionError"),
    "a moment that is noise": ({"op": "restore", "moment": 0}, "SnapshotError"),
    "too many sessions": ({"op": "open", "starts": [{}] * 129, "seeds": [1] * 129}, "BusyError"),
    "another hello": ({"op": "hello", "protocol": 1, "client": "x" * 16}, "ProtocolError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_and_the_connection_goes_on(name, talk):
    message, code = WRONG[name]
    answer = talk.ask(message, [b"\x93" * 64])
    assert answer["error"]["code"] == code, answer
    assert len(answer["error"]["message"]) > 20
    assert talk.ask({"op": "status"})["lease_s"] == 120


def move(session, step, **more):
    return {"op": "advance", "codec": "none", "moves": [{"session": session, "step": step, "action": 0, **more}]}


def test_replayed_and_invented_steps_make_nothing_happen_twice(talk, neighbour):
    [one] = talk.ask({"op": "open", **SESSION})["shown"]
    name = one["session"]
    for step in (1, 1, 2, 2, 2):
        assert talk.ask(move(name, step))["shown"][0]["step"] == step
    for wrong in (move(name, 1), move(name, 9), move(name, 0), move(name, 2, action=1), move(name, -1)):
        assert talk.ask(wrong)["error"]["code"] == "ProtocolError"
    assert talk.ask(move(name, 3, action=99))["error"]["code"] == "ActionError"
    assert talk.ask(move(name, 3, action=10**30))["error"]["code"] == "ProtocolError"
    assert talk.ask(move(name, 3, direction={"text": "x" * 5000}))["error"]["code"] == "DirectionError"
    twice = move(name, 3) | {"moves": move(name, 3)["moves"] * 2}
    assert talk.ask(twice)["error"]["code"] == "ProtocolError"
    assert talk.ask({"op": "status", "sessions": [name]})["sessions"][0]["step"] == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", 1008),
        ("[1]", 1008),
        ('{"op":"status"}', 1008),
        ('{"op":"status","id":NaN}', 1008),
        ('{"op":"status","id":true}', 1008),
        ("[" * 100_000, 1008),
        (b"\xff\xff\xff\xff{}", 1008),
        (b"", 1008),
        (pack({"op": "status", "id": 1}, [b"abc"])[:-1], 1008),
        (" " * 300_000, 1008),
        (b"x" * 3 * MIB, 1009),
    ],
)
def test_what_is_no_message_ends_the_connection_with_a_reason(data, code, talk, neighbour):
    assert talk.code_after(data) == code


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_endless_text_in_small_pieces_ends_the_connection(piece, talk, process, neighbour):
    before = size(process)
    with pytest.raises(ConnectionClosed) as ended:
        talk.socket.send(piece for _ in iter(int, 1))
    neighbour()
    assert ended.value.rcvd is None or ended.value.rcvd.code == 1009
    assert size(process) - before < ROOM


def test_a_stranger_must_say_who_they_are(process):
    for data in (pack({"op": "open", "id": 1, **SESSION}), pack({"op": "hello", "id": 1})):
        talk = Talk(process.url, hello=False)
        if b'"open"' in data.encode():
            assert talk.code_after(data) == 1008
        else:
            assert talk.ask({"op": "hello"})["error"]["code"] == "ProtocolError"
        talk.close()
    silent = Talk(process.url, hello=False)
    assert silent.code_after(b"") == 1008
    silent.close()


@pytest.fixture
def mute(process):
    """A connection that has said hello, and from now on reads nothing that it is not asked to."""
    stranger = socket.create_connection(("127.0.0.1", process.port), timeout=10)
    stranger.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b" 101 " in stranger.recv(4096)
    stranger.sendall(frame(pack({"op": "hello", "id": 0, "protocol": 1, "client": os.urandom(16).hex()})))
    assert b'"boot"' in stranger.recv(2**16)
    yield stranger
    stranger.close()


def frame(text, kind=Opcode.TEXT):
    """A frame as it is on the wire, with a mask of zeros."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + bytes(4) + data


def say(mute, frames):
    for data in frames:
        mute.sendall(data)


def test_a_client_that_never_reads_is_not_read_either(process, mute, neighbour):
    before = size(process)
    opening = {"op": "open", "id": 1, "starts": [{}] * 60, "seeds": list(range(60)), "codec": "none"}
    mute.sendall(frame(pack(opening)))
    answer = mute.recv(2**16)
    names = [one["session"] for one in json.loads(answer[answer.index(b"{") :])["shown"]]
    again = {"op": "advance", "codec": "raw", "moves": [{"session": one, "step": 1, "action": 0} for one in names]}
    mute.settimeout(1)
    with pytest.raises(TimeoutError):  # nobody takes it any more
        say(mute, (frame(pack(again | {"id": number})) for number in range(2, 4000)))
    neighbour()
    assert size(process) - before < ROOM


def test_a_flood_of_pings_that_nobody_reads_is_cut_off(process, mute, neighbour):
    before = size(process)
    with pytest.raises(ConnectionError):
        say(mute, (frame("x" * 125, Opcode.PING) * 1000 for _ in range(500)))
    neighbour()
    assert size(process) - before < ROOM


def test_a_thousand_connections_that_never_finish_keep_nobody_out(process, neighbour):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip(f"this machine lets a process open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    before, crowd = size(process), []
    try:
        for number in range(1000):
            stranger = socket.create_connection(("127.0.0.1", process.port), timeout=10)
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" if number % 2 else b"")
            crowd.append(stranger)
        neighbour()
        late = Talk(process.url)
        assert late.ask({"op": "status"})["lease_s"] == 120
        late.close()
        assert metrics(process)["wmenv_half_open"] <= 64
        assert size(process) - before < ROOM
        until = time.monotonic() + 20
        while metrics(process)["wmenv_half_open"] > 1 and time.monotonic() < until:
            time.sleep(0.1)
        assert metrics(process)["wmenv_half_open"] <= 1  # the one that asks
    finally:
        for stranger in crowd:
            stranger.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fetch(url, **headers):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.read().decode()


def metrics(process):
    _, text = fetch(f"http://127.0.0.1:{process.port}/metrics")
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines())}


def test_health_and_metrics_are_pages_and_nothing_else_is(process):
    base = f"http://127.0.0.1:{process.port}"
    assert fetch(f"{base}/health") == (200, json.dumps({"ok": True}))
    assert metrics(process)["wmenv_steps_total"] >= 0
    assert fetch(f"{base}/etc/passwd")[0] == 404
    assert fetch(f"{base}/")[0] == 426


def test_with_a_token_strangers_learn_only_that_it_is_there():
    with serving(PanWorld(), token="t0ken") as server:
        base = server.url.replace("ws", "http")
        assert fetch(f"{base}/health")[0] == 200
        assert fetch(f"{base}/metrics")[0] == 401
        assert fetch(f"{base}/metrics?token=wrong")[0] == 401
        assert fetch(f"{base}/metrics?token=t0ken")[0] == 200
        assert fetch(f"{base}/metrics", Authorization="Bearer t0ken")[0] == 200
        with pytest.raises(InvalidStatus, match="401"), connect(server.url, proxy=None):
            pass


@pytest.mark.parametrize(
    ("host", "origin", "lets_in"),
    [
        ("127.0.0.1:{}", None, True),
        ("127.0.0.1:{}", "http://127.0.0.1:{}", True),
        ("localhost:{}", "http://localhost:{}", True),
        ("127.0.0.1:{}", "https://elsewhere.example", False),
        ("elsewhere.example:{}", "http://elsewhere.example:{}", False),  # a name that was pointed at 127.0.0.1
        ("127.0.0.1:{}", "null", False),
    ],
)
def test_web_pages_connect_only_from_here(process, host, origin, lets_in):
    headers = {"Host": host.format(process.port)} | ({"Origin": origin.format(process.port)} if origin else {})
    status, _ = fetch(f"http://127.0.0.1:{process.port}/metrics", **headers)
    assert status == (200 if lets_in else 403)


def test_beyond_loopback_there_is_no_server_without_a_token():
    with pytest.raises(ConfigError, match="give a token"):
        Server(Hub.__new__(Hub), host="0.0.0.0")


def test_it_listens_on_loopback_by_default(process):
    listening = Path("/proc/net/tcp").read_text()
    assert f"0100007F:{process.port:04X}" in listening
    assert f"00000000:{process.port:04X}" not in listening
