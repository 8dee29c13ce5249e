"""Who acts in a rollout. A policy is any function from what is in view to actions, one per row.

All it may keep between two steps of an episode is in that episode's `Mind`, with a random stream of its own, so that
what happens in an episode does not depend on which others run beside it. Knows nothing of how rows are filled.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from wmenv.contract import Actions, Directions, WorldSpec
from wmenv.errors import OptionError, UnsupportedError, did_you_mean

AHEAD = 64  # actions drawn at a time, which is much cheaper than one by one
CHANGE_OF_MIND = 0.4  # how likely a wanderer takes up another action at a step


@dataclass
class Mind:
    """What a policy knows of one episode, and all that it may remember.

    `memory` is for anything and gone at the end; `notes` is for what JSON can hold and stays with the episode.
    """

    episode: int
    rng: np.random.Generator
    instruction: str | None = None
    step: int = 0
    reward: float | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """What a policy is asked about: the last frame of each episode under way, (n, H, W, 3) uint8, and its mind.

    `batch` is how many rows the world runs with. A network that pads its input to that many computes the same numbers
    whether or not some rows are idle.
    """

    frames: np.ndarray
    minds: Sequence[Mind]
    spec: WorldSpec
    batch: int


class Policy(Protocol):
    """Says what each row does, and may direct the world as well."""

    def __call__(self, view: View) -> Actions | tuple[Actions, Directions]:
        """One action per frame in view; with a tuple also one direction, or None, per frame."""


def random(view: View) -> Actions:
    """Any action, each time anew."""
    for mind in view.minds:
        if mind.step % AHEAD == 0:
            mind.memory["actions"] = view.spec.actions.sample(mind.rng, AHEAD).tolist()
    return np.array([mind.memory["actions"][mind.step % AHEAD] for mind in view.minds])


def wander(view: View) -> Actions:
    """Random too, but holds on to an action for a while, so that it gets somewhere."""
    table = view.spec.actions
    for mind in view.minds:
        if "action" not in mind.memory or mind.rng.random() < CHANGE_OF_MIND:
            mind.memory["action"] = table.sample(mind.rng, 1)
    return np.concatenate([mind.memory["action"] for mind in view.minds])


def idle(view: View) -> Actions:
    """Nothing, all the time."""
    if view.spec.actions.noop is None:
        raise UnsupportedError(f"world {view.spec.name!r} has no action that does nothing.")
    return np.array([view.spec.actions.noop] * len(view.minds))


POLICIES: Mapping[str, Policy] = {"random": random, "wander": wander, "idle": idle}


def load_policy(name: str, settings: Mapping[str, Any]) -> Policy:
    """The policy called `name`: one of `POLICIES`, an SB3 `.zip`, or `module:name` of a function or a class."""
    if name.endswith(".zip"):
        from wmenv.rollout.sb3_policy import SB3Policy

        return SB3Policy(name, **settings)
    if name in POLICIES:
        return _with(POLICIES[name], name, settings)
    if ":" not in name:
        raise OptionError(
            f"no policy is called {name!r}. {did_you_mean(name, POLICIES)} "
            "Any other is 'module:function', or the .zip of a Stable-Baselines3 model."
        )
    return _with(load_attribute(name, "policy"), name, settings)


def load_attribute(name: str, role: str) -> Any:
    """What `module:name` names, or a named error."""
    path, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(path), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as problem:
        raise OptionError(f"{role} {name!r} is 'module:name', and cannot be loaded: {problem}.") from problem


def _with(found: Any, name: str, settings: Mapping[str, Any]) -> Policy:
    """A class becomes an object with these settings; a function takes them with every call."""
    try:
        if inspect.isclass(found):
            return cast(Policy, found(**settings))
        inspect.signature(found).bind(None, **settings)
    except TypeError as problem:
        raise OptionError(f"policy {name!r} does not take the settings {dict(settings)}: {problem}.") from problem
    policy: Policy = functools.partial(found, **settings) if settings else found
    return policy


def policy_name(policy: str | Callable[..., Any]) -> str:
    """How a data set says who acted."""
    if isinstance(policy, str):
        return policy
    kind = policy if hasattr(policy, "__qualname__") else type(policy)
    return f"{kind.__module__}:{kind.__qualname__}"
