"""How much of a server anybody may have. `docs/protocol.md` lists these for people, and `hello` for programs."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from wmenv.config import Config
from wmenv.contract import WorldSpec

STARTS_IN_A_MESSAGE = 4  # pictures, or young moments, that one message should be able to bring


class Limits(Config):
    """Each is reached by refusing, never by forgetting what somebody has."""

    connections: PositiveInt = 128
    half_open: PositiveInt = 64
    handshake_s: PositiveFloat = 5.0
    message_bytes: PositiveInt = 2 * 2**20
    message_pieces: PositiveInt = 1024
    json_bytes: PositiveInt = 2**18
    inflight: PositiveInt = 16
    sessions: PositiveInt = 256
    sessions_per_client: PositiveInt = 128  # rows that begin anew are there twice for a moment
    ahead: PositiveInt = 4
    snapshots_per_client: PositiveInt = 1024
    snapshot_bytes: PositiveInt = 512 * 2**20
    text: PositiveInt = 1000
    batch: PositiveInt = 32
    lease_s: PositiveFloat = 120.0

    def for_world(self, spec: WorldSpec, moment_bytes: int) -> Limits:
        """These limits, with room in a message for what a row of that world may begin with."""
        picture = spec.height * spec.width * 3
        room = 2**16 + STARTS_IN_A_MESSAGE * max(picture, 2 * moment_bytes)
        return self.model_copy(update={"message_bytes": max(self.message_bytes, room)})
