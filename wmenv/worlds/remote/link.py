"""A connection to a server of worlds that mends itself: one request, one answer, in order.

Whoever asks waits until there is an answer, over as many connections as it takes and as long as patience lasts. The
server knows the client by a name, so another connection finds what was there. Knows nothing of worlds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wmenv.errors import MissingExtraError, RemoteError, WmenvError
from wmenv.worlds.remote.schema import error_of
from wmenv.worlds.remote.wire import PROTOCOL, pack, unpack

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
MOST_BYTES = 2**30  # of an answer
GOODBYE_S = 0.5  # that the closing of a connection may take
FATAL = {1008: "does not take it", 1009: "finds it too long"}  # reasons to hang up that another try would meet again

Answer = tuple[dict[str, Any], list[memoryview]]


class Link:
    """One client of one server; threads take turns, and a forked process is a client of its own."""

    def __init__(self, url: str, token: str | None, patience_s: float, timeout_s: float) -> None:
        self.url, self._token = url, token
        self._patience_s, self._timeout_s = patience_s, timeout_s
        self._lock = threading.RLock()
        self._socket: ClientConnection | None = None
        self._become_someone()

    def _become_someone(self) -> None:
        self._pid, self._client = os.getpid(), secrets.token_hex(16)
        self._socket, self._id = None, 0
        self._held = contextlib.ExitStack()  # the connection, which websockets wants held as a context
        self.facts: dict[str, Any] = {}  # of the last hello

    def ask(self, message: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> Answer:
        """The answer to a request; the error that the server answered with, or `RemoteError` if there was no answer."""
        with self._lock:
            if self._pid != os.getpid():
                self._become_someone()
            until, pause = time.monotonic() + self._patience_s, FIRST_PAUSE_S
            while True:
                try:
                    return self._talk(message, blobs)
                except ConnectionBrokenError as problem:
                    if time.monotonic() > until:
                        raise RemoteError(
                            f"no answer from {self.url} in {self._patience_s:g} s: {problem}. Is `wmenv serve` running?"
                        ) from problem
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Hang up; the next request connects again."""
        with self._lock:
            self._hang_up()

    def _talk(self, message: Mapping[str, Any], blobs: Sequence[bytes]) -> Answer:
        if self._socket is None:
            self._connect()
        return self._exchange(message, blobs)

    def _exchange(self, message: Mapping[str, Any], blobs: Sequence[bytes]) -> Answer:
        from websockets.exceptions import ConnectionClosed

        assert self._socket is not None
        self._id += 1
        try:
            self._socket.send(pack({**message, "id": self._id}, blobs))
            answer, bytes_beside = unpack(self._socket.recv(self._timeout_s))
        except ConnectionClosed as problem:
            self._hang_up()
            raise self._ended(problem.rcvd.code if problem.rcvd else 1006, str(problem)) from problem
        except (OSError, TimeoutError) as problem:
            self._hang_up()
            raise ConnectionBrokenError(str(problem) or "it took too long") from problem
        except BaseException:  # an interrupted answer must not be taken for the next one
            self._hang_up()
            raise
        assert answer["re"] == self._id, f"asked {self._id}, was answered {answer['re']}"
        if "error" in answer:
            raise error_of(answer["error"])
        return answer, bytes_beside

    def _ended(self, code: int, told: str) -> RemoteError | ConnectionBrokenError:
        if code in FATAL:
            return RemoteError(f"{self.url} {FATAL[code]}: {told}.")
        return ConnectionBrokenError(told)

    def _connect(self) -> None:
        try:
            from websockets.exceptions import InvalidHandshake, InvalidStatus
            from websockets.sync.client import connect
        except ModuleNotFoundError as problem:
            raise MissingExtraError("worlds behind a socket need websockets: pip install 'wmenv[serve]'.") from problem
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        away = {} if urlsplit(self.url).hostname not in ("localhost", "127.0.0.1", "::1") else {"proxy": None}
        try:
            connected = connect(
                self.url,
                additional_headers=headers,
                compression=None,
                max_size=MOST_BYTES,
                close_timeout=GOODBYE_S,
                **away,
            )
            self._socket = self._held.enter_context(connected)
        except InvalidStatus as problem:
            told = (problem.response.body or b"").decode(errors="replace").strip()
            raise RemoteError(f"{self.url} answered {problem.response.status_code}: {told}") from problem
        except (OSError, InvalidHandshake, TimeoutError) as problem:
            raise ConnectionBrokenError(str(problem)) from problem
        self._greet()

    def _greet(self) -> None:
        hello = {"op": "hello", "protocol": PROTOCOL, "client": self._client}
        try:
            facts, _ = self._exchange(hello, ())
        except WmenvError:
            self._hang_up()
            raise
        if self.facts and self.facts["world"] != facts["world"]:
            self._hang_up()
            raise RemoteError(
                f"{self.url} served {self.facts['world']['name']!r} before; now it is {facts['world']['name']!r}, or "
                "the same with other weights or settings. Nothing that ran can go on there."
            )
        self.facts = facts

    def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(Exception):  # it may be broken in any way; we are done with it
                socket.socket.shutdown(SHUT_RDWR)
                self._held.close()


class ConnectionBrokenError(Exception):
    """There was no answer; asking again on another connection may bring one."""
