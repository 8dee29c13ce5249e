"""The shortest way through the true grid: a breadth-first search over places and headings, opening doors on the way.

Used by policies that make data; reads the environment and never steps it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minigrid.core.world_object import Key, WorldObj

from wmenv.sources.gridrooms.layout import AROUND, SIZE
from wmenv.sources.gridrooms.spec import FORWARD, LEFT, RIGHT, TOGGLE

if TYPE_CHECKING:
    from wmenv.sources.gridrooms.env import GridRooms

Cell = tuple[int, int]
Stand = tuple[int, int, int]  # x, y, minigrid direction

_BLOCKED, _FREE, _DOOR = range(3)


def cells(env: GridRooms, *kinds: str) -> list[Cell]:
    """Where things of these kinds lie; the kind "floor" means free floor, where the agent is not standing."""
    found = [
        (index % SIZE, index // SIZE)
        for index, thing in enumerate(env.grid.grid)
        if ("floor" if thing is None else thing.type) in kinds
    ]
    return [cell for cell in found if cell != tuple(env.agent_pos)] if "floor" in kinds else found


def thing_at(env: GridRooms, cell: Cell) -> Any:
    """minigrid's object in a cell, None for floor; untyped, because what it has depends on its kind."""
    return env.grid.get(*cell)


def standing(targets: Iterable[Cell]) -> set[Stand]:
    """All ways to stand on one of these cells."""
    return {(x, y, direction) for x, y in targets for direction in range(4)}


def facing(targets: Iterable[Cell]) -> set[Stand]:
    """All ways to stand in front of one of these cells, looking at it."""
    return {(x - AROUND[d][0], y - AROUND[d][1], d) for x, y in targets for d in range(4)}


def parking(env: GridRooms) -> list[Cell]:
    """Free floor where a thing may be put down without blocking a doorway."""
    doorways = {(x + dx, y + dy) for x, y in cells(env, "door") for dx, dy in AROUND}
    return [cell for cell in cells(env, "floor") if cell not in doorways]


def stand(env: GridRooms) -> Stand:
    """Where the agent is, and which way it looks."""
    x, y = env.agent_pos
    return int(x), int(y), int(env.agent_dir)


def front(env: GridRooms) -> Cell:
    """The cell ahead of the agent."""
    x, y, direction = stand(env)
    return x + AROUND[direction][0], y + AROUND[direction][1]


def route(env: GridRooms, wanted: set[Stand]) -> list[int] | None:
    """The fewest steps and turns to one of the wanted stands, opening doors on the way; None if there is no way."""
    passage = [_passage(thing, env.carrying) for thing in env.grid.grid]
    start = stand(env)
    came: dict[Stand, tuple[Stand, tuple[int, ...]] | None] = {start: None}
    edge = deque([start])
    while edge:
        here = edge.popleft()
        if here in wanted:
            return _retrace(came, here)
        for there, actions in _moves(here, passage):
            if there not in came:
                came[there] = (here, actions)
                edge.append(there)
    return None


def _moves(here: Stand, passage: list[int]) -> list[tuple[Stand, tuple[int, ...]]]:
    x, y, d = here
    moves: list[tuple[Stand, tuple[int, ...]]] = [((x, y, (d - 1) % 4), (LEFT,)), ((x, y, (d + 1) % 4), (RIGHT,))]
    ahead = x + AROUND[d][0], y + AROUND[d][1]
    way = passage[ahead[1] * SIZE + ahead[0]]
    if way != _BLOCKED:
        moves.append(((*ahead, d), (FORWARD,) if way == _FREE else (TOGGLE, FORWARD)))
    return moves


def _passage(thing: Any, carried: WorldObj | None) -> int:
    if thing is None or thing.can_overlap():
        return _FREE
    if thing.type != "door":
        return _BLOCKED
    opens = not thing.is_locked or (isinstance(carried, Key) and carried.color == thing.color)
    return _DOOR if opens else _BLOCKED


def _retrace(came: dict, here: Stand) -> list[int]:
    actions: list[int] = []
    while came[here] is not None:
        here, step = came[here]
        actions[:0] = step
    return actions


def stroll(env: GridRooms, steps: int, turns: Iterable[int]) -> list[int]:
    """About `steps` actions straight ahead, taking the next of `turns` where the way is blocked; opens plain doors."""
    passage = [_passage(thing, env.carrying) for thing in env.grid.grid]
    walked: list[int] = []
    here, turning = stand(env), iter(turns)
    while len(walked) < steps:
        left, right, *onward = _moves(here, passage)
        here, actions = onward[0] if onward else (left, right)[next(turning) == RIGHT]
        walked += actions
    return walked


def backwards(actions: list[int]) -> list[int]:
    """The way back over a walk of turns and steps, ending as it began; doors opened on the way stay open."""
    opposite = {LEFT: RIGHT, RIGHT: LEFT, FORWARD: FORWARD}
    back = [opposite[action] for action in reversed(actions) if action in opposite]
    if FORWARD not in back:
        return back
    return [LEFT, LEFT, *back, LEFT, LEFT]
