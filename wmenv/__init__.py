"""wmenv: generated worlds as Gymnasium environments."""

from __future__ import annotations

import importlib
from typing import Any

from wmenv.make import register

__version__ = "0.1.0.dev0"

LAZY = {
    "RecordEpisodes": "wmenv.logs.record_episodes",
    "WorldEnv": "wmenv.env.single",
    "WorldVectorEnv": "wmenv.env.vector",
    "load_world": "wmenv.worlds.catalog",
    "make_sb3": "wmenv.make",
    "rollout": "wmenv.rollout",
    "watch": "wmenv.live.watch",
}

register()


def __getattr__(name: str) -> Any:
    """What is public and heavy, imported when it is first asked for."""
    if name not in LAZY:
        raise AttributeError(f"module 'wmenv' has no attribute {name!r}")
    return getattr(importlib.import_module(LAZY[name]), name)
