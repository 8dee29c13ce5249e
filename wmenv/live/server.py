"""The live page over HTTP and WebSocket: its files, one socket per visitor, and files in and out.

Paths from a browser never reach the disk: the page's files are read once and served by name. Knows who may connect,
and how fast anybody may talk; what they say goes to their room.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import PurePath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import FastAPI, Header, Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from wmenv.errors import BusyError, OptionError, ProtocolError, WmenvError
from wmenv.live.house import House, Rules
from wmenv.live.messages import Hello, message_of, told
from wmenv.live.people import Outbox, Person
from wmenv.live.room import Room
from wmenv.live.save import Kind
from wmenv.worlds.remote.wire import pack

MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SAFE = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
COOKIE = "wmenv-token"
HELLO_S = 5.0  # from the connection to who is there
TALK_PER_S, TALK_BURST = 120.0, 240.0  # messages of one page
MOST_MISTAKES = 20  # messages that fit nothing; whoever sends more is no page of ours
LONGEST_MESSAGE = 2**16  # bytes; pictures and moments come by HTTP
LOOPBACK = ("127.0.0.1", "::1", "localhost")

POLICY, TOO_MUCH, REPLACED, FULL, ENDED = 4003, 4008, 4009, 4013, 4010  # why a socket is closed for good


def page_files() -> dict[str, tuple[bytes, str]]:
    """Every file of the page by name, with its media type."""
    folder = resources.files("wmenv.live").joinpath("page")
    known = [(file.name, MEDIA.get(PurePath(file.name).suffix)) for file in folder.iterdir()]
    return {name: (folder.joinpath(name).read_bytes(), media) for name, media in known if media}


def make_app(
    world: str, settings: dict[str, Any] | None = None, rules: Rules | None = None, token: str | None = None
) -> FastAPI:
    """The server of a world's live page. With a `token` only those who bring it may connect."""
    house = House(world, settings or {}, rules or Rules())
    door = Door(token)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with house:
            yield

    app = FastAPI(title="wmenv live", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.house = house
    files = page_files()

    @app.exception_handler(WmenvError)
    async def refused(request: Request, problem: WmenvError) -> JSONResponse:
        status = 503 if isinstance(problem, BusyError) else 400
        return JSONResponse({"detail": str(problem)}, status)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"ok": True, "rooms": len(house.rooms), "waiting": house.stock.waiting}

    @app.get("/")
    async def index(request: Request, token: str = "") -> Response:
        if token and door.knows(token):
            answer = Response(status_code=303, headers={"location": "./"})
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return answer
        return await file_of("index.html")

    @app.get("/{name}")
    async def file_of(name: str) -> Response:
        if name not in files:
            return JSONResponse({"detail": f"there is no {name!r} here."}, 404)
        data, media = files[name]
        return Response(data, media_type=media, headers=SAFE)

    @app.get("/rooms/{room}/save")
    async def save(
        request: Request,
        room: str,
        kind: Kind,
        branch: Annotated[int, Query(ge=0)],
        first: Annotated[int, Query(ge=0)],
        last: Annotated[int, Query(ge=0)],
        x_wmenv_visitor: Annotated[str, Header()] = "",
    ) -> Response:
        door.check(request)
        found, _ = _known(house, room, x_wmenv_visitor)
        saved = await found.save(kind, branch, first, last)
        headers = {"content-disposition": f'attachment; filename="{saved.name}"', **SAFE}
        return Response(saved.data, media_type=saved.media, headers=headers)

    @app.post("/rooms/{room}/begin")
    async def begin(
        request: Request,
        room: str,
        kind: Literal["picture", "moment"],
        seed: Annotated[int, Query(ge=0, lt=2**53)],
        x_wmenv_visitor: Annotated[str, Header()] = "",
    ) -> dict[str, bool]:
        door.check(request)
        found, person = _known(house, room, x_wmenv_visitor)
        await found.begin_from(person, kind, await _body(request, found.scene.most_bytes(kind)), seed)
        return {"ok": True}

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        try:
            door.check(socket)
        except OptionError as problem:
            await socket.accept()  # so that the page can say why
            await socket.close(POLICY, _short(str(problem)))
            return
        await socket.accept()
        await Visit(house, socket).go()

    return app


def _known(house: House, room: str, visitor: str) -> tuple[Room, Person]:
    """A room, and who asks in it."""
    found = house.rooms.get(room)
    person = found.people.everyone.get(visitor) if found is not None else None
    if found is None or person is None:
        raise OptionError("you are not in that room, or it is no more. Load the page again.")
    return found, person


async def _body(request: Request, most: int) -> bytes:
    """What was sent, as far as it is short enough."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise OptionError(f"that has at most {most:,} bytes in this world.")
    return bytes(data)


class Door:
    """Who may come in: pages from this very server, that bring the token if there is one."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def knows(self, token: str) -> bool:
        return self._token is None or hmac.compare_digest(token.encode(), self._token.encode())

    def check(self, asked: Request | WebSocket) -> None:
        """Raise unless this request may be answered."""
        host = asked.headers.get("host", "")
        origin = asked.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise OptionError(f"a page from {origin} may not connect here.")
        if self._token is None and urlsplit(f"//{host}").hostname not in LOOPBACK:
            raise OptionError(
                f"this server answers on this machine alone, not as {host!r}."
            )  # a name bent to 127.0.0.1
        if not self.knows(asked.cookies.get(COOKIE, "")):
            raise OptionError("a token is needed. Open the whole link that `wmenv live` printed.")


class Visit:
    """One page, connected: its messages go to its room, the room's go to it."""

    def __init__(self, house: House, socket: WebSocket) -> None:
        self._house, self._socket = house, socket
        self._outbox = Outbox()
        self._credit, self._credited_at = TALK_BURST, time.monotonic()
        self._mistakes = 0

    async def go(self) -> None:
        """Until the page or the server has had enough."""
        try:
            async with asyncio.timeout(HELLO_S):
                hello = message_of(await self._socket.receive_text())
            if not isinstance(hello, Hello):
                raise ProtocolError("the first message says who is there: hello.")
        except (ProtocolError, TimeoutError, KeyError) as problem:
            await self._socket.close(POLICY, _short(str(problem) or "nobody said hello in time."))
            return
        except WebSocketDisconnect:
            return
        sending = asyncio.create_task(self._send())
        listening = asyncio.create_task(self._stay(hello))
        await asyncio.wait([sending, listening], return_when=asyncio.FIRST_COMPLETED)
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)

    async def _stay(self, hello: Hello) -> None:
        """Find the room, and listen."""
        try:
            room = await self._admitted(hello)
            person = room.people.join(hello.visitor, self._outbox)
        except WmenvError as problem:
            await self._bye(FULL, str(problem))
            return
        except WebSocketDisconnect:
            return
        try:
            room.welcome(person)
            while True:
                await self._hear(room, person, await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: bytes came where text should
            pass
        finally:
            room.people.leave(person, self._outbox)
            if room.people.may(person, "move"):
                room.hands.let_go()
            room.tell_all()

    async def _admitted(self, hello: Hello) -> Room:
        """The room, waited for if need be; whoever leaves meanwhile gives up their place in line."""
        self._outbox.say(told("welcome"))
        entering = asyncio.ensure_future(self._house.admit(hello.visitor, hello.room, self._outbox))
        gone = asyncio.ensure_future(self._socket.receive_text())
        try:
            while True:
                await asyncio.wait([entering, gone], return_when=asyncio.FIRST_COMPLETED)
                if entering.done():
                    return entering.result()
                gone.result()  # raises if the page has left; anything it says while it waits is passed over
                gone = asyncio.ensure_future(self._socket.receive_text())
        finally:
            for task in (entering, gone):
                task.cancel()
            await asyncio.gather(entering, gone, return_exceptions=True)

    async def _hear(self, room: Room, person: Person, text: str) -> None:
        """One message. What cannot be done is said to whoever asked, and to nobody else."""
        self._spend()
        try:
            await room.hear(person, message_of(text))
        except ProtocolError as problem:
            self._mistakes += 1
            if self._mistakes > MOST_MISTAKES:
                await self._bye(POLICY, "too many messages that fit nothing.")
                raise WebSocketDisconnect(POLICY) from None
            person.say(told("problem", text=str(problem)))
        except WmenvError as problem:
            person.say(told("problem", text=str(problem)))

    def _spend(self) -> None:
        """Count a message; whoever talks faster than anybody can press keys is let go."""
        now = time.monotonic()
        self._credit = min(TALK_BURST, self._credit + TALK_PER_S * (now - self._credited_at)) - 1
        self._credited_at = now
        if self._credit < 0:
            self._outbox.say(told("ended", text="This page sent more than the server reads."))
            raise WebSocketDisconnect(TOO_MUCH)

    async def _send(self) -> None:
        """What the outbox holds, one after the other; a page that does not read delays nobody but itself."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed meanwhile
            while True:
                message = await self._outbox.next()
                if self._outbox.overfull:
                    await self._bye(TOO_MUCH, "This page reads too slowly.")
                    return
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(str(pack(message)))
                    if message["kind"] == "ended":
                        await self._bye(ENDED, message["text"])
                        return

    async def _bye(self, code: int, why: str) -> None:
        with contextlib.suppress(RuntimeError):
            await self._socket.close(code, _short(why))


def _short(why: str) -> str:
    """As much of a reason as a closing frame takes."""
    return why.encode()[:120].decode(errors="ignore")


def serve(app: FastAPI, host: str, port: int) -> None:
    """Run the server until it is interrupted."""
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,  # small pictures cost more to compress than to send
        timeout_graceful_shutdown=3,
    )
