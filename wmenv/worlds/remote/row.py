"""One row of a remote world: the session that it is on the server, and all it takes to make that session again.

A server keeps nothing when it dies, so its clients do: where the row came from, and every move since. Knows nothing of
connections.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from wmenv.contract import Direction, Start

LOST = "lost"  # the name of no session: what such a row was on the server nobody knows


@dataclass(frozen=True)
class Opened:
    """It began at step 0."""

    start: Start
    seed: int
    step: int = 0


@dataclass(frozen=True)
class Moment:
    """It was these bytes at `step`."""

    data: bytes
    step: int


@dataclass(frozen=True)
class Did:
    """One move, as its message says it."""

    action: int | list[float]
    direction: Direction | None


@dataclass(eq=False)
class Row:
    """Belongs to one state at a time; when nobody has it any more, its session is litter, to be closed."""

    session: str
    origin: Opened | Moment
    litter: deque[str]
    since: list[Did] = field(default_factory=list)

    @property
    def step(self) -> int:
        """How many steps it has made."""
        return self.origin.step + len(self.since)

    def forked(self, session: str) -> Row:
        """A row with the same past, which is `session` on the server."""
        return Row(session, self.origin, self.litter, list(self.since))

    def lose(self) -> None:
        """Forget the session: what became of it is not known, so it is to be made again."""
        self.litter.append(self.session)
        self.session = LOST

    def __del__(self) -> None:
        self.litter.append(self.session)
