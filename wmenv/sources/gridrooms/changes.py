"""How a direction changes the true grid, once it is known what it acts on. Checks nothing; `directions.aim` has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wmenv.sources.gridrooms.drawing import make_object
from wmenv.sources.gridrooms.grammar import Command

if TYPE_CHECKING:
    from wmenv.sources.gridrooms.env import GridRooms


def change(env: GridRooms, command: Command, cell: tuple[int, int] | None) -> None:
    """Do what `command` says, to the thing in `cell` where it names one."""
    if cell is None:
        _change_all(env, command)
    elif command.event == "appear":
        env.grid.set(*cell, make_object(command.kind, command.colour))
    elif command.event == "vanish":
        env.grid.set(*cell, None)
    elif command.event == "recolour":
        thing: Any = env.grid.get(*cell)
        thing.color = command.shade
    else:
        door: Any = env.grid.get(*cell)
        door.is_open, door.is_locked = command.event == "open", command.event == "lock"


def _change_all(env: GridRooms, command: Command) -> None:
    if command.event == "agent":
        env.agent_colour = command.shade
    else:
        env.dark = command.event == "dark"
