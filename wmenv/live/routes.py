"""What the server answers: the files of the page by name, files of a room out and in, and the socket of each page.

Paths from a browser never reach the disk: the page's files are read once, and what is saved or dropped stays in memory.
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import PurePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from wmenv.errors import OptionError
from wmenv.live.door import COOKIE, Door
from wmenv.live.house import House
from wmenv.live.people import Person
from wmenv.live.room import Room
from wmenv.live.save import Kind
from wmenv.live.visit import REFUSED, Visit, close

MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SAFE = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

router = APIRouter()


def the_house(asked: HTTPConnection) -> House:
    return asked.app.state.house


def the_door(asked: HTTPConnection) -> Door:
    return asked.app.state.door


TheHouse = Annotated[House, Depends(the_house)]
TheDoor = Annotated[Door, Depends(the_door)]


def let_in(asked: HTTPConnection, door: TheDoor) -> None:
    door.check(asked)


def inside(room: str, house: TheHouse, x_wmenv_visitor: Annotated[str, Header()] = "") -> tuple[Room, Person]:
    """A room, and who asks in it."""
    found = house.rooms.get(room)
    person = found.people.everyone.get(x_wmenv_visitor) if found is not None else None
    if found is None or person is None:
        raise OptionError("you are not in that room, or it is no more. Load the page again.")
    return found, person


Inside = Annotated[tuple[Room, Person], Depends(inside)]
Step = Annotated[int, Query(ge=0)]
Seed = Annotated[int, Query(ge=0, lt=2**53)]

# --- the page --------------------------------------------------------------------------------------------------------


@router.get("/health")
async def health(house: TheHouse) -> dict[str, Any]:
    return {"ok": True, "rooms": len(house.rooms), "waiting": house.stock.waiting}


@router.get("/")
async def index(door: TheDoor, token: str = "") -> Response:
    """The page; a token in the address becomes a cookie, so that it is not handed on with a link."""
    if not token or not door.knows(token):
        return await page_file("index.html")
    answer = Response(status_code=303, headers={"location": "./"})
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return answer


@router.get("/{name}")
async def page_file(name: str) -> Response:
    """A file of the page."""
    if name not in page_files():
        return JSONResponse({"detail": f"there is no {name!r} here."}, 404)
    data, media = page_files()[name]
    return Response(data, media_type=media, headers=SAFE)


@functools.cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """Every file of the page by name, with its media type."""
    folder = resources.files("wmenv.live").joinpath("page")
    media = {file.name: MEDIA.get(PurePath(file.name).suffix) for file in folder.iterdir()}
    return {name: (folder.joinpath(name).read_bytes(), kind) for name, kind in media.items() if kind}


# --- files of a room -------------------------------------------------------------------------------------------------


@router.get("/rooms/{room}/save", dependencies=[Depends(let_in)])
async def save(asked: Inside, kind: Kind, branch: Step, first: Step, last: Step) -> Response:
    """Some moments as a file."""
    room, _ = asked
    saved = await room.save(kind, branch, first, last)
    headers = {"content-disposition": f'attachment; filename="{saved.name}"', **SAFE}
    return Response(saved.data, media_type=saved.media, headers=headers)


@router.post("/rooms/{room}/begin", dependencies=[Depends(let_in)])
async def begin(request: Request, asked: Inside, kind: Literal["picture", "moment"], seed: Seed) -> dict[str, bool]:
    """A scene from the picture or the moment that is sent."""
    room, person = asked
    await room.begin_from(person, kind, await body(request, room.scene.most_bytes(kind)), seed)
    return {"ok": True}


async def body(request: Request, most: int) -> bytes:
    """What was sent, as far as it is short enough."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise OptionError(f"that has at most {most:,} bytes in this world.")
    return bytes(data)


# --- the socket ------------------------------------------------------------------------------------------------------


@router.websocket("/live")
async def live(socket: WebSocket, house: TheHouse, door: TheDoor) -> None:
    """A visit, or the reason why not."""
    await socket.accept()  # whoever it is, so that the page can say why it may not stay
    try:
        door.check(socket)
    except OptionError as problem:
        await close(socket, REFUSED, str(problem))
    else:
        await Visit(house, socket).go()
