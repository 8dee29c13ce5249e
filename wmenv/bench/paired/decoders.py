"""What state a picture shows, as far as that can be read from pictures of the real environment alone.

Where the real frames are exactly GridRooms' tiles, the state is its 49 tiles. Anywhere else it is which of the real
episodes this moment belongs to, among as many as were played.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from wmenv.bench.take import reduced

BATCH = 256  # frames decoded at one time


class Decoder(Protocol):
    """Reads states from frames, and says how many parts of them are right."""

    name: str

    def right(self, frames: np.ndarray, real: np.ndarray) -> np.ndarray:
        """(steps, rows) shares of the state right in `frames` (steps, rows, H, W, 3), `real` being the truth."""


class Tiles:
    """The tiles of GridRooms, each frame's nearest ones."""

    name = "49 tiles"

    def right(self, frames: np.ndarray, real: np.ndarray) -> np.ndarray:
        return (self.states(frames) == self.states(real)).mean(axis=-1)

    def states(self, frames: np.ndarray) -> np.ndarray:
        """(steps, rows, 49) tile ids."""
        from wmenv.sources.gridrooms.tiles import CATALOGUE, VIEW

        ids = CATALOGUE.decode(frames).reshape(-1, VIEW * VIEW)
        strange = np.flatnonzero((ids < 0).any(axis=1))  # exact look-up is quick; only what it misses is searched for
        flat = frames.reshape(-1, *frames.shape[2:])
        for at in range(0, len(strange), BATCH):
            chosen = strange[at : at + BATCH]
            ids[chosen] = CATALOGUE.nearest(flat[chosen])[0].reshape(len(chosen), -1)
        return ids.reshape(*frames.shape[:2], -1)


class Moments:
    """Which episode of all that were played a frame belongs to, at its step."""

    name = "which episode"

    def right(self, frames: np.ndarray, real: np.ndarray) -> np.ndarray:
        shown, truth = (reduced(film).reshape(*film.shape[:2], -1).astype(np.float32) / 255 for film in (frames, real))
        apart = ((shown[:, :, None] - truth[:, None]) ** 2).mean(axis=-1)  # (steps, shown, real)
        mine = np.diagonal(apart, axis1=1, axis2=2)
        nearest = apart <= apart.min(axis=2, keepdims=True) + 1e-12
        return np.where(mine <= apart.min(axis=2) + 1e-12, 1 / nearest.sum(axis=2), 0.0)


def decoder_for(real: np.ndarray) -> Decoder:
    """The decoder that can read these real frames."""
    return Tiles() if is_tiles(real[0]) else Moments()


def is_tiles(frames: np.ndarray) -> bool:
    """Whether every frame is made of GridRooms' tiles exactly."""
    from wmenv.sources.gridrooms.tiles import FRAME

    if frames.shape[1:] != (FRAME, FRAME, 3):
        return False
    try:
        from wmenv.sources.gridrooms.tiles import CATALOGUE

        return bool((CATALOGUE.decode(frames) >= 0).all())
    except ImportError:  # the pictures of the tiles are painted by the simulator's own library
        return False
