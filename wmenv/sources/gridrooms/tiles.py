"""Every picture a view slot can show, listed once: the catalogue of tiles, and how pixels are read back into it.

A frame is a table look-up in this catalogue, so reading a true frame is exact. Names and ids need no simulator; the
pictures are painted by `drawing.py` when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

VIEW = 7  # slots per side of the view
TILE = 8  # pixels per side of a slot
FRAME = VIEW * TILE
AGENT_SLOT = VIEW * VIEW - VIEW // 2 - 1  # row-major: the middle of the lowest row

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
DOOR_STATES = ("open", "closed", "locked")
THINGS = ("key", "ball", "box")  # what can be carried


class Tile(NamedTuple):
    """What one slot shows. An agent tile also tells what lies `under` it, or what is `carried` ("red key")."""

    kind: str
    colour: str = ""
    state: str = ""
    under: str = ""
    carried: str = ""
    dark: bool = False


def _place_tiles() -> Iterator[Tile]:
    yield from (Tile("unseen"), Tile("floor"), Tile("wall", "grey"), Tile("goal", "green"))
    yield from (Tile("door", colour, state) for colour in COLOURS for state in DOOR_STATES)
    yield from (Tile(kind, colour) for kind in THINGS for colour in COLOURS)


def _agent_tiles(colour: str) -> Iterator[Tile]:
    yield from (Tile("agent", colour), Tile("agent", colour, under="goal"))
    yield from (Tile("agent", colour, under=f"{door} door") for door in COLOURS)
    yield from (Tile("agent", colour, carried=f"{shade} {kind}") for kind in THINGS for shade in COLOURS)


def _all_tiles() -> tuple[Tile, ...]:
    lit = [*_place_tiles(), *(tile for colour in COLOURS for tile in _agent_tiles(colour))]
    return tuple(lit + [tile._replace(dark=True) for tile in lit])


class Catalogue:
    """All tiles by id. Ids are fixed; whoever kept the `images` can give them, and read frames without a simulator."""

    def __init__(self, images: np.ndarray | None = None) -> None:
        self.tiles = _all_tiles()
        self._id_of = {tile: index for index, tile in enumerate(self.tiles)}
        self.kind = np.array([tile.kind for tile in self.tiles])
        self.colour = np.array([tile.colour for tile in self.tiles])
        self.state = np.array([tile.state for tile in self.tiles])
        self.dark = np.array([tile.dark for tile in self.tiles])
        self.shows_place = ~np.isin(self.kind, ("unseen", "agent"))
        self.walkable = np.isin(self.kind, ("floor", "goal", "agent")) | (self.state == "open")
        self.opaque = (self.kind == "wall") | np.isin(self.state, ("closed", "locked"))
        # 0: seen and seen through; 1: a wall, or a door, open ones too, for it stands in one; 2: hidden behind it
        self.sight = np.where(self.kind == "unseen", 2, np.isin(self.kind, ("wall", "door"))).astype(np.int64)
        self.night = len(self.tiles) // 2  # id of the dark twin of tile 0
        if images is not None:
            self.images = images

    def __len__(self) -> int:
        return len(self.tiles)

    @cached_property
    def images(self) -> np.ndarray:
        """(C, TILE, TILE, 3) uint8, the picture of every tile."""
        from wmenv.sources.gridrooms.drawing import draw

        return np.stack([draw(tile) for tile in self.tiles])

    def encode(
        self, kind: str, colour: str = "", state: str = "", under: str = "", carried: str = "", dark: bool = False
    ) -> int:
        """The id of a tile.

        >>> CATALOGUE.encode("door", "blue", "closed"), CATALOGUE.tiles[11]
        (11, Tile(kind='door', colour='blue', state='closed', under='', carried='', dark=False))
        """
        return self._id_of[Tile(kind, colour, state, under, carried, dark)]

    @cached_property
    def traits(self) -> np.ndarray:
        """(C, 6) the fields of every tile as small numbers, each counted from nought."""
        fields = np.array([[str(field) for field in tile] for tile in self.tiles]).T
        return np.stack([np.unique(field, return_inverse=True)[1] for field in fields], 1)

    @cached_property
    def agent(self) -> np.ndarray:
        """(6, P) ids of the agent tile: its colour, and the place tile that lies under it or is carried (else -1)."""
        places = self.tiles[: self.encode("agent", COLOURS[0])]
        return np.array([[self._agent_id(colour, place) for place in places] for colour in COLOURS])

    def _agent_id(self, colour: str, place: Tile) -> int:
        held = f"{place.colour} {place.kind}"
        if place.kind in THINGS:
            return self.encode("agent", colour, carried=held)
        under = {"floor": "", "goal": "goal", "door": held}.get(place.kind)
        if under is None or place.state in ("closed", "locked"):
            return -1
        return self.encode("agent", colour, under=under)

    # --- frames ---------------------------------------------------------------------------------------------------

    def render(self, ids: np.ndarray) -> np.ndarray:
        """The frame(s) that show `ids` (..., 49) or (..., 7, 7)."""
        ids = np.asarray(ids)
        slots = ids.reshape(-1, VIEW, VIEW)
        frames = self.images[slots].transpose(0, 1, 3, 2, 4, 5).reshape(-1, FRAME, FRAME, 3)
        batch = ids.shape[:-1] if ids.shape[-1] == VIEW * VIEW else ids.shape[:-2]
        return frames.reshape(*batch, FRAME, FRAME, 3)

    def decode(self, frames: np.ndarray) -> np.ndarray:
        """(..., 7, 7) ids of `frames` (..., 56, 56, 3) uint8; -1 where no tile is exactly equal."""
        pixels = _slots(frames)
        words = np.ascontiguousarray(pixels).view(np.uint64)
        order, keys = self._hashes
        place = np.searchsorted(keys, _hash(words)).clip(max=len(keys) - 1)
        ids = order[place]
        same = (self._words[ids] == words).all(axis=-1)
        return np.where(same, ids, -1)

    def nearest(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(..., 7, 7) ids of the tiles nearest to each slot, and how far: root mean square over its pixel values."""
        pixels = _slots(frames).astype(np.float32)
        known = self.images.reshape(len(self), -1).astype(np.float32)
        flat = pixels.reshape(-1, pixels.shape[-1])
        squares = (flat**2).sum(1)[:, None] - 2 * flat @ known.T + (known**2).sum(1)
        ids = squares.argmin(1)
        distance = np.sqrt(((flat - known[ids]) ** 2).mean(1))
        return ids.reshape(pixels.shape[:-1]), distance.reshape(pixels.shape[:-1])

    @cached_property
    def _words(self) -> np.ndarray:
        return np.ascontiguousarray(self.images.reshape(len(self), -1)).view(np.uint64)

    @cached_property
    def _hashes(self) -> tuple[np.ndarray, np.ndarray]:
        keys = _hash(self._words)
        assert len(np.unique(keys)) == len(self), "two tiles share a picture or a hash"
        order = np.argsort(keys)
        return order, keys[order]


def _slots(frames: np.ndarray) -> np.ndarray:
    """(..., 7, 7, 192) pixels of every slot."""
    frames = np.asarray(frames)
    if frames.shape[-3:] != (FRAME, FRAME, 3) or frames.dtype != np.uint8:
        raise ValueError(f"frames are uint8 of shape (..., {FRAME}, {FRAME}, 3), got {frames.dtype} {frames.shape}.")
    batch = frames.shape[:-3]
    cut = frames.reshape(-1, VIEW, TILE, VIEW, TILE, 3).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(*batch, VIEW, VIEW, TILE * TILE * 3)


_MULTIPLIERS = np.random.default_rng(0).integers(1, 2**63, size=TILE * TILE * 3 // 8, dtype=np.uint64) | np.uint64(1)


def _hash(words: np.ndarray) -> np.ndarray:
    return (words * _MULTIPLIERS).sum(axis=-1, dtype=np.uint64)


CATALOGUE = Catalogue()
