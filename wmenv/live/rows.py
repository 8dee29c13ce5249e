"""The rows of one room in the hub of a world: opened, stepped, kept as values, and put back.

The hub steps rows of all rooms together. Values can go from one hub to another that runs the same world with other
settings. Knows nothing of timelines.
"""

from __future__ import annotations

import contextlib
import secrets

from wmenv.contract import Actions, Direction, Start
from wmenv.serve.book import Kept, Move, Sight
from wmenv.serve.hub import Hub


class Rows:
    """What one room has in a hub; the hub knows it as the client `name`."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self._open = contextlib.ExitStack()
        self._client = self._open.enter_context(hub.client(name))

    async def open(self, start: Start, seed: int) -> Sight:
        """A new row."""
        [sight] = await self.hub.open(self._client, [start], [seed])
        return sight

    async def advance(self, row: str, action: Actions, direction: Direction | None) -> Sight:
        """One step of one row; `action` is the table's array for it."""
        [session] = self.hub.status(self._client, [row])
        wanted = int(action[0]) if action.ndim == 1 else tuple(action[0].tolist())
        [sight] = await self.hub.advance(self._client, [Move(row, session.asked + 1, wanted, direction)])
        return sight

    async def keep(self, row: str) -> Kept:
        """The row as it is now, as a value that is ours alone."""
        [(name, kept)] = (await self.hub.snapshot(self._client, [row])).items()
        self.hub.close(self._client, snapshots=[name])
        return kept

    async def put(self, kept: Kept) -> str:
        """A row that goes on from a value; the value can be used again."""
        name = secrets.token_urlsafe(12)
        self._client.snapshots[name] = kept
        try:
            [session] = await self.hub.restore(self._client, [name])
        finally:
            self.hub.close(self._client, snapshots=[name])
        return session.name

    def stands_at(self, row: str, tip: int) -> bool:
        """Whether the row is there, with that step as its last."""
        session = self._client.sessions.get(row)
        return session is not None and session.step == session.asked == tip

    async def words(self, row: str) -> str | None:
        """What is in view, in the world's words."""
        words, _ = await self.hub.describe(self._client, [row])
        return words[0] if words else None

    def renew(self) -> None:
        """Keep what is ours, though it stands still."""
        self.hub.status(self._client, list(self._client.sessions))

    def drop(self, *rows: str) -> None:
        self.hub.close(self._client, sessions=rows)

    def close(self) -> None:
        """Give everything back."""
        self.drop(*self._client.sessions)
        self._open.close()
