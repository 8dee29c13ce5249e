"""A snapshot of some rows: the world's state, the last frames, how far the episodes are, what waits to be said, and
what later episodes will begin with. Restored anywhere, it goes on bit for bit.

Knows how to be bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.contract import Direction, World, pack_arrays, unpack_arrays
from wmenv.env.book import EpisodeBook
from wmenv.env.options import RowOptions
from wmenv.errors import SnapshotError
from wmenv.runtime import to_host
from wmenv.sim.session import Moment

MAGIC = b"wmenv-snapshot-1\n"


@dataclass(frozen=True)
class Snapshot:
    """Some rows of an environment at one moment; it can be restored any number of times."""

    world: str
    moment: Moment
    book: EpisodeBook
    waiting: tuple[tuple[Direction, ...], ...]
    streams: tuple[dict[str, Any], ...]
    kept_options: tuple[RowOptions, ...]

    def __len__(self) -> int:
        return len(self.book)

    def to_bytes(self) -> bytes:
        """All of it as bytes that hold no code."""
        arrays = {name: getattr(self.book, name) for name in EpisodeBook.FIELDS}
        arrays["frames"] = to_host(self.moment.frames)
        arrays["state"] = np.frombuffer(self.moment.state.to_bytes(), np.uint8)
        waiting = [[(one.text, one.lock, one.sound and one.sound.hex()) for one in row] for row in self.waiting]
        later = {"streams": self.streams, "kept_options": self.kept_options}
        return MAGIC + pack_arrays(arrays, {"world": self.world, "waiting": waiting, **later})

    @classmethod
    def from_bytes(cls, data: bytes, world: World) -> Snapshot:
        """The snapshot that `to_bytes` wrote, for a process that has the same world."""
        if not data.startswith(MAGIC):
            raise SnapshotError(f"these {len(data)} bytes are no wmenv snapshot: they do not begin with {MAGIC!r}.")
        arrays, meta = unpack_arrays(data[len(MAGIC) :])
        missing = {*EpisodeBook.FIELDS, "frames", "state"} - arrays.keys()
        if missing:
            raise SnapshotError(f"this snapshot is damaged: {', '.join(sorted(missing))} missing.")
        if meta["world"] != world.spec.name:
            raise SnapshotError(f"this snapshot is of world {meta['world']!r}, not of {world.spec.name!r}.")
        moment = Moment(world.revive(arrays["state"].tobytes()), arrays["frames"])
        book = EpisodeBook(len(moment))
        for name in EpisodeBook.FIELDS:
            setattr(book, name, arrays[name])
        waiting = tuple(tuple(_direction(*one) for one in row) for row in meta["waiting"])
        return cls(meta["world"], moment, book, waiting, tuple(meta["streams"]), tuple(meta["kept_options"]))


def _direction(text: str, lock: list[int] | None, sound: str | None = None) -> Direction:
    return Direction(
        text, (lock[0], lock[1], lock[2], lock[3]) if lock else None, bytes.fromhex(sound) if sound else None
    )
