"""Builds the rooms of one episode from a random generator: walls, doors, things, and where the agent begins.

Every place can be reached, with a key that can be reached where a door is locked. Knows which doors and things a task
needs, and nothing of how it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from minigrid.core.grid import Grid
from minigrid.core.world_object import Wall

from wmenv.sources.gridrooms.drawing import make_object
from wmenv.sources.gridrooms.tasks import TASKS, Task
from wmenv.sources.gridrooms.tiles import COLOURS

SIZE = 13
SMALLEST = 3  # a room's shortest side
MOST_ROOMS = 4
FEWEST_THINGS, MOST_THINGS = 4, 10
EXTRA_DOOR = 0.25  # how often two rooms that need no door between them get one
AROUND = ((1, 0), (0, 1), (-1, 0), (0, -1))  # the neighbours of a cell, by minigrid direction

Cell = tuple[int, int]
Room = tuple[int, int, int, int]  # left, top, right, bottom, all inside


@dataclass
class Layout:
    """A grid, and where the agent begins in it."""

    grid: Grid
    agent_pos: Cell
    agent_dir: int


def lay_out(rng: np.random.Generator, task: str, rooms: int | None = None) -> Layout:
    """Rooms for an episode of `task`; drawn again until every place can be reached."""
    wanted = TASKS[task]
    for _ in range(1000):
        layout = _draft(rng, wanted, rooms or int(rng.integers(wanted.least_rooms, MOST_ROOMS + 1)))
        if _fair(layout) and _apart(layout.grid, wanted.things):
            return layout
    raise AssertionError(f"no fair layout for task {task!r} with rooms={rooms} in 1000 drafts")


def _draft(rng: np.random.Generator, task: Task, count: int) -> Layout:
    rooms = _split(rng, count)
    grid = Grid(SIZE, SIZE)
    floor = {cell for room in rooms for cell in _cells(room)}
    wall = Wall()  # one object for all walls: a deep copy of the grid stays cheap
    grid.grid = [None if (i % SIZE, i // SIZE) in floor else wall for i in range(SIZE * SIZE)]
    doors = _doorways(rng, rooms)
    kinds = _hang_doors(rng, grid, doors, task)
    free = sorted(floor - {(x + dx, y + dy) for x, y in doors for dx, dy in AROUND})
    for kind, colour in kinds + _things(rng, task, len(kinds)):
        grid.set(*free.pop(int(rng.integers(len(free)))), make_object(kind, colour))
    start = free[int(rng.integers(len(free)))]
    return Layout(grid, start, int(rng.integers(4)))


# --- rooms and doors ------------------------------------------------------------------------------------------------


def _cells(room: Room) -> list[Cell]:
    left, top, right, bottom = room
    return [(x, y) for y in range(top, bottom + 1) for x in range(left, right + 1)]


def _split(rng: np.random.Generator, count: int) -> list[Room]:
    """The inside of the grid, split by straight walls into `count` rooms."""
    rooms: list[Room] = [(1, 1, SIZE - 2, SIZE - 2)]
    while len(rooms) < count:
        cuts = [(room, axis) for room in rooms for axis in (0, 1) if room[axis + 2] - room[axis] >= 2 * SMALLEST]
        room, axis = cuts[int(rng.integers(len(cuts)))]
        line = int(rng.integers(room[axis] + SMALLEST, room[axis + 2] - SMALLEST + 1))
        rooms.remove(room)
        left, top, right, bottom = room
        if axis == 0:
            rooms += [(left, top, line - 1, bottom), (line + 1, top, right, bottom)]
        else:
            rooms += [(left, top, right, line - 1), (left, line + 1, right, bottom)]
    return rooms


def _doorways(rng: np.random.Generator, rooms: list[Room]) -> list[Cell]:
    """One place for a door between enough pairs of neighbouring rooms to join them all, and sometimes more."""
    owner = {cell: index for index, room in enumerate(rooms) for cell in _cells(room)}
    shared: dict[Cell, list[Cell]] = {}
    for x, y in np.ndindex(SIZE, SIZE):
        for a, b in (((x - 1, y), (x + 1, y)), ((x, y - 1), (x, y + 1))):
            if (x, y) not in owner and a in owner and b in owner:
                shared.setdefault((owner[a], owner[b]), []).append((x, y))
    group = list(range(len(rooms)))
    doors = []
    pairs = list(shared)
    for index in rng.permutation(len(pairs)):
        a, b = (group[room] for room in pairs[index])
        if a != b or rng.random() < EXTRA_DOOR:
            group = [a if g == b else g for g in group]
            places = shared[pairs[index]]
            doors.append(places[int(rng.integers(len(places)))])
    return doors


def _hang_doors(rng: np.random.Generator, grid: Grid, doors: list[Cell], task: Task) -> list[tuple[str, str]]:
    """Put a door into every doorway; the keys that are needed."""
    states = [str(rng.choice(("open", "closed", "locked"), p=(0.35, 0.45, 0.2))) for _ in doors]
    if task.locked is not None:
        states = ["closed" if state == "locked" else state for state in states]
        for index in rng.permutation(len(doors))[: task.locked]:
            states[index] = "locked"
    keys = []
    for place, state in zip(doors, states, strict=True):
        colour = _colour(rng)
        grid.set(*place, make_object("door", colour, state))
        if state == "locked" and ("key", colour) not in keys:
            keys.append(("key", colour))
    return keys


# --- things ---------------------------------------------------------------------------------------------------------


def _colour(rng: np.random.Generator) -> str:
    return COLOURS[int(rng.integers(len(COLOURS)))]


def _things(rng: np.random.Generator, task: Task, keys: int) -> list[tuple[str, str]]:
    """What the task needs, then random things up to a random number."""
    count = int(rng.integers(FEWEST_THINGS, MOST_THINGS + 1))
    kinds = list(task.things)
    kinds += [task.extras[int(rng.integers(len(task.extras)))] for _ in range(count - keys - len(kinds))]
    return [(kind, _colour(rng)) for kind in kinds]


# --- fairness -------------------------------------------------------------------------------------------------------


def _fair(layout: Layout) -> bool:
    """Whether every place can be walked to and every thing stood next to."""
    grid = layout.grid
    reached = reachable(grid, layout.agent_pos)
    for index, thing in enumerate(grid.grid):
        cell = (index % SIZE, index // SIZE)
        standable = thing is None or thing.type in ("door", "goal")
        if standable and cell not in reached:
            return False
        if thing is not None and thing.can_pickup() and not reached & set(_around(cell)):
            return False
    return True


def _apart(grid: Grid, kinds: tuple[str, ...]) -> bool:
    """Whether no two things of these kinds begin side by side."""
    found = {(i % SIZE, i // SIZE) for i, thing in enumerate(grid.grid) if thing is not None and thing.type in kinds}
    return not any(found & set(_around(cell)) for cell in found)


def _around(cell: Cell) -> list[Cell]:
    return [(cell[0] + dx, cell[1] + dy) for dx, dy in AROUND]


def reachable(grid: Grid, start: Cell) -> set[Cell]:
    """All cells that can be walked to from `start`, opening doors, with the keys that can be reached on the way."""
    keys: set[str] = set()
    while True:
        reached = _flood(grid, start, keys)
        beside = {cell for place in reached for cell in _around(place)}
        found = {thing.color for thing in (grid.get(*cell) for cell in beside) if thing and thing.type == "key"}
        if found <= keys:
            return reached
        keys |= found


def _flood(grid: Grid, start: Cell, keys: set[str]) -> set[Cell]:
    reached, edge = {start}, [start]
    while edge:
        for cell in _around(edge.pop()):
            if cell not in reached and _passable(grid.get(*cell), keys):
                reached.add(cell)
                edge.append(cell)
    return reached


def _passable(thing: Any, keys: set[str]) -> bool:
    if thing is None or thing.type == "goal":
        return True
    return thing.type == "door" and (not thing.is_locked or thing.color in keys)
