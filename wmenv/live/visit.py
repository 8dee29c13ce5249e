"""One page, connected over a WebSocket: its messages go to its room, the room's go to it.

Knows how fast anybody may talk and how much nonsense is borne with, and nothing of what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from fastapi import WebSocket, WebSocketDisconnect

from wmenv.errors import ProtocolError, WmenvError
from wmenv.live.house import House
from wmenv.live.messages import Hello, message_of, told
from wmenv.live.people import Outbox, Person
from wmenv.live.room import Room
from wmenv.worlds.remote.wire import pack

HELLO_S = 5.0  # from the connection to who is there
TALK_PER_S, TALK_BURST = 120.0, 240.0  # messages of one page
MOST_MISTAKES = 20  # messages that fit nothing; whoever sends more is no page of ours

REFUSED, TOO_MUCH, ENDED, FULL = 4003, 4008, 4010, 4013  # why a connection is closed for good


async def close(socket: WebSocket, code: int, why: str) -> None:
    """End a connection, with as much of the reason as a closing frame takes."""
    with contextlib.suppress(RuntimeError):  # it was closed meanwhile
        await socket.close(code, why.encode()[:120].decode(errors="ignore"))


class Visit:
    """One page, from its hello until it or the server has had enough."""

    def __init__(self, house: House, socket: WebSocket) -> None:
        self._house, self._socket = house, socket
        self._outbox = Outbox()
        self._credit, self._credited_at = TALK_BURST, time.monotonic()
        self._mistakes = 0

    async def go(self) -> None:
        """Send and listen, until the first of them is over."""
        hello = await self._hello()
        if hello is None:
            return
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._stay(hello))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hello(self) -> Hello | None:
        """Who is there, or None after a good-bye to whoever does not say so."""
        try:
            async with asyncio.timeout(HELLO_S):
                hello = message_of(await self._socket.receive_text())
            if isinstance(hello, Hello):
                return hello
            await close(self._socket, REFUSED, "the first message says who is there: hello.")
        except (ProtocolError, TimeoutError, KeyError) as problem:  # KeyError: bytes came where text should
            await close(self._socket, REFUSED, str(problem) or "nobody said hello in time.")
        except WebSocketDisconnect:
            pass
        return None

    async def _stay(self, hello: Hello) -> None:
        """Find the room, and listen."""
        try:
            room = await self._admitted(hello)
            person = room.people.join(hello.visitor, self._outbox)
        except WmenvError as problem:
            await close(self._socket, FULL, str(problem))
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
            room.left(person, self._outbox)

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
        await self._spend()
        try:
            await room.hear(person, message_of(text))
        except ProtocolError as problem:
            await self._note_mistake()
            person.say(told("problem", text=str(problem)))
        except WmenvError as problem:
            person.say(told("problem", text=str(problem)))

    async def _spend(self) -> None:
        """Count a message; whoever talks faster than anybody can press keys is let go."""
        now = time.monotonic()
        self._credit = min(TALK_BURST, self._credit + TALK_PER_S * (now - self._credited_at)) - 1
        self._credited_at = now
        if self._credit < 0:
            await self._let_go("This page sent more than the server reads.")

    async def _note_mistake(self) -> None:
        self._mistakes += 1
        if self._mistakes > MOST_MISTAKES:
            await self._let_go("too many messages that fit nothing.")

    async def _let_go(self, why: str) -> None:
        await close(self._socket, TOO_MUCH, why)
        raise WebSocketDisconnect(TOO_MUCH)

    async def _send(self) -> None:
        """What the outbox holds, one after the other; a page that does not read delays nobody but itself."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed meanwhile
            while not self._outbox.overfull:
                message = await self._outbox.next()
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                    continue
                await self._socket.send_text(str(pack(message)))
                if message["kind"] == "ended":
                    await close(self._socket, ENDED, message["text"])
                    return
            await close(self._socket, TOO_MUCH, "This page reads too slowly.")
