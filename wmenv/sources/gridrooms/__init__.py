"""GridRooms: rooms, doors and things seen from inside as 7x7 tiles, with sound, words, pose and directions.

What needs no simulator (tiles, places, captions, sounds, grammar) can be imported without minigrid; the names below
are fetched from their files when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "GridRooms": "env",
    "ACTIONS": "spec",
    "spec_of": "spec",
    "CATALOGUE": "tiles",
    "Catalogue": "tiles",
    "Tile": "tiles",
    "place_of_view": "places",
    "TASKS": "tasks",
    "VOCABULARY": "grammar",
    "nonsense": "grammar",
    "sample_direction": "directions",
    "caption_of": "captions",
    "objects_of": "captions",
    "SOUND_BANK": "sounds",
    "POLICIES": "policies",
    "make_policy": "policies",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
