"""All rooms of a server: who goes where, who waits for a place and in which position, and when a place is free again.

A room is kept for its people through reloads and short breaks. While somebody waits, a room in which nobody has done
anything for the length of a lease gives its place up. Knows nothing of sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from pydantic import PositiveFloat, PositiveInt

from wmenv.config import Config
from wmenv.errors import BusyError
from wmenv.live.messages import told
from wmenv.live.people import Outbox
from wmenv.live.room import Room
from wmenv.live.stock import Stock

SWEEP_S = 1.0

log = logging.getLogger("wmenv.live")


class Rules(Config):
    """How much of the server anybody may have."""

    rooms: PositiveInt = 8
    queue: PositiveInt = 64  # people who may wait for a room
    idle_s: PositiveFloat = 180.0  # how long a room may stand unused while somebody waits
    grace_s: PositiveFloat = 120.0  # how long somebody who has gone is waited for
    moment_bytes: PositiveInt = 96 * 2**20  # of world states that one room keeps


@dataclass(eq=False)
class Waiting:
    """Somebody in line."""

    key: str
    outbox: Outbox
    called: asyncio.Future[Room] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class House:
    """The rooms of one world. Use it as an asynchronous context."""

    def __init__(self, world: str, settings: dict[str, Any], rules: Rules) -> None:
        self.rules = rules
        self.stock = Stock(world, settings, rules.rooms)
        self.rooms: dict[str, Room] = {}
        self._line: list[Waiting] = []
        self._opening = 0
        self._open = contextlib.AsyncExitStack()
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.stock)
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, kind: type | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for room in list(self.rooms.values()):
            await self._close(room)
        await self._open.aclose()

    def room_of(self, key: str) -> Room | None:
        """The room where somebody is known."""
        return next((room for room in self.rooms.values() if key in room.people.everyone), None)

    async def admit(self, key: str, asked: str | None, outbox: Outbox) -> Room:
        """The room for somebody: the one they ask for, the one they were in, or one of their own as soon as there is
        a place; while they wait, `outbox` is told of their position."""
        room = self.rooms.get(asked or "") or self.room_of(key)
        if room is not None:
            return room
        if asked:
            outbox.say(told("note", text="That room is no more. This one is your own."))
        if not self._line and len(self.rooms) + self._opening < self.rules.rooms:
            return await self._new_room()
        return await self._wait(Waiting(key, outbox))

    async def _wait(self, waiting: Waiting) -> Room:
        """Stand in line."""
        if len(self._line) >= self.rules.queue:
            raise BusyError(
                f"all {self.rules.rooms} places are taken and {self.rules.queue} people wait. Come back later."
            )
        self._line.append(waiting)
        self._tell_line()
        try:
            return await waiting.called
        finally:
            if waiting in self._line:
                self._line.remove(waiting)
            self._tell_line()

    def _tell_line(self) -> None:
        """Tell who waits where they stand, and who does not that somebody waits."""
        self.stock.waiting = len(self._line)
        for room in self.rooms.values():
            for person in room.people.here:
                person.say(told("waiting", people=len(self._line)))
        for position, waiting in enumerate(self._line, start=1):
            facts = {"position": position, "running": len(self.rooms), "limit": self.rules.rooms}
            waiting.outbox.say(told("queue", **facts))

    async def _new_room(self) -> Room:
        room = Room(secrets.token_urlsafe(9), self.stock, self.rules.moment_bytes, self.rules.grace_s)
        self._opening += 1
        try:
            await room.start()
        except BaseException:  # whoever it is for may leave meanwhile
            await room.close()
            raise
        finally:
            self._opening -= 1
        self.rooms[room.name] = room
        return room

    async def _close(self, room: Room) -> None:
        del self.rooms[room.name]
        await room.close()

    # --- housekeeping -----------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._tidy()
            except Exception:  # whatever it is, the next sweep has to come
                log.exception("housekeeping failed")

    async def _tidy(self) -> None:
        """Forget who is gone, close what is empty or idle, and call in who waits."""
        for room in list(self.rooms.values()):
            room.scene.keep_alive()
            if room.people.forget():
                room.tell_all()
            if not room.people.everyone and time.monotonic() - room.used_at > self.rules.grace_s:
                await self._close(room)
        if self._line and len(self.rooms) >= self.rules.rooms:
            await self._evict()
        while self._line and len(self.rooms) + self._opening < self.rules.rooms:
            await self._call_in()

    async def _evict(self) -> None:
        """End the room that has been idle longest, if that is longer than a lease."""
        idlest = min(self.rooms.values(), key=lambda room: room.used_at)
        away = [room for room in self.rooms.values() if not room.people.here]
        if away:
            idlest = min(away, key=lambda room: room.used_at)
        if time.monotonic() - idlest.used_at > self.rules.idle_s:
            why = (
                f"Nothing was done here for {self.rules.idle_s:g} s while somebody waited, so the place is theirs now."
            )
            for person in idlest.people.here:
                person.say(told("ended", text=why))
            await self._close(idlest)

    async def _call_in(self) -> None:
        """A room for whoever is first in line when it is ready."""
        room = await self._new_room()
        if not self._line:
            await self._close(room)
            return
        self._line.pop(0).called.set_result(room)
        self._tell_line()
