"""One connection's talk with the hub: a request in, an answer out, whatever carries them.

Knows the protocol and the hub, and neither sockets nor the world. What it hears and says are messages as the wire has
them, so any socket will do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wmenv.contract import Start
from wmenv.errors import ProtocolError, StartError, WmenvError
from wmenv.serve.book import Client, Move, Session, Sight
from wmenv.serve.hub import Hub
from wmenv.serve.pictures import encoded
from wmenv.worlds.remote import schema
from wmenv.worlds.remote.wire import PROTOCOL, pack, unpack

log = logging.getLogger("wmenv.serve")


class Reply(NamedTuple):
    """An answer before it is bytes: its JSON, what was shown, in which codec, and other blobs."""

    facts: dict[str, Any]
    shown: Sequence[Sight] = ()
    codec: str = "none"
    blobs: Sequence[bytes] = ()


class Conversation:
    """Everything one connection says and hears. Use it as a context: at its end the client is not here any more."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._client: Client | None = None
        self._presence = contextlib.ExitStack()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *problem: object) -> None:
        self._presence.close()

    @property
    def greeted(self) -> bool:
        """Whether the client has said who it is."""
        return self._client is not None

    async def answer(self, data: str | bytes) -> Reply:
        """The answer to a message; a message that is none, or comes before `hello`, raises `ProtocolError`."""
        message, blobs = unpack(data, self.hub.limits.json_bytes)
        number = message.get("id")
        if type(number) is not int or not (self.greeted or message.get("op") == "hello"):
            raise ProtocolError("the first message is hello, and every message has an id, a whole number.")
        try:
            reply = await self._do(schema.request_of(message), blobs)
        except Exception as problem:
            self._note(problem)
            reply = Reply({"error": schema.error_facts(problem)})
        return reply._replace(facts={"re": number, **reply.facts})

    def _note(self, problem: Exception) -> None:
        self.hub.gauges.refused[schema.error_facts(problem)["code"]] += 1
        if not isinstance(problem, WmenvError):
            log.error("a request failed", exc_info=problem)

    async def _do(self, request: schema.AnyRequest, blobs: Sequence[memoryview]) -> Reply:
        match request:
            case schema.Hello():
                return self._hello(request)
            case schema.Open():
                starts = [start_in(part, blobs, self.hub) for part in request.starts]
                sights = await self.hub.open(self._owner, starts, request.seeds)
                sessions = self.hub.status(self._owner, [sight.session for sight in sights])
                return Reply(self._lease() | {"nbytes": [s.nbytes for s in sessions]}, sights, request.codec)
            case schema.Advance():
                sights = await self.hub.advance(self._owner, [move_in(move) for move in request.moves])
                return Reply(times(sights), sights, request.codec)
            case schema.Direct():
                direction = request.direction.direction
                made = self.hub.direct(self._owner, request.session, direction, request.ticket)
                return Reply({"received_at": made})
            case schema.Snapshot():
                kept = await self.hub.snapshot(self._owner, request.sessions)
                return Reply({"snapshots": [{"snapshot": name, "step": one.step} for name, one in kept.items()]})
            case schema.Export():
                named = (request.sessions, request.snapshots, request.together)
                return Reply({}, blobs=await self.hub.export(self._owner, *named))
            case schema.Restore():
                return self._begun(await self._restore(request, blobs))
            case schema.Fork():
                return self._begun(await self.hub.fork(self._owner, request.sessions))
            case schema.Describe():
                words, instructions = await self.hub.describe(self._owner, request.sessions)
                return Reply({"words": words, "instructions": instructions})
            case schema.Status():
                found = self.hub.status(self._owner, request.sessions)
                return Reply(self._lease() | {"sessions": [session_facts(session) for session in found]})
            case schema.Close():
                self.hub.close(self._owner, request.sessions, request.snapshots)
                return Reply({})

    def _hello(self, request: schema.Hello) -> Reply:
        if request.protocol != PROTOCOL:
            raise ProtocolError(f"this server speaks protocol {PROTOCOL}, not {request.protocol}.")
        if self.greeted:
            raise ProtocolError("hello was said before; a connection has one client.")
        self._client = self._presence.enter_context(self.hub.client(request.client))
        return Reply(
            {
                "protocol": PROTOCOL,
                "boot": self.hub.boot,
                "world": schema.spec_message(self.hub.spec),
                "instructs": self.hub.instructs,
                "limits": self.hub.limits.model_dump(),
            }
        )

    async def _restore(self, request: schema.Restore, blobs: Sequence[memoryview]) -> list[Session]:
        if (request.moment is None) == (not request.snapshots):
            raise ProtocolError("restore takes either snapshots or a moment.")
        if request.moment is None:
            return await self.hub.restore(self._owner, request.snapshots)
        return await self.hub.revive(self._owner, blob_at(request.moment, blobs), request.step)

    @property
    def _owner(self) -> Client:
        assert self._client is not None, "nothing is done before hello"
        return self._client

    def _lease(self) -> dict[str, Any]:
        return {"lease_s": self.hub.limits.lease_s}

    def _begun(self, sessions: Sequence[Session]) -> Reply:
        facts = [session_facts(session) for session in sessions]
        return Reply(self._lease() | {"sessions": facts})


# --- what comes in --------------------------------------------------------------------------------------------------


def blob_at(place: int, blobs: Sequence[memoryview]) -> bytes:
    if place >= len(blobs):
        raise ProtocolError(f"the message speaks of blob {place}, but brings {len(blobs)}.")
    return bytes(blobs[place])


def start_in(part: schema.StartPart, blobs: Sequence[memoryview], hub: Hub) -> Start:
    """A start with its bytes in place."""
    picture = None if part.picture is None else picture_in(blob_at(part.picture, blobs), hub)
    moment = None if part.moment is None else blob_at(part.moment, blobs)
    return Start(part.template, picture, moment, part.prompt)


def picture_in(pixels: bytes, hub: Hub) -> np.ndarray:
    shape = (hub.spec.height, hub.spec.width, 3)
    if len(pixels) != math.prod(shape):
        raise StartError(f"a start picture here has {' x '.join(map(str, shape))} bytes, this one {len(pixels)}.")
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def move_in(part: schema.Move) -> Move:
    action = tuple(part.action) if isinstance(part.action, list) else part.action
    return Move(part.session, part.step, action, part.direction.direction if part.direction else None)


# --- what goes out --------------------------------------------------------------------------------------------------


def session_facts(session: Session) -> dict[str, Any]:
    return {"session": session.name, "step": session.step, "nbytes": session.nbytes}


def times(sights: Sequence[Sight]) -> dict[str, Any]:
    """How long the slowest of these waited and took, and with how many others."""
    slowest = max(sights, key=lambda sight: sight.waited_ms)
    return {
        "waited_ms": round(slowest.waited_ms, 3),
        "world_ms": round(slowest.world_ms, 3),
        "rows": slowest.rows,
    }


async def packed(reply: Reply) -> str | bytes:
    """A reply as what is sent; pictures are compressed outside the event loop."""
    if not reply.shown:
        return pack(reply.facts, reply.blobs)
    return await asyncio.to_thread(_with_pictures, reply)


def _with_pictures(reply: Reply) -> str | bytes:
    blobs = list(reply.blobs)
    shown = [sight_facts(sight, reply.codec, blobs) for sight in reply.shown]
    return pack({**reply.facts, "shown": shown}, blobs)


def sight_facts(sight: Sight, codec: str, blobs: list[bytes]) -> dict[str, Any]:
    """What was shown as JSON; pictures and sound are added to `blobs`."""
    facts: dict[str, Any] = {"session": sight.session, "step": sight.step}
    if codec != "none":
        facts["frames"] = [added(blobs, encoded(frame, codec)) for frame in sight.frames]
    if sight.reward is not None:
        facts["reward"] = finite(sight.reward)
    if sight.terminated is not None:
        facts["terminated"] = sight.terminated
    if sight.audio is not None:
        facts["audio"] = added(blobs, sight.audio.astype("<i2").tobytes())
    if sight.pose is not None:
        facts["pose"] = [finite(value) for value in sight.pose.tolist()]
    if sight.answer is not None:
        text, receipt, received, applied, ticket = sight.answer
        facts["receipt"] = {
            "text": text,
            "applied": receipt.applied,
            "reason": receipt.reason,
            "received_at": received,
            "applied_at": applied,
            "ticket": ticket,
        }
    if sight.events:
        facts["events"] = [{"kind": event.kind, "detail": event.detail} for event in sight.events]
    return facts


def added(blobs: list[bytes], blob: bytes) -> int:
    blobs.append(blob)
    return len(blobs) - 1


def finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
