"""Plays episodes and keeps what becomes of them: records, films and contact sheets in one folder.

The command line's `record`, `play` and `demo` are calls of what stands here. Knows no world and no metric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from wmenv.config import Config
from wmenv.env.single import WorldEnv
from wmenv.errors import LogError
from wmenv.logs.record_episodes import attach
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.logs.sinks import Record, finite
from wmenv.logs.video import Camera, iter_episodes
from wmenv.make import make_env, settings_of
from wmenv.play import Direct, Player, make_player, play_episode
from wmenv.worlds.catalog import load_world


class RecordConfig(Config):
    """Which episodes are played, by whom, and what is written of them."""

    env: str = "wmenv/GridRoomsSource-v0"
    policy: str = "random"
    episodes: PositiveInt = 1
    seed: NonNegativeInt = 0
    out: Path = Path("out/record")
    formats: tuple[Literal["jsonl", "csv", "tensorboard"], ...] = ("jsonl",)
    video_every: NonNegativeInt = 1
    video: Literal["webm", "mkv"] = "webm"
    realtime: bool = False
    world_settings: dict[str, Any] = Field(default_factory=dict)


def open_env(id_or_world: str, world_settings: Mapping[str, Any] | None = None, **settings: Any) -> WorldEnv:
    """The environment behind a registered id or the name of a world; a world without reward is played without one."""
    chosen = settings_of(id_or_world) | settings
    world = load_world(chosen.pop("world"), **chosen.pop("world_settings", {}) | dict(world_settings or {}))
    if world.spec.reward is None:
        chosen.setdefault("reward", "none")
    return make_env(world, **chosen)


@contextmanager
def recording(env: WorldEnv, folder: Path | None, **settings: Any) -> Iterator[list[Record]]:
    """Collect the records of all episodes, and film and write them to `folder` if there is one; then close it all.

    `settings` are those of `RecordEpisodes`.
    """
    kept = _Kept()
    try:
        if folder is not None:
            attach(env, 1, folder, **({"video_every": 1} | settings))
        _recorder(env).add_sink(kept)
        yield kept.records
    finally:
        env.close()


def _recorder(env: WorldEnv) -> EpisodeRecorder:
    assert isinstance(env.observer, EpisodeRecorder), f"open_env makes recorded environments, not {env.observer!r}"
    return env.observer


class _Kept:
    """A sink that holds records in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        self.records += records

    def close(self) -> None:
        """Nothing to close."""


def record(config: RecordConfig) -> list[Record]:
    """Play the episodes of `config`; episode i has the seed `config.seed + i`."""
    env = open_env(config.env, config.world_settings, realtime=config.realtime)
    player = make_player(config.policy, env, config.seed)
    written = {"formats": config.formats, "video_every": config.video_every, "video": config.video}
    with recording(env, config.out, **written) as records:
        for episode in range(config.episodes):
            play_episode(env, player, seed=config.seed + episode)
    return records


# --- the demo -------------------------------------------------------------------------------------------------------

DEMO = "wmenv/GridRooms-Explore-v0"
DEMO_STEPS = 240
DEMO_SEED = 71  # the wanderer meets what all of the directions speak of
BETWEEN_DIRECTIONS = 40


def demo(folder: Path, seed: int = DEMO_SEED) -> tuple[Record, list[Path]]:
    """One episode of wandering and directions; its record, and the files it left side by side in `folder`."""
    env = open_env(DEMO, max_episode_steps=DEMO_STEPS)
    number = next(iter_episodes(folder))
    _recorder(env).add_sink(Camera(env.world.spec, folder))
    with recording(env, None) as records:
        play_episode(env, _directing(make_player("wander", env, seed), env.world.spec.suggestions), seed=seed)
    path = folder / f"episode-{number:06d}.json"
    write_json(path, records[0])
    return records[0], sorted(folder.glob(f"{path.stem}.*"))


def _directing(player: Player, directions: Sequence[str]) -> Player:
    """The same player, who also gives a direction every now and then."""
    waiting = list(directions)
    moves = 0

    def move(frame: Any) -> Any:
        nonlocal moves
        moves += 1
        return Direct(waiting.pop(0)) if waiting and moves % BETWEEN_DIRECTIONS == 0 else player(frame)

    return move


def write_json(path: Path, record: Record) -> None:
    """One record as a JSON file for people to read."""
    try:
        path.write_text(json.dumps(finite(record), indent=2) + "\n")
    except OSError as problem:
        raise LogError(f"cannot write {path}: {problem.strerror}.") from problem


# --- what a person reads first ------------------------------------------------------------------------------------


def headline(record: Record) -> dict[str, str]:
    """The figures of a record that a person looks at first, in words and units; what was not measured has a dash."""
    latency, directions = record["latency_ms"], record["directions"]
    return {
        "world": f"{record['world']}, seed {record['seed']}",
        "episode": f"{record['steps']} steps, {record['end']}, return {record['return']:g}",
        "first frame": _said("{:.1f} ms", record["ttff_ms"]) + (", cold" if record["cold"] else ""),
        "step p50, p95, p99": ", ".join(_said("{:.2f} ms", latency[name]) for name in ("p50", "p95", "p99")),
        "speed": _said("{:.0f} steps/s", record["steps_per_second"]),
        "against real time": _said("{:.1f} x", record["real_time_factor"]),
        "slots missed": _said("{:.1%}", record["misses"]["rate"]),
        "cuts, reverts": f"{record['cuts']['events']}, {record['reverts']['events']}",
        "drift flagged at step": _said("{}", record["health"]["flag_step"]),
        "directions taken": f"{sum(bool(told['applied']) for told in directions)} of {record['directions_count']}",
        "alarms": ", ".join(record["alarms"]) or "none",
    }


def _said(form: str, value: float | None) -> str:
    return "-" if value is None else form.format(value)
