"""What may be asked of a server of worlds, and how an answer speaks of what a world showed.

The models are the protocol: a request that does not fit one is refused, with the field named. `docs/protocol.md` says
the same for people. Knows nothing of sockets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from wmenv import errors
from wmenv.contract import Direction, WorldSpec
from wmenv.episodes import spec_facts, spec_of
from wmenv.errors import ProtocolError, WmenvError

MOST_ROWS = 1024  # in one message, whatever a server's own limits are
MOST_NUMBERS = 4096  # fields of one action
LONGEST_ID = 64
LONGEST_SOUND = 2**20  # characters, of a step

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Names = Annotated[list[Name], Field(max_length=MOST_ROWS)]
Blob = Annotated[int, Field(ge=0, lt=MOST_ROWS)]  # the place of a blob in the message
Natural = Annotated[int, Field(ge=0, lt=2**53)]  # what every language's JSON can hold
Seed = Annotated[int, Field(ge=0, lt=2**64)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Codec = Literal["raw", "png", "jpeg", "none"]


class Part(BaseModel):
    """Something in a message: closed to unknown keys, and free of conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StartPart(Part):
    """A `Start`; `picture` and `moment` are places of blobs."""

    template: str | None = None
    prompt: str | None = None
    picture: Blob | None = None
    moment: Blob | None = None


class DirectionPart(Part):
    """A `Direction`; its `sound` is in hexadecimal."""

    text: str
    lock: Annotated[list[Natural], Field(min_length=4, max_length=4)] | None = None
    sound: Annotated[str, Field(max_length=LONGEST_SOUND, pattern=r"^([0-9a-f]{2})+$")] | None = None

    @classmethod
    def of(cls, direction: Direction) -> dict[str, Any]:
        sound = {"sound": direction.sound.hex()} if direction.sound else {}
        return {"text": direction.text, "lock": direction.lock and list(direction.lock)} | sound

    @property
    def direction(self) -> Direction:
        lock = (self.lock[0], self.lock[1], self.lock[2], self.lock[3]) if self.lock else None
        return Direction(self.text, lock, bytes.fromhex(self.sound) if self.sound else None)


class Move(Part):
    """One step of one session. `step` is the number of that step; a retry has the same and is never made twice."""

    session: Name
    step: Natural
    action: Annotated[int, Field(ge=-(2**31), lt=2**31)] | Annotated[list[Number], Field(max_length=MOST_NUMBERS)]
    direction: DirectionPart | None = None


class Request(Part):
    """What every request has: a number of the client's choice, which the answer repeats as `re`."""

    id: Natural


class Hello(Request):
    """Who is there. The same `client` on another connection is the same client, with its sessions."""

    op: Literal["hello"]
    protocol: int
    client: Annotated[str, Field(min_length=16, max_length=LONGEST_ID)]


class Open(Request):
    """New sessions."""

    op: Literal["open"]
    starts: Annotated[list[StartPart], Field(min_length=1, max_length=MOST_ROWS)]
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=MOST_ROWS)]
    codec: Codec = "raw"


class Advance(Request):
    """One step of each of several sessions, all of them or none."""

    op: Literal["advance"]
    moves: Annotated[list[Move], Field(min_length=1, max_length=MOST_ROWS)]
    codec: Codec = "raw"


class Direct(Request):
    """A direction for the next step that nobody has asked for yet. The same ticket again is the same direction."""

    op: Literal["direct"]
    session: Name
    ticket: Name
    direction: DirectionPart


class Snapshot(Request):
    """Keep these sessions as they are, on the server."""

    op: Literal["snapshot"]
    sessions: Annotated[Names, Field(min_length=1)]


class Export(Request):
    """The state of sessions or snapshots as bytes: one blob for each, or `together` in one."""

    op: Literal["export"]
    sessions: Names = []
    snapshots: Names = []
    together: bool = False


class Restore(Request):
    """New sessions that go on from snapshots, or from the states in a blob, which were at `step`."""

    op: Literal["restore"]
    snapshots: Names = []
    moment: Blob | None = None
    step: Natural = 0


class Fork(Request):
    """New sessions with the past of others."""

    op: Literal["fork"]
    sessions: Annotated[Names, Field(min_length=1)]


class Describe(Request):
    """What is in view of each session, and its task, in words."""

    op: Literal["describe"]
    sessions: Annotated[Names, Field(min_length=1)]


class Status(Request):
    """How sessions are; asking renews their leases."""

    op: Literal["status"]
    sessions: Names = []


class Close(Request):
    """Give back what is not needed; what is not there is passed over."""

    op: Literal["close"]
    sessions: Names = []
    snapshots: Names = []


AnyRequest = Hello | Open | Advance | Direct | Snapshot | Export | Restore | Fork | Describe | Status | Close
_requests: TypeAdapter[AnyRequest] = TypeAdapter(Annotated[AnyRequest, Field(discriminator="op")])


def request_of(message: Mapping[str, Any]) -> AnyRequest:
    """The request in a message; `ProtocolError` names the first field that does not fit."""
    try:
        return _requests.validate_python(dict(message))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"{place or 'request'}: {first['msg']}. See docs/protocol.md.") from None


# --- errors ---------------------------------------------------------------------------------------------------------


def error_facts(problem: Exception) -> dict[str, Any]:
    """An error as an answer tells it. What is no error of ours is a bug, and its text stays on the server."""
    if not isinstance(problem, WmenvError):
        return {"code": "ServerError", "message": "the server failed at this; its log says how."}
    known = {"code": type(problem).__name__, "message": str(problem)}
    return known | {name: getattr(problem, name) for name in ("gone", "retry_after_s") if hasattr(problem, name)}


def error_of(facts: Mapping[str, Any]) -> WmenvError:
    """The error that an answer tells of."""
    code, message = str(facts.get("code")), str(facts.get("message"))
    if code == "SessionError":
        return errors.SessionError(message, gone=tuple(facts.get("gone", ())))
    if code == "BusyError":
        return errors.BusyError(message, retry_after_s=float(facts.get("retry_after_s", 1.0)))
    kind = getattr(errors, code, None)
    if isinstance(kind, type) and issubclass(kind, WmenvError):
        return kind(message)
    return errors.RemoteError(f"{code}: {message}")


# --- the spec -------------------------------------------------------------------------------------------------------


def spec_message(spec: WorldSpec) -> dict[str, Any]:
    """A spec as JSON; a bound that is infinite is null."""
    facts = spec_facts(spec.with_(output="numpy"))
    for bound in ("low", "high"):
        facts["actions"][bound] = [value if math.isfinite(value) else None for value in facts["actions"][bound]]
    return facts


def spec_in(facts: Mapping[str, Any]) -> WorldSpec:
    """The spec in a server's answer to `hello`."""
    actions = dict(facts["actions"])
    for bound, infinite in (("low", -math.inf), ("high", math.inf)):
        actions[bound] = [infinite if value is None else value for value in actions[bound]]
    return spec_of({**facts, "actions": actions})
