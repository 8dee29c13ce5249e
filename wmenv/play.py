"""Plays an environment: from a script, by a policy, or by hand.

A player is shown a frame and says its move: an action, a `Direct` that changes the world, or None to stop. Knows
nothing of recording; the environment's observer does that.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from wmenv.contract import ActionTable
from wmenv.env.directions import checked_direction
from wmenv.env.single import WorldEnv
from wmenv.errors import ActionError, DirectionError, OptionError, UnsupportedError, did_you_mean


@dataclass(frozen=True)
class Direct:
    """A move that takes no step: text that changes the world with the next one."""

    text: str


Player = Callable[[np.ndarray], Any]
Watch = Callable[[np.ndarray], None]


def play_episode(env: WorldEnv, player: Player, *, seed: int | None = None, watch: Watch | None = None) -> bool:
    """One episode, shown to `watch` frame by frame; True if it came to its end, False if the player stopped."""
    frame, _ = env.reset(seed=seed)
    over = False
    while not over:
        if watch is not None:
            watch(frame)
        move = player(frame)
        if move is None:
            return False
        if isinstance(move, Direct):
            env.direct(move.text)
            continue
        frame, _, terminated, truncated, _ = env.step(move)
        over = terminated or truncated
    if watch is not None:
        watch(frame)
    return True


# --- scripts --------------------------------------------------------------------------------------------------------

DIRECT = "direct:"


def read_script(script: str, actions: ActionTable) -> list[Any]:
    """The moves in a line such as `forward*10, left, direct:night falls, noop*5`.

    >>> read_script("left*2, direct:night falls, right", ActionTable(("left", "right")))
    [0, 0, Direct(text='night falls'), 1]
    """
    if actions.kind != "discrete":
        raise UnsupportedError("a script names actions, and this world's actions are numbers. Use a policy.")
    moves: list[Any] = []
    for item in filter(None, (part.strip() for part in script.split(","))):
        if item.startswith(DIRECT):
            moves.append(Direct(item.removeprefix(DIRECT).strip()))
        else:
            moves += _repeated(item, actions)
    return moves


def _repeated(item: str, actions: ActionTable) -> list[int]:
    name, star, times = (part.strip() for part in item.partition("*"))
    if star and not times.isdecimal():
        raise ActionError(f"a script repeats an action a whole number of times, as in {name}*10; got {item!r}.")
    return [actions.index(name)] * (int(times) if star else 1)


def follow(moves: Iterable[Any]) -> Player:
    """A player that makes these moves and stops."""
    rest: Iterator[Any] = iter(moves)
    return lambda frame: next(rest, None)


# --- policies -------------------------------------------------------------------------------------------------------


def _random(env: WorldEnv, seed: int) -> Player:
    chance = np.random.default_rng(seed)
    return lambda frame: env.world.spec.actions.sample(chance, 1)[0]


def _idle(env: WorldEnv, seed: int) -> Player:
    noop = env.world.spec.actions.noop
    if noop is None:
        raise UnsupportedError(f"world {env.world.spec.name!r} has no action that does nothing.")
    return lambda frame: noop


def _wander(env: WorldEnv, seed: int) -> Player:
    """Random too, but holds on to an action for a while, so that it gets somewhere."""
    chance = np.random.default_rng(seed)
    table = env.world.spec.actions
    action = table.sample(chance, 1)[0]

    def move(frame: np.ndarray) -> Any:
        nonlocal action
        if chance.random() < CHANGE_OF_MIND:
            action = table.sample(chance, 1)[0]
        return action

    return move


CHANGE_OF_MIND = 0.4  # how likely a wanderer takes up another action at a step
POLICIES: dict[str, Callable[[WorldEnv, int], Player]] = {"random": _random, "idle": _idle, "wander": _wander}


def make_player(policy: str, env: WorldEnv, seed: int) -> Player:
    """The player called `policy`, or what the factory at `module:name` makes of (env, seed)."""
    if policy in POLICIES:
        return POLICIES[policy](env, seed)
    path, colon, name = policy.partition(":")
    if not colon:
        raise OptionError(f"no policy {policy!r}. {did_you_mean(policy, POLICIES)} Any other is 'module:factory'.")
    try:
        return getattr(importlib.import_module(path), name)(env, seed)
    except (ModuleNotFoundError, AttributeError) as problem:
        raise OptionError(f"policy {policy!r} cannot be loaded: {problem}.") from problem


# --- hands ----------------------------------------------------------------------------------------------------------


class Console(Protocol):
    """Where a person sees frames and presses keys: a terminal or a window."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *problem: object) -> None: ...

    def show(self, frame: np.ndarray, caption: str) -> None:
        """Show this frame with a line of text."""

    def pressed(self, wait_s: float | None) -> str | None:
        """The name of a key pressed within that time (None: however long it takes), or None."""

    def ask(self, prompt: str) -> str:
        """A line of text."""


class Hands:
    """A person at a console: keys of the world's action table, `/` to direct the world in words, Escape to stop.

    With `live` the world does not wait: where no key came since the last step, its do-nothing action is taken. The
    pace is then that of the environment.
    """

    def __init__(self, console: Console, env: WorldEnv, live: bool = False) -> None:
        spec = env.world.spec
        if not spec.actions.keys:
            raise UnsupportedError(f"world {spec.name!r} names no keys for its actions. Use --script or a policy.")
        if live and spec.actions.noop is None:
            raise UnsupportedError(f"world {spec.name!r} has no action that does nothing, so it has to wait for keys.")
        self._console, self._spec, self._wait_s = console, spec, 0.0 if live else None
        self._refused = ""  # why the last line typed directs nothing

    def __call__(self, frame: np.ndarray) -> Any:
        while True:
            self._console.show(frame, self._caption())
            key = self._console.pressed(self._wait_s)
            if key == "Escape":
                return None
            self._refused = ""
            if key == "/" and self._spec.directions:
                text = self._console.ask("direct the world: ")
                try:
                    checked_direction(text, None, self._spec)
                except DirectionError as problem:
                    self._refused = str(problem)
                    continue
                return Direct(text)
            if key is not None and key in self._spec.actions.keys:
                return self._spec.actions.keys[key]
            if key is None:
                return self._spec.actions.noop

    def _caption(self) -> str:
        actions = self._spec.actions
        keys = [f"{key}:{actions.names[number]}" for key, number in actions.keys.items()]
        return self._refused or " ".join([*keys, *(["/:direct"] if self._spec.directions else []), "Escape:stop"])
