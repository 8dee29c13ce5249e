"""A live server on a free port of this machine, and visitors without a browser."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from wmenv.live.house import Rules
from wmenv.live.server import LONGEST_MESSAGE, make_app
from wmenv.worlds.remote.wire import unpack

PATIENCE_S = 200.0  # on a crowded machine everything takes its time


@contextlib.contextmanager
def live_server(
    world: str = "pan", token: str | None = None, settings: dict[str, Any] | None = None, **rules: Any
) -> Iterator[str]:
    """The address of a server that runs in a thread of this process."""
    door = socket.create_server(("127.0.0.1", 0))
    app = make_app(world, settings, Rules(**rules), token)
    sockets = {"log_level": "warning", "ws_max_size": LONGEST_MESSAGE, "ws_per_message_deflate": False}
    server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=1, **sockets))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield f"127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        door.close()


def wait_until(true: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


class Visitor:
    """One page, as far as the server can tell. Remembers the room as it was told last."""

    def __init__(self, address: str, room: str | None = None, key: str = "", **settings: Any) -> None:
        self.address, self.key = address, key or secrets.token_hex(16)
        self._open = contextlib.ExitStack()
        dialled = connect(f"ws://{address}/live", open_timeout=PATIENCE_S, max_size=None, **settings)
        self.socket = self._open.enter_context(dialled)
        self.room: dict[str, Any] = {}
        self.frames: list[tuple[dict[str, Any], list[bytes]]] = []
        self.said: list[dict[str, Any]] = []
        self._presses = 0
        self.say(kind="hello", visitor=self.key, room=room)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *problem: object) -> None:
        self._open.close()

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        """The next message; pictures are kept with their blobs."""
        message, blobs = unpack(self.socket.recv(timeout=PATIENCE_S))
        if "views" in message:
            self.frames.append((message, [bytes(blob) for blob in blobs]))
        else:
            self.said.append(message)
        if message["kind"] == "room":
            self.room = message
        return message

    def until(self, kind: str, true: Callable[[dict[str, Any]], Any] = lambda message: True) -> dict[str, Any]:
        """Listen until a message of that kind of which something is true."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = self.hear()
            if message["kind"] == kind and true(message):
                return message
        raise AssertionError(f"no such {kind} came")

    def settled(self, true: Callable[[dict[str, Any]], Any], **message: Any) -> dict[str, Any]:
        """Say something that changes the room, and the room once that is true of it."""
        self.say(**message)
        return self.until("room", true)

    def begin(self, seed: int, template: str | None = None) -> int:
        """A new scene; its branch."""
        known = len(self.room["branches"])
        room = self.settled(lambda room: len(room["branches"]) > known, kind="begin", seed=seed, template=template)
        self.until("frame", lambda frame: frame["branch"] == room["current"])
        return room["current"]

    def stand_still(self) -> None:
        """Come in, and let nothing move by itself."""
        self.until("room")
        self.settled(lambda room: room["paused"], kind="pace", paused=True)

    def press(self, action: int) -> dict[str, Any]:
        """One step by hand, and the picture that answers it."""
        self._presses += 1
        self.say(kind="act", action=action, id=self._presses)
        return self.until("frame", lambda frame: self._presses in frame["acts"])

    def views(self, frame: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
        """What each view showed in a message, or in the last one."""
        message, blobs = next(one for one in reversed(self.frames) if frame is None or one[0] is frame)
        drawn = zip(message["views"], blobs, strict=False)  # sound comes after the views
        return {view["view"]: np.frombuffer(blob, np.uint8).reshape(view["h"], view["w"], 3) for view, blob in drawn}

    def ask(self, path: str, **settings: Any) -> httpx.Response:
        """What the server answers over HTTP about the room."""
        headers = {"x-wmenv-visitor": self.key} | settings.pop("headers", {})
        address = f"http://{self.address}/rooms/{self.room['room']}/{path}"
        method = "POST" if "content" in settings else "GET"
        return httpx.request(method, address, headers=headers, timeout=PATIENCE_S, **settings)

    def let_go(self) -> tuple[int, str]:
        """Listen until the server ends the connection; the code and the reason."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.hear()
        return self.socket.close_code or 0, self.socket.close_reason or ""
