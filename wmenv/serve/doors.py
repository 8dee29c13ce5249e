"""Who may come in, and how many: connections that have not said hello are few, and the newest of them stay.

So a thousand that never say it cost a bounded number of sockets, and keep nobody out who does. Knows nothing of worlds.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Request, ServerConnection
from websockets.frames import Frame, Opcode

from wmenv.serve.limits import Limits

PINGS_UNREAD = 1000  # pings of somebody who reads no answers, before we hang up


class Doors:
    """Counts connections, and pushes the oldest out of those that have not said hello."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[Visit, None] = {}  # in the order in which they came
        self._inside: set[Visit] = set()
        self.pushed_out = 0

    def knock(self, visit: Visit) -> None:
        """Somebody has connected."""
        self._waiting[visit] = None
        if len(self._waiting) > self._limits.half_open:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()
            self.pushed_out += 1

    def enter(self, visit: Visit) -> bool:
        """Whether there is room for somebody who has said hello."""
        self._waiting.pop(visit, None)
        if len(self._inside) >= self._limits.connections:
            return False
        self._inside.add(visit)
        return True

    def leave(self, visit: Visit) -> None:
        self._waiting.pop(visit, None)
        self._inside.discard(visit)

    def now(self) -> dict[str, float]:
        """How many there are."""
        return {"connections": len(self._inside), "half_open": len(self._waiting)}


class Visit(ServerConnection):
    """One connection, which the doors know of from its first byte to its last."""

    doors: Doors  # set by the subclass that `visits_through` makes
    _pings = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.doors.knock(self)

    def connection_lost(self, problem: Exception | None) -> None:
        self.doors.leave(self)
        super().connection_lost(problem)

    def process_event(self, event: object) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self._pings = self._pings + 1 if self.transport.get_write_buffer_size() else 0
            if self._pings > PINGS_UNREAD:
                self.transport.abort()
        super().process_event(event)  # type: ignore[arg-type]  # its own type of event


def visits_through(doors: Doors) -> type[Visit]:
    """The kind of connection that goes through these doors."""
    return type("Visit", (Visit,), {"doors": doors})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at `host`.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(request: Request, token: str | None, origins: frozenset[str]) -> tuple[HTTPStatus, str] | None:
    """Why this request may not come in, or None if it may.

    A web page comes in from an origin that was named, or from the server's own host. Without a token that host must be
    loopback by name, or any page could give its own name to 127.0.0.1.
    """
    if token is not None and not hmac.compare_digest(_token_in(request).encode(), token.encode()):
        return HTTPStatus.UNAUTHORIZED, "This server wants a token: 'Authorization: Bearer TOKEN', or ?token=TOKEN.\n"
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    own = origin is not None and urlsplit(origin).netloc == host and (token or is_loopback(_name_in(host)))
    if origin is not None and origin not in origins and not own:
        return HTTPStatus.FORBIDDEN, f"Pages from {origin[:100]} may not connect; --origin lets them.\n"
    return None


def _token_in(request: Request) -> str:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer":
        return given.strip()
    return parse_qs(urlsplit(request.path).query).get("token", [""])[0]


def _name_in(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""
