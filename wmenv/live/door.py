"""Who may connect to the live page: pages from this very server, and beyond this machine those who bring the token."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from wmenv.errors import OptionError

COOKIE = "wmenv-token"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Door:
    """Asks whoever comes in. Without a `token` it knows this machine alone."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def knows(self, token: str) -> bool:
        """Whether that is the token, if one is needed."""
        return self._token is None or hmac.compare_digest(token.encode(), self._token.encode())

    def check(self, asked: HTTPConnection) -> None:
        """Raise unless this request may be answered."""
        host = asked.headers.get("host", "")
        origin = asked.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise OptionError(f"a page from {origin} may not connect here.")
        if self._token is None and urlsplit(f"//{host}").hostname not in LOOPBACK:  # a name bent to 127.0.0.1
            raise OptionError(f"this server answers on this machine alone, not as {host!r}.")
        if not self.knows(asked.cookies.get(COOKIE, "")):
            raise OptionError("a token is needed. Open the whole link that `wmenv live` printed.")
