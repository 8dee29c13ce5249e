"""The hub behind a WebSocket: `async with Server(hub):` and others may connect.

Bounded in everything that a stranger decides: how many connect, how long a message is and in how many pieces, how many
requests wait, how much is sent before it is read. Knows nothing of what requests mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.asyncio.server import Server as Listener
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from wmenv.errors import ConfigError, ProtocolError
from wmenv.serve.conversation import Conversation, packed
from wmenv.serve.doors import Doors, Visit, is_loopback, refusal, visits_through
from wmenv.serve.hub import Hub

QUEUED_FRAMES = 4  # of a connection, before the socket is not read any more
WRITE_BYTES = 2**18  # of a connection, that it has not read, before nothing is sent any more
SPOKEN = "This is a server of worlds: connect with WebSocket, see docs/protocol.md. /health and /metrics are pages.\n"


class TooLongError(ProtocolError):
    """A message that has more bytes or pieces than the limits say."""


class Server:
    """Listens while it is open. `port` 0 takes a free one, and is that one afterwards."""

    def __init__(
        self,
        hub: Hub,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        if not is_loopback(host) and not token:
            raise ConfigError(f"{host} can be reached from other machines; give a token, or listen on 127.0.0.1.")
        self.hub, self.host, self.port = hub, host, port
        self._token, self._origins = token, frozenset(origins)
        self._limits = hub.limits
        self._doors = Doors(hub.limits)
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        self._listener = await serve(
            self._visited,
            self.host,
            self.port,
            process_request=self._at_the_door,
            create_connection=visits_through(self._doors),
            compression=None,
            open_timeout=self._limits.handshake_s,
            max_size=self._limits.message_bytes,
            max_queue=QUEUED_FRAMES,
            write_limit=WRITE_BYTES,
            backlog=1024,
        )
        self.port = next(iter(self._listener.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, kind: type | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        assert self._listener is not None
        self._listener.close()
        await self._listener.wait_closed()

    @property
    def url(self) -> str:
        """Where clients connect, without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}"

    # --- before the handshake ---------------------------------------------------------------------------------------

    def _at_the_door(self, socket: ServerConnection, request: Request) -> Response | None:
        """Refuse strangers, answer what is asked by plain HTTP, and let WebSockets in."""
        path = urlsplit(request.path).path
        if path == "/health":
            return page(socket, json.dumps({"ok": True}), "application/json")
        if refused := refusal(request, self._token, self._origins):
            self.hub.gauges.refused[refused[0].name] += 1
            return socket.respond(*refused)
        if path == "/metrics":
            return page(socket, self.metrics(), "text/plain; version=0.0.4")
        if path != "/":
            return socket.respond(HTTPStatus.NOT_FOUND, SPOKEN)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return socket.respond(HTTPStatus.UPGRADE_REQUIRED, SPOKEN)
        return None

    def metrics(self) -> str:
        """What `/metrics` shows."""
        return self.hub.gauges.text(self.hub.now() | self._doors.now() | {"pushed_out": self._doors.pushed_out})

    # --- after it ---------------------------------------------------------------------------------------------------

    async def _visited(self, socket: ServerConnection) -> None:
        """One connection, from the handshake to its end."""
        assert isinstance(socket, Visit)
        try:
            with Conversation(self.hub) as talk:
                if await self._greeted(socket, talk):
                    await self._converse(socket, talk)
        except* ConnectionClosed:
            pass
        except* TooLongError as problems:
            await hang_up(socket, CloseCode.MESSAGE_TOO_BIG, problems)
        except* ProtocolError as problems:
            await hang_up(socket, CloseCode.POLICY_VIOLATION, problems)

    async def _greeted(self, socket: Visit, talk: Conversation) -> bool:
        """Whether the first message was a good hello, in time, and there is room."""
        try:
            async with asyncio.timeout(self._limits.handshake_s):
                reply = await talk.answer(await self._message(socket))
        except TimeoutError:
            raise ProtocolError(f"no hello came within {self._limits.handshake_s:g} s.") from None
        if not self._doors.enter(socket):
            self.hub.gauges.refused["connections"] += 1
            await socket.close(CloseCode.TRY_AGAIN_LATER, f"{self._limits.connections} connections are open already.")
            return False
        await socket.send(await packed(reply))
        return talk.greeted

    async def _converse(self, socket: Visit, talk: Conversation) -> None:
        """Hear requests and send answers, as they come, until the connection ends."""
        gate, mouth = asyncio.Semaphore(self._limits.inflight), asyncio.Lock()

        async def answer(data: str | bytes) -> None:
            try:
                reply = await talk.answer(data)
                async with mouth:  # one answer at a time is in bytes, however slowly it is read
                    await socket.send(await packed(reply))
            finally:
                gate.release()

        async with asyncio.TaskGroup() as answers:
            while True:
                await gate.acquire()
                answers.create_task(answer(await self._message(socket)))

    async def _message(self, socket: ServerConnection) -> str | bytes:
        """The next message, whose pieces are counted: empty ones cost memory too, and no size limit sees them."""
        pieces: list[str] | list[bytes] = []
        async for piece in socket.recv_streaming():
            pieces.append(piece)  # type: ignore[arg-type]  # all of one message are of one kind
            if len(pieces) > self._limits.message_pieces:
                raise TooLongError(f"a message comes in at most {self._limits.message_pieces} pieces.")
        return b"".join(pieces) if isinstance(pieces[0], bytes) else "".join(pieces)


def page(socket: ServerConnection, body: str, kind: str) -> Response:
    """A plain answer."""
    response = socket.respond(HTTPStatus.OK, body)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = kind
    response.headers["Cache-Control"] = "no-store"
    return response


async def hang_up(socket: ServerConnection, code: CloseCode, problems: BaseExceptionGroup[ProtocolError]) -> None:
    """Close, and say why in the 120 bytes that a close frame has room for."""
    reason = str(problems.exceptions[0]).encode()[:120].decode(errors="ignore")
    with contextlib.suppress(ConnectionClosed):
        await socket.close(code, reason)
