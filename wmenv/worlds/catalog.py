"""Worlds by name: the built-in ones, those that installed packages announce, any `module:factory`, any `ws://` server.

Names and strings only; a world's module is imported when that world is asked for. A world holds no live state, so one
object serves every caller that asks for the same name and settings, and its weights are loaded once.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from importlib import metadata
from typing import Any

from wmenv.contract import World
from wmenv.errors import OptionError, UnknownWorldError, did_you_mean

GROUP = "wmenv.worlds"
BUILT_IN = {
    "diamond": "wmenv.worlds.diamond:load",
    "gridrooms": "wmenv.worlds.learned:gridrooms",
    "gridrooms-memory": "wmenv.worlds.learned:gridrooms_memory",
    "gridrooms-pixels": "wmenv.worlds.learned:gridrooms_pixels",
    "gridrooms-source": "wmenv.worlds.source:gridrooms",
    "gymnasium": "wmenv.worlds.source:gymnasium_env",
    "oasis": "wmenv.worlds.oasis:load",
    "pan": "wmenv.worlds.pan:PanWorld",
}
BROKEN = "wmenv.worlds.broken:BrokenWorld"
REMOTE = "wmenv.worlds.remote.world:RemoteWorld"  # any name that is the address of a WebSocket

_loaded: dict[tuple[str, str], World] = {}


def world_names() -> dict[str, str]:
    """Every name and the `module:factory` behind it; installed packages may add names, not take ours."""
    announced = {entry.name: entry.value for entry in metadata.entry_points(group=GROUP)}
    return announced | BUILT_IN


def load_world(name: str, **settings: Any) -> World:
    """The world called `name`, built with `settings`; `name+fault` is that world with a fault planted in it."""
    plain, *faults = name.split("+")
    key = _key(plain, settings)
    world = _loaded.get(key) if key else None
    if world is None:
        world = _built(plain, settings)
    if key:
        _loaded[key] = world
    for fault in faults:
        world = _attribute(BROKEN, name)(world, fault=fault)
    return world


def _key(name: str, settings: dict[str, Any]) -> tuple[str, str] | None:
    """What makes two requests the same; None when the settings cannot be compared by value."""
    try:
        return name, json.dumps(settings, sort_keys=True)
    except TypeError:
        return None


def _built(name: str, settings: dict[str, Any]) -> World:
    """What the factory of that name makes, if that is a world."""
    factory = _factory(name)
    try:
        inspect.signature(factory).bind(**settings)
    except TypeError as problem:
        raise OptionError(f"world {name!r} cannot be built with {settings or 'no settings'}: {problem}.") from None
    except ValueError:
        pass  # a callable that does not tell its arguments
    world = factory(**settings)
    lacking = [part for part in ("spec", "open", "advance", "revive") if not hasattr(world, part)]
    if lacking:
        raise UnknownWorldError(f"{name!r} gives a {type(world).__name__}, which is no world: no {', '.join(lacking)}.")
    return world


def _factory(name: str) -> Any:
    if name.startswith(("ws://", "wss://")):
        return functools.partial(_attribute(REMOTE, name), name)
    known = world_names()
    target = known.get(name, name)
    if ":" not in target:
        raise UnknownWorldError(
            f"no world is called {name!r}. {did_you_mean(name, known)} Any other is named 'module:factory', or 'ws://host:port'."
        )
    return _attribute(target, name)


def _attribute(target: str, name: str) -> Any:
    path, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as problem:
        if not problem.name or not f"{path}.".startswith(f"{problem.name}."):
            raise  # the module is there; something that it imports is not
        raise UnknownWorldError(
            f"world {name!r} is in module {path!r}, which cannot be imported: {problem}."
        ) from problem
    if not hasattr(module, attribute):
        raise UnknownWorldError(f"world {name!r} should be {attribute!r} in module {path!r}, which has no such name.")
    return getattr(module, attribute)
