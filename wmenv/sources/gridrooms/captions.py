"""What a view shows, in words, from tile ids alone; so a learned world says it with the same words as the true one.

Knows nothing of the simulator, nor of whether the ids were true, decoded from pixels or dreamt.
"""

from __future__ import annotations

import numpy as np

from wmenv.sources.gridrooms.places import SLOT_OFFSETS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW, Tile

Sighting = tuple[str, str, str, int, int]  # kind, colour, state, dx (to the right), dy (ahead is negative)

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_WORTH_SAYING = ("goal", "door", "key", "ball", "box")


def sightings(tile_ids: np.ndarray) -> list[tuple[int, Tile]]:
    """The view slots that show a thing, a door or a goal, nearest first (then straight ahead, then left)."""
    tiles = [CATALOGUE.tiles[index] if index >= 0 else Tile("unreadable") for index in np.asarray(tile_ids).ravel()]
    slots = [slot for slot, tile in enumerate(tiles) if tile.kind in _WORTH_SAYING]
    return [(slot, tiles[slot]) for slot in sorted(slots, key=nearness)]


def nearness(slot: int) -> tuple[int, int, int]:
    """What orders view slots: steps from the agent, then how far aside, left before right."""
    dx, dy = (int(offset) for offset in SLOT_OFFSETS[slot])
    return abs(dx) + abs(dy), abs(dx), dx


def objects_of(tile_ids: np.ndarray) -> set[Sighting]:
    """The things, doors and goals in view: kind, colour, state, and where, in the axes of `places.py`."""
    return {
        (tile.kind, tile.colour, tile.state, int(SLOT_OFFSETS[slot, 0]), int(SLOT_OFFSETS[slot, 1]))
        for slot, tile in sightings(tile_ids)
    }


def caption_of(tile_ids: np.ndarray) -> str:
    """The view in words, nearest things first.

    >>> view = np.ones(49, int)
    >>> view[31], view[30], view[45] = (CATALOGUE.encode("ball", "red"), CATALOGUE.encode("door", "blue", "closed"),
    ...                                 CATALOGUE.encode("agent", "red", carried="yellow key"))
    >>> caption_of(view)
    'a red ball two ahead; a closed blue door two ahead and one left; you are red; you carry a yellow key'
    """
    ids = np.asarray(tile_ids).ravel()
    parts = [f"{_thing(tile)} {_where(slot)}" for slot, tile in sightings(ids)]
    ahead = ids[AGENT_SLOT - VIEW]
    if ahead >= 0 and CATALOGUE.kind[ahead] == "wall":
        parts.insert(0, "a wall ahead")
    return "; ".join([*parts, *_oneself(ids[AGENT_SLOT]), *_light(ids)])


def _thing(tile: Tile) -> str:
    return " ".join(word for word in ("a", tile.state, tile.colour, tile.kind) if word).replace("a open", "an open")


def _where(slot: int) -> str:
    dx, dy = (int(offset) for offset in SLOT_OFFSETS[slot])
    ahead = "ahead" if dy == -1 and dx == 0 else f"{_NUMBERS[-dy]} ahead" if dy else ""
    aside = f"{_NUMBERS[abs(dx)]} {'left' if dx < 0 else 'right'}" if dx else ""
    return " and ".join(part for part in (ahead, aside) if part)


def _oneself(index: int) -> list[str]:
    if index < 0 or CATALOGUE.kind[index] != "agent":
        return []
    tile = CATALOGUE.tiles[index]
    said = [f"you are {tile.colour}"]
    if tile.under:
        said.append(f"you stand on the {tile.under}" if tile.under == "goal" else f"you stand in a {tile.under}")
    return said + ([f"you carry a {tile.carried}"] if tile.carried else [])


def _light(ids: np.ndarray) -> list[str]:
    known = ids[ids >= 0]
    return ["it is dark"] if known.size and CATALOGUE.dark[known].mean() > 0.5 else []
