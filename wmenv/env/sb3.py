"""The face that Stable-Baselines3 wants: its `VecEnv` over our vector environment in SAME_STEP mode.

Hands over numpy arrays, the last observation of an ended episode, whether the clock ended it, and the episode's record
as flat keys, `wm_...`, for `VecMonitor(info_keywords=...)`. Knows nothing of algorithms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from wmenv.env.infos import row_info
from wmenv.env.options import checked_limit
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import OptionError, UnsupportedError

RECORD_PREFIX = "wm_"
ONE_ROW: dict[
    str, Callable[..., Any]
] = {  # what env_method may call for some rows, and how the vector environment does it
    "direct": lambda env, row, text, **lock: env.direct(text, [row], **lock),
    "snapshot": lambda env, row: env.snapshot([row]),
    "restore": lambda env, row, snapshot: env.restore(snapshot, [row])[row],
    "describe": lambda env, row: env.describe()[row],
    "render": lambda env, row: env.render() and env.render()[row],
    "get_action_meanings": lambda env, row: env.get_action_meanings(),
}
SETTABLE: dict[str, Callable[[Any], Any]] = {  # what set_attr may change, for episodes that begin from then on
    "max_episode_steps": checked_limit,
    "sticky_reset_options": bool,
}


class WorldVecEnv(VecEnv):
    """Our vector environment for Stable-Baselines3; every row is a view, so attributes are shared by all rows."""

    def __init__(self, env: WorldVectorEnv) -> None:
        if env.autoreset_mode is not AutoresetMode.SAME_STEP or env.output != "numpy":
            raise OptionError(
                f"Stable-Baselines3 needs autoreset_mode='SameStep' and output='numpy', "
                f"got {env.autoreset_mode.value!r} and {env.output!r}. Use wmenv.make_sb3."
            )
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = {**env.metadata, **self.metadata}
        self._actions: np.ndarray | None = None

    def reset(self) -> np.ndarray:
        """Begin every row, with what `seed` and `set_options` said since the last reset."""
        options = self._options if any(self._options) else None
        observations, infos = self.env.reset(seed=self._seeds, options=options)
        self.reset_infos = [row_info(infos, row) for row in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        told: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(dones).tolist():
            told[row] = self._last_words(infos, row, bool(truncated[row] and not terminated[row]))
            self.reset_infos[row] = row_info({key: infos[key] for key in infos if "final" not in key}, row)
        return observations, rewards.astype(np.float32), dones, told

    def _last_words(self, infos: Mapping[str, Any], row: int, cut: bool) -> dict[str, Any]:
        """The info of a row whose episode has ended with this step."""
        info = row_info(infos["final_info"], row)
        info |= flat(info.get("wmenv", {}))
        return info | {"terminal_observation": infos["final_obs"][row], "TimeLimit.truncated": cut}

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray]:
        """The last frame of every row, for `render` and video recorders."""
        return self.env.render() or ()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the vector environment, once for each row asked for."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set one of `SETTABLE` for all rows; one row alone has none of its own."""
        if indices is not None and len(list(self._get_indices(indices))) < self.num_envs:
            raise UnsupportedError(f"rows share their attributes: {attr_name!r} can only be set for all of them.")
        if attr_name not in SETTABLE:
            raise UnsupportedError(
                f"{attr_name!r} cannot be set once the environment is made, only {' and '.join(SETTABLE)}. "
                "Make another one for the rest."
            )
        setattr(self.env, attr_name, SETTABLE[attr_name](value))

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method for each row asked for."""
        if method_name not in ONE_ROW:
            raise UnsupportedError(f"rows have no method {method_name!r}. Known: {', '.join(sorted(ONE_ROW))}.")
        call = ONE_ROW[method_name]
        return [call(self.env, row, *method_args, **method_kwargs) for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """No row has a wrapper of its own."""
        return [False for _ in self._get_indices(indices)]


def flat(record: Mapping[str, Any], prefix: str = RECORD_PREFIX) -> dict[str, Any]:
    """A record as one level of keys, without the lists in it.

    >>> flat({"frames": 3, "latency_ms": {"p50": 7.5}})
    {'wm_frames': 3, 'wm_latency_ms_p50': 7.5}
    """
    level: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            level |= flat(value, f"{prefix}{key}_")
        elif isinstance(value, str) or not isinstance(value, Iterable):
            level[f"{prefix}{key}"] = value
    return level
