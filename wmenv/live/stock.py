"""What there is to run: the world's hub for each number of passes that somebody asked for, and the real environment's.

A learned world with K passes and the same world with K + 1 share weights and states, so rows can go from one to the
other. Knows nothing of rooms.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any, Self

from wmenv.contract import World
from wmenv.errors import MissingExtraError, OptionError
from wmenv.serve.hub import Hub
from wmenv.serve.limits import Limits
from wmenv.worlds.catalog import load_world, world_names
from wmenv.worlds.remote.schema import spec_message

MOST_PASSES = 4
GHOST = "-source"  # by convention the real environment of world X is called X-source
TOLD = ("height", "width", "fps", "actions", "directions", "words", "audio", "starts", "templates", "suggestions")
ROOM_ROWS = 4  # the current branch, the one beside it, and what is being lived again


class Stock:
    """The hubs of one world, by its name in the catalogue and its settings. Use it as an asynchronous context."""

    def __init__(self, name: str, settings: dict[str, Any], rooms: int) -> None:
        self.name, self._settings = name, settings
        world = load_world(name, **settings)
        self.spec = world.spec
        self.passes: int | None = getattr(world, "passes", None)
        self.most_passes = max(MOST_PASSES, self.passes or 0)
        self.waiting = 0  # people without a room, for all to see
        self._limits = Limits(sessions=ROOM_ROWS * rooms, sessions_per_client=ROOM_ROWS)
        self._world = world
        self._hubs: dict[int | None, Hub] = {}
        self._open = contextlib.AsyncExitStack()
        self.ghost_hub: Hub | None = None

    async def __aenter__(self) -> Self:
        for passes in range(1, self.most_passes + 1) if self.passes is not None else [None]:
            self._hubs[passes] = await self._open.enter_async_context(Hub(self._with(passes), self._limits))
        real = f"{self.name}{GHOST}"
        if "picture" in self.spec.starts and real in world_names():
            with contextlib.suppress(MissingExtraError):  # who has not installed what it is made of does without
                ghost = load_world(real, **self._settings_of_ghost())
                self.ghost_hub = await self._open.enter_async_context(Hub(ghost, self._limits))
        return self

    async def __aexit__(self, kind: type | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        await self._open.aclose()

    @property
    def spec_facts(self) -> dict[str, Any]:
        """What a page needs of the spec, as JSON."""
        facts = spec_message(self.spec)
        return {name: facts[name] for name in TOLD}

    @property
    def template(self) -> str | None:
        """What a room begins with: the task that the world was opened for, or else its first template."""
        asked = self._settings.get("task")
        return asked if asked in self.spec.templates else next(iter(self.spec.templates), None)

    def hub(self, passes: int | None) -> Hub:
        """Where the world runs with that many passes."""
        try:
            return self._hubs[passes]
        except KeyError:
            raise OptionError(f"this world looks 1 to {self.most_passes} times at a frame, not {passes}.") from None

    def _with(self, passes: int | None) -> World:
        if passes in (None, self.passes):
            return self._world
        return load_world(self.name, **self._settings | {"passes": passes})

    def _settings_of_ghost(self) -> dict[str, Any]:
        return {name: value for name, value in self._settings.items() if name == "task"}
