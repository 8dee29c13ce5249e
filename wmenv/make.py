"""Where worlds, environments and records are put together; what Gymnasium calls for our ids, and `make_sb3`.

Everything heavy is imported when something is made, so that registering the ids costs nothing. Arguments are plain
values, so that every spec can be written as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium

from wmenv.contract import EpisodeObserver, World
from wmenv.errors import UnknownWorldError, did_you_mean

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from wmenv.env.doubt import Doubt
    from wmenv.env.single import WorldEnv
    from wmenv.env.vector import WorldVectorEnv


GRIDROOMS: dict[str, tuple[str, int, dict[str, Any]]] = {  # variant -> task, steps and what else is not the default
    "": ("reach", 128, {}),
    "-Reach": ("reach", 128, {}),
    "-Fetch": ("fetch", 128, {}),
    "-Unlock": ("unlock", 192, {}),
    "-PutNext": ("put_next", 192, {}),
    "-Explore": ("explore", 1000, {"reward": "none"}),
    "Directed": ("explore", 1000, {"reward": "none", "directed_every": 20}),
}


def _gridrooms(name: str, world: str) -> dict[str, dict[str, Any]]:
    """All variants of GridRooms on one world."""
    return {
        f"wmenv/{name}{variant}-v0": {
            "world": world,
            "world_settings": {"task": task},
            "max_episode_steps": steps,
            **settings,
        }
        for variant, (task, steps, settings) in GRIDROOMS.items()
    }


ENVIRONMENTS: dict[str, dict[str, Any]] = {  # id -> the arguments of make_env and make_vector_env
    **_gridrooms("GridRooms", "gridrooms"),
    **_gridrooms("GridRoomsSource", "gridrooms-source"),
    "wmenv/Pan-v0": {"world": "pan", "world_settings": {"beacon": True}, "max_episode_steps": 64},
}


def register() -> None:
    """Make our ids known to Gymnasium; doing it again changes nothing."""
    for name, settings in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point="wmenv.make:make_env",
                vector_entry_point="wmenv.make:make_vector_env",
                max_episode_steps=settings["max_episode_steps"],
                kwargs={**settings, "env_id": name},
            )


def make_env(
    world: World | str,
    *,
    world_settings: Mapping[str, Any] | None = None,
    record: bool = True,
    env_id: str = "",
    truncate_on_doubt: float | None = None,
    **settings: Any,
) -> WorldEnv:
    """A single environment on a world, with the record of each episode in `info["wmenv"]` unless `record` is False.

    `settings` are those of `WorldEnv`; `truncate_on_doubt` cuts episodes in which re-seeded next frames are further
    apart than that (0 to 1, see `wmenv/metrics/disagreement.py`). Through `gymnasium.make` its own
    `max_episode_steps` can only shorten episodes, because it counts from outside;
    `reset(options={"max_episode_steps": n})` sets the environment's own limit.
    """
    from wmenv.env.single import WorldEnv

    built = _world(world, world_settings, env_id)
    observer = _recorder(built, 1, env_id, settings) if record else None
    return WorldEnv(built, observer=observer, doubt=_doubt(truncate_on_doubt), **settings)


def make_vector_env(
    world: World | str,
    num_envs: int = 1,
    *,
    world_settings: Mapping[str, Any] | None = None,
    record: bool = True,
    env_id: str = "",
    truncate_on_doubt: float | None = None,
    **settings: Any,
) -> WorldVectorEnv:
    """A vector environment on a world, one batched call per step; `settings` are those of `WorldVectorEnv`.

    `truncate_on_doubt` is that of `make_env`.
    """
    from wmenv.env.vector import WorldVectorEnv

    built = _world(world, world_settings, env_id)
    observer = _recorder(built, num_envs, env_id, settings) if record else None
    return WorldVectorEnv(built, num_envs, observer=observer, doubt=_doubt(truncate_on_doubt), **settings)


def make_sb3(
    id_or_world: str | World,
    num_envs: int = 1,
    *,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    info_keywords: Sequence[str] = (),
    monitor_file: str | None = None,
    **settings: Any,
) -> VecEnv:
    """A Stable-Baselines3 `VecEnv` on a registered id, a world's name or a world, with a `VecMonitor` around it.

    `seed` and `options` hold for the first reset. `info_keywords` are record keys, such as `wm_frames`, that the
    monitor adds to its table. `settings` are those of `make_vector_env`.
    """
    from stable_baselines3.common.vec_env import VecMonitor

    from wmenv.env.sb3 import WorldVecEnv

    chosen = settings_of(id_or_world) | settings
    env = WorldVecEnv(make_vector_env(num_envs=num_envs, autoreset_mode="SameStep", **chosen))
    if seed is not None:
        env.seed(seed)
    env.set_options(None if options is None else dict(options))
    return VecMonitor(env, filename=monitor_file, info_keywords=tuple(info_keywords))


def settings_of(id_or_world: str | World) -> dict[str, Any]:
    """The arguments behind an id of ours; of anything else we know only that it is a world."""
    if not isinstance(id_or_world, str) or not id_or_world.startswith("wmenv/"):
        return {"world": id_or_world}
    if id_or_world not in ENVIRONMENTS:
        raise UnknownWorldError(f"no environment is called {id_or_world!r}. {did_you_mean(id_or_world, ENVIRONMENTS)}")
    return ENVIRONMENTS[id_or_world] | {"env_id": id_or_world}


def _world(world: World | str, settings: Mapping[str, Any] | None, env_id: str) -> World:
    """The world itself; what `settings` do not say is as the id has it, if the world is the id's own."""
    from wmenv.worlds.catalog import load_world

    if not isinstance(world, str):
        return world
    own = ENVIRONMENTS.get(env_id, {})
    usual = own.get("world_settings", {}) if own.get("world") == world else {}
    return load_world(world, **usual | dict(settings or {}))


def _recorder(world: World, rows: int, env_id: str, settings: Mapping[str, Any]) -> EpisodeObserver:
    from wmenv.env.tasks import reward_source
    from wmenv.logs.recorder import EpisodeRecorder

    source = reward_source(settings.get("reward", "world"), world.spec).name
    return EpisodeRecorder(world.spec, rows, env_id=env_id, reward_source=source)


def _doubt(limit: float | None) -> Doubt | None:
    if limit is None:
        return None
    from wmenv.env.doubt import Doubt
    from wmenv.metrics.disagreement import disagreement

    return Doubt(limit, disagreement)


# `gymnasium.make` reads the render modes from what it calls
make_env.metadata = make_vector_env.metadata = {"render_modes": ["rgb_array"]}  # type: ignore[attr-defined]
