"""Who walks around to make data: policies that see the true environment, each after another kind of experience.

A policy thinks up a few actions at a time and takes them one by one; it forgets its plan when the way is blocked by
something new, and everything when an episode begins. All chance comes from the generator it was given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from minigrid.core.world_object import Key

from wmenv.errors import OptionError, did_you_mean
from wmenv.sources.gridrooms.env import GridRooms
from wmenv.sources.gridrooms.layout import AROUND
from wmenv.sources.gridrooms.places import TURNED_OFFSETS
from wmenv.sources.gridrooms.routes import (
    Cell,
    backwards,
    cells,
    facing,
    front,
    parking,
    route,
    stand,
    standing,
    stroll,
    thing_at,
)
from wmenv.sources.gridrooms.spec import DROP, FORWARD, LEFT, PICKUP, RIGHT, STAY, TOGGLE
from wmenv.sources.gridrooms.tiles import THINGS

T = TypeVar("T")


class Policy:
    """Takes the actions it has thought of; `think` returns the next ones, at least one."""

    careful = True  # drops its plan when about to bump into something

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.plan: deque[int] = deque()
        self.begin()

    def begin(self) -> None:
        """Forget the episode before."""

    def think(self, env: GridRooms) -> list[int]:
        """The next actions, at least one."""
        raise NotImplementedError

    def __call__(self, env: GridRooms) -> int:
        if env.step_count == 0:
            self.plan.clear()
            self.begin()
        if self.plan and self.careful and self.plan[0] == FORWARD and not _free_ahead(env):
            self.plan.clear()
        if not self.plan:
            self.plan.extend(self.think(env))
        return self.plan.popleft()

    def chance(self, likelihood: float) -> bool:
        return bool(self.rng.random() < likelihood)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def steps(self, fewest: int, most: int) -> int:
        return int(self.rng.integers(fewest, most + 1))

    def wander(self, env: GridRooms, steps: int) -> list[int]:
        """A walk straight ahead that turns where it must."""
        return stroll(env, steps, (self.steps(LEFT, RIGHT) for _ in range(10 * steps + 10)))


def _free_ahead(env: GridRooms) -> bool:
    ahead = thing_at(env, front(env))
    return ahead is None or ahead.can_overlap()


class RandomWalk(Policy):
    """Any action, walking most; seldom against a wall."""

    careful = False
    WEIGHTS = (0.16, 0.16, 0.46, 0.07, 0.05, 0.07, 0.03)

    def think(self, env: GridRooms) -> list[int]:
        action = int(self.rng.choice(len(self.WEIGHTS), p=self.WEIGHTS))
        if action == FORWARD and not _free_ahead(env) and self.chance(0.8):
            ahead = thing_at(env, front(env))
            return [TOGGLE] if ahead.type == "door" and self.chance(0.5) else [self.steps(LEFT, RIGHT)]
        return [action]


class Explorer(Policy):
    """Goes to the nearest place it has not seen; when it has seen all, it forgets and begins again."""

    STRIDE = 4  # actions before it looks again for somewhere nearer

    def begin(self) -> None:
        self.known: set[Cell] = set()

    def __call__(self, env: GridRooms) -> int:
        action = super().__call__(env)
        self._look(env)
        return action

    def _look(self, env: GridRooms) -> None:
        x, y, direction = stand(env)
        places = TURNED_OFFSETS[(direction + 1) % 4] + (x, y)
        self.known |= set(map(tuple, places[env.sees()].tolist()))

    def think(self, env: GridRooms) -> list[int]:
        self._look(env)
        unknown = [cell for cell in cells(env, "floor", "goal", *THINGS) if cell not in self.known]
        plan = route(env, standing(unknown) | facing(unknown)) if unknown else None
        if plan is None and unknown:
            plan = make_way(env)
        if not plan:
            self.known.clear()
            return self.wander(env, self.steps(2, 8))
        return plan[: self.STRIDE]


def make_way(env: GridRooms) -> list[int] | None:
    """Towards opening a locked door: fetch a key that fits, hands free for it; None if no such door or key is near."""
    locked = [cell for cell in cells(env, "door") if thing_at(env, cell).is_locked]
    within_reach = {cell: route(env, facing([cell])) for cell in locked}
    colours = {thing_at(env, cell).color for cell, way in within_reach.items() if way is not None}
    if isinstance(env.carrying, Key) and env.carrying.color in colours:
        fits = [cell for cell in locked if thing_at(env, cell).color == env.carrying.color]
        return _then(route(env, facing(fits)), TOGGLE)
    keys = [cell for cell in cells(env, "key") if thing_at(env, cell).color in colours]
    plan = _then(route(env, facing(keys)), PICKUP)
    return put_down(env) if plan is not None and env.carrying is not None else plan


def put_down(env: GridRooms) -> list[int] | None:
    """Drop what is carried at the nearest place where it blocks no doorway."""
    return _then(route(env, facing(parking(env))), DROP)


def _then(plan: list[int] | None, action: int) -> list[int] | None:
    return None if plan is None else [*plan, action]


class Solver(Explorer):
    """Does the task of the episode the shortest way, slipping now and then; explores where there is no task."""

    SLIP = 0.05

    def __call__(self, env: GridRooms) -> int:
        action = super().__call__(env)
        if not self.chance(self.SLIP):
            return action
        self.plan.clear()
        return self.steps(LEFT, FORWARD)

    def think(self, env: GridRooms) -> list[int]:
        if "explore" in (env.task, env.template):
            return super().think(env)
        plan = getattr(self, f"_{env.template}")(env)
        return plan or make_way(env) or [self.steps(LEFT, FORWARD)]

    def _reach(self, env: GridRooms) -> list[int] | None:
        return route(env, standing(cells(env, "goal")))

    def _fetch(self, env: GridRooms) -> list[int] | None:
        return _then(route(env, facing(cells(env, "ball"))), PICKUP)

    def _unlock(self, env: GridRooms) -> list[int] | None:
        return make_way(env)

    def _put_next(self, env: GridRooms) -> list[int] | None:
        if env.carrying is None:
            return self._fetch(env)
        if env.carrying.type != "ball":
            return put_down(env)
        beside = {(x + dx, y + dy) for x, y in cells(env, "box") for dx, dy in AROUND}
        return _then(route(env, facing(beside & set(cells(env, "floor")))), DROP)


class LookAwayAndReturn(Policy):
    """Turns or walks away and comes back by the inverse path, so that what was seen is seen again."""

    def think(self, env: GridRooms) -> list[int]:
        if self.chance(0.3):
            return self.wander(env, self.steps(2, 12))
        away = self._turn() if self.chance(0.5) else self.wander(env, self.steps(3, 25))
        return away + [STAY] * self.steps(0, 4) + backwards(away) + [STAY] * self.steps(0, 1)

    def _turn(self) -> list[int]:
        return [self.steps(LEFT, RIGHT)] * self.steps(1, 4)


class PlaceAndLeave(Policy):
    """Carries a thing elsewhere, leaves, and comes back to see whether it is still there."""

    def begin(self) -> None:
        self.placed: Cell | None = None

    def think(self, env: GridRooms) -> list[int]:
        if env.carrying is not None:
            return self._place(env) or self._stray(env)
        if self.placed is not None:
            return self._return(env, self.placed) or self._stray(env)
        things = cells(env, *THINGS)
        wanted = [self.pick(things)] if things and self.chance(0.5) else things
        return _then(route(env, facing(wanted)), PICKUP) or self._stray(env)

    def _place(self, env: GridRooms) -> list[int] | None:
        self.placed = self.pick(parking(env) or [front(env)])
        return _then(route(env, facing([self.placed])), DROP)

    def _return(self, env: GridRooms, placed: Cell) -> list[int] | None:
        """First away from the placed thing, and only then back to it."""
        if placed == front(env):
            far = [(x, y) for x, y in cells(env, "floor") if abs(x - placed[0]) + abs(y - placed[1]) > 5]
            return route(env, standing([self.pick(far)])) if far else None
        self.placed = None
        return [*(route(env, facing([placed])) or []), *self._glance()]

    def _glance(self) -> list[int]:
        return [STAY] * self.steps(1, 3) + [self.steps(LEFT, RIGHT)] * 2

    def _stray(self, env: GridRooms) -> list[int]:
        return self.wander(env, self.steps(2, 10))


class HandsFull(Policy):
    """Carries one thing to another, or to a wall or door, and tries in vain to take that too, or to put down there."""

    def think(self, env: GridRooms) -> list[int]:
        if env.carrying is None:
            return _then(route(env, facing(cells(env, *THINGS))), PICKUP) or self.wander(env, self.steps(2, 10))
        if self.chance(0.2):
            return put_down(env) or self.wander(env, self.steps(2, 10))
        taken = cells(env, *THINGS) if self.chance(0.7) else cells(env, "door", "wall")
        approach = route(env, facing([self.pick(taken)])) if taken else None
        vain = [self.pick((PICKUP, PICKUP, DROP, STAY, TOGGLE)) for _ in range(self.steps(1, 4))]
        return (approach or self.wander(env, self.steps(1, 6))) + vain


class Weird(Policy):
    """Bumps, spins, toggles and grabs far more than anyone sensible would, often in front of something."""

    careful = False
    HABITS = ((FORWARD,), (LEFT,), (RIGHT,), (TOGGLE,), (PICKUP, DROP), (STAY,), (LEFT, RIGHT), (DROP, TOGGLE))

    def think(self, env: GridRooms) -> list[int]:
        habit = list(self.pick(self.HABITS)) * self.steps(2, 8)
        things = cells(env, "door", *THINGS)
        approach = route(env, facing([self.pick(things)])) if things and self.chance(0.5) else None
        return (approach or self.wander(env, self.steps(1, 6))) + habit


class Unhurried:
    """Acts by a policy, but now and then stands still for a moment after handling something, as people do: what was
    just taken must be seen to stay taken."""

    PAUSE = 0.3

    def __init__(self, policy: Policy) -> None:
        self.policy, self._rest = policy, 0

    def __call__(self, env: GridRooms) -> int:
        if self._rest:
            self._rest -= 1
            return STAY
        action = self.policy(env)
        if action in (PICKUP, DROP, TOGGLE) and self.policy.chance(self.PAUSE):
            self._rest = self.policy.steps(1, 3)
        return action


POLICIES: dict[str, type[Policy]] = {
    "random_walk": RandomWalk,
    "solver": Solver,
    "explorer": Explorer,
    "look_away_and_return": LookAwayAndReturn,
    "place_and_leave": PlaceAndLeave,
    "hands_full": HandsFull,
    "weird": Weird,
}


def make_policy(name: str, rng: np.random.Generator) -> Policy:
    """The policy of that name; call it with the environment to get the next action."""
    if name not in POLICIES:
        raise OptionError(f"no policy {name!r} for GridRooms. {did_you_mean(name, POLICIES)}")
    return POLICIES[name](rng)
