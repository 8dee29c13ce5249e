"""The register of all clients: who holds which sessions and snapshots, and whether there is room for more.

Finding something renews its lease. Kept by the event loop alone. Knows nothing of the world.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from wmenv.errors import BusyError, ProtocolError, SessionError
from wmenv.serve.book import Client, Kept, Move, Session
from wmenv.serve.limits import Limits

SOON_S = 0.1  # when to ask again for what a step or two will free


class Register:
    """Clients by name, within limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.clients: dict[str, Client] = {}

    def now(self) -> dict[str, float]:
        """How much of everything there is."""
        clients = self.clients.values()
        kept = [kept.nbytes for client in clients for kept in client.snapshots.values()]
        return {
            "clients": len(clients),
            "sessions": self.session_count,
            "session_bytes": sum(session.nbytes for client in clients for session in client.sessions.values()),
            "snapshots": len(kept),
            "snapshot_bytes": sum(kept),
        }

    @property
    def session_count(self) -> int:
        return sum(len(client.sessions) for client in self.clients.values())

    def touch(self, client: Client) -> None:
        """The client has been heard of."""
        client.touched = time.monotonic()

    def sessions(self, client: Client, names: Sequence[str]) -> list[Session]:
        """The sessions of these names, whose leases begin anew."""
        self.touch(client)
        gone = [name for name in names if name not in client.sessions]
        if gone:
            raise SessionError(
                f"{len(gone)} of {len(names)} sessions are not here: closed, or idle for {self._limits.lease_s:g} s, "
                "or of a server that ran before. Restore them from what you keep.",
                gone,
            )
        found = [client.sessions[name] for name in names]
        for session in found:
            session.touched = client.touched
        return found

    def snapshots(self, client: Client, names: Sequence[str]) -> list[Kept]:
        self.touch(client)
        gone = [name for name in names if name not in client.snapshots]
        if gone:
            raise SessionError(f"{len(gone)} of {len(names)} snapshots are not here, or not any more.", gone)
        return [client.snapshots[name] for name in names]

    def new_sessions(self, client: Client, nbytes: Sequence[int]) -> list[Session]:
        """Sessions whose rows are to come, if there is room for them."""
        self.touch(client)
        for held, most, whose in (
            (len(client.sessions), self._limits.sessions_per_client, "you hold"),
            (self.session_count, self._limits.sessions, "the server holds"),
        ):
            if held + len(nbytes) > most:
                raise BusyError(
                    f"there is no room for {len(nbytes)} more sessions: {whose} {held} of {most}. Close some, or wait.",
                    retry_after_s=min(self._limits.lease_s, 5.0),
                )
        sessions = [Session(client, nbytes=size) for size in nbytes]
        client.sessions.update({session.name: session for session in sessions})
        return sessions

    def check_room_for_snapshots(self, client: Client, sessions: Sequence[Session]) -> None:
        held, most = len(client.snapshots), self._limits.snapshots_per_client
        if held + len(sessions) > most:
            raise BusyError(f"you keep {held} of {most} snapshots. Close some.", self._limits.lease_s)
        kept = self.now()["snapshot_bytes"] + sum(session.nbytes for session in sessions)
        if kept > self._limits.snapshot_bytes:
            raise BusyError(
                f"snapshots may take {self._limits.snapshot_bytes:,} bytes. Close some.", self._limits.lease_s
            )

    def is_fresh(self, session: Session, move: Move) -> bool:
        """Whether this step was not asked for yet; `ProtocolError` if it cannot be asked for now."""
        before = session.waiting[move.step][0] if move.step in session.waiting else None
        if move.step == session.step and session.made is not None:
            before = session.made
        if before is None and move.step == session.asked + 1:
            if session.asked - session.step >= self._limits.ahead:
                raise BusyError(f"{self._limits.ahead} steps of session {session.name} wait already.", SOON_S)
            return True
        if before is None:
            raise ProtocolError(
                f"step {move.step} of session {session.name} cannot be asked for: the next one is {session.asked + 1}."
            )
        if before != move:
            raise ProtocolError(f"step {move.step} of session {session.name} was asked for with another action.")
        return False
