"""What can be said of any Gymnasium environment, as a `WorldSpec`: its picture, its actions, its speed.

Reads spaces and metadata only; how the environment is run is in `source.py`.
"""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from wmenv.contract import ActionTable, WorldSpec
from wmenv.errors import UnsupportedError

Pixels = Literal["obs", "render"]

STILL = ("noop", "no-op", "nothing", "stay", "idle")  # names that environments give to doing nothing
DEFAULT_FPS = 10.0  # for environments that do not say how fast they should be shown


def spec_of_env(env: gym.Env, pixels: Pixels) -> WorldSpec:
    """The spec of a plain environment, whose picture is its observation or what it renders."""
    height, width, _ = picture_shape(env, pixels)
    registered = env.spec
    return WorldSpec(
        name=registered.id if registered else type(env.unwrapped).__name__,
        height=height,
        width=width,
        fps=float(env.metadata.get("render_fps") or DEFAULT_FPS),
        actions=table_of_space(env.action_space, getattr(env.unwrapped, "get_action_meanings", None)),
        reward="env",
        terminates=True,
        seeded=not (registered and registered.nondeterministic),
        provenance={"gymnasium": gym.__version__},
    )


def picture_shape(env: gym.Env, pixels: Pixels) -> tuple[int, ...]:
    """Height, width and 3; `UnsupportedError` if the environment shows no RGB picture there."""
    if pixels == "render":
        env.reset(seed=0)
        found: Any = env.render()
        hint = "Make it with render_mode='rgb_array'."
    else:
        found = env.observation_space.sample() if isinstance(env.observation_space, spaces.Box) else None
        hint = "Wrap it so that it gives pixels, or use SourceWorld(..., pixels='render')."
    if isinstance(found, np.ndarray) and found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3:
        return found.shape
    shown = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
    raise UnsupportedError(f"{env} gives {shown} where a uint8 picture (height, width, 3) is needed. {hint}")


def table_of_space(space: spaces.Space, meanings: Any = None) -> ActionTable:
    """The action table of a Discrete, MultiDiscrete or Box space."""
    if isinstance(space, spaces.Discrete):
        names = tuple(meanings()) if meanings else tuple(f"action-{number}" for number in range(space.n))
        still = [number for number, name in enumerate(names) if name.lower() in STILL]
        return ActionTable(names, noop=still[0] if still else None)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        sizes = tuple(int(size) for size in space.nvec)
        return ActionTable(field_names(len(sizes)), kind="multi_discrete", sizes=sizes)
    if isinstance(space, spaces.Box):
        low, high = (tuple(bound.astype(float).ravel().tolist()) for bound in (space.low, space.high))
        still_inside = all(a <= 0 <= b for a, b in zip(low, high, strict=True))
        noop = (0.0,) * len(low) if still_inside else None
        return ActionTable(field_names(len(low)), noop=noop, kind="box", low=low, high=high)
    raise UnsupportedError(f"actions in {space} are not supported; Discrete, MultiDiscrete and Box are.")


def field_names(count: int) -> tuple[str, ...]:
    return tuple(f"field-{number}" for number in range(count))


def action_for(space: spaces.Space, action: np.ndarray) -> Any:
    """An action of the table in the form that the environment's own space has."""
    if isinstance(space, spaces.Discrete):
        return int(action) + int(space.start)
    if isinstance(space, spaces.Box):
        given = np.asarray(action, space.dtype).reshape(space.shape)
        return np.clip(given, space.low, space.high)  # ours are float32, whose 0.1 is above a float64's
    return np.asarray(action, space.dtype)
