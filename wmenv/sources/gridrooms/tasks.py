"""The tasks: what is said, how many rooms and which doors and things they need, and when they are done.

The kind of a thing alone decides what is wanted, never its colour, so that a policy that sees only pixels can learn
every task. Knows nothing of how rooms are built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wmenv.sources.gridrooms.env import GridRooms


@dataclass(frozen=True)
class Happening:
    """What an action did: a name out of `sounds.SOUNDS` ("" for nothing), the kind it was done to, and details."""

    name: str = ""
    kind: str = ""
    unlocked: bool = False
    place: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Verdict:
    """Whether the episode is over, and whether it was a success."""

    over: bool = False
    success: bool = False


GOING_ON, DONE, FAILED = Verdict(), Verdict(over=True, success=True), Verdict(over=True)

Judge = Callable[["GridRooms", Happening], Verdict]


@dataclass(frozen=True)
class Task:
    """`things` are placed, apart from each other, besides random ones drawn from `extras`.

    `locked` says how many doors are locked, None that chance decides.
    """

    instruction: str
    judge: Judge
    things: tuple[str, ...] = ()
    extras: tuple[str, ...] = ("key", "ball", "box")
    locked: int | None = None
    least_rooms: int = 1


def _never(env: GridRooms, happening: Happening) -> Verdict:
    return GOING_ON


def _reach(env: GridRooms, happening: Happening) -> Verdict:
    return DONE if happening.name == "step" and happening.kind == "goal" else GOING_ON


def _fetch(env: GridRooms, happening: Happening) -> Verdict:
    if happening.name != "pickup":
        return GOING_ON
    return DONE if happening.kind == "ball" else FAILED


def _unlock(env: GridRooms, happening: Happening) -> Verdict:
    return DONE if happening.unlocked else GOING_ON


def _put_next(env: GridRooms, happening: Happening) -> Verdict:
    if happening.name == "door" and happening.kind == "box":
        return FAILED  # a box that is opened is gone
    if happening.name != "drop" or happening.kind != "ball":
        return GOING_ON
    x, y = happening.place
    beside = [env.grid.get(x + dx, y + dy) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    return DONE if any(cell is not None and cell.type == "box" for cell in beside) else GOING_ON


TASKS: dict[str, Task] = {
    "explore": Task("look around", _never),
    "reach": Task("go to the green goal", _reach, things=("goal",)),
    "fetch": Task("pick up the ball", _fetch, things=("ball",), extras=("key", "box"), locked=0),
    "unlock": Task("open the locked door", _unlock, locked=1, least_rooms=2),
    "put_next": Task("put the ball next to the box", _put_next, things=("ball", "box"), extras=("key",), locked=0),
}
