"""A wrapper that keeps the records, and films, of an environment's episodes. It steps nothing itself.

It adds sinks to the recorder that the environment carries, or gives it one; they are closed with the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv, VectorWrapper

from wmenv.errors import OptionError
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.logs.sinks import Logging, Sink, open_sink
from wmenv.logs.video import Camera


class RecordEpisodes(gymnasium.Wrapper):
    """Writes what becomes of every episode to `folder`, for single and vector environments alike.

    `formats` are of "jsonl", "csv" and "tensorboard". Every `video_every`-th episode is filmed (0: none) as "webm" or
    lossless "mkv", with a contact sheet beside it unless `sheets` is False. Each of `loggers` has `log(dict, step=)`.

    A vector environment comes back as a `RecordVectorEpisodes`.
    """

    def __new__(cls, env: Any, *args: Any, **settings: Any) -> Any:
        if isinstance(env, VectorEnv):
            return RecordVectorEpisodes(env, *args, **settings)
        return super().__new__(cls)

    def __init__(self, env: gymnasium.Env, folder: Path | str, **settings: Any) -> None:
        super().__init__(env)
        attach(env.unwrapped, 1, folder, **settings)


class RecordVectorEpisodes(VectorWrapper):
    """`RecordEpisodes` for vector environments."""

    def __init__(self, env: VectorEnv, folder: Path | str, **settings: Any) -> None:
        super().__init__(env)
        attach(env.unwrapped, env.num_envs, folder, **settings)


def attach(
    env: Any,
    rows: int,
    folder: Path | str,
    *,
    formats: Sequence[str] = ("jsonl",),
    video_every: int = 0,
    video: str = "webm",
    sheets: bool = True,
    loggers: Sequence[Any] = (),
) -> None:
    """Add sinks to an environment's recorder, and a recorder first if need be; the environment closes them."""
    if not hasattr(env, "observer"):
        raise OptionError(f"{type(env).__name__} is no wmenv environment: it has no observer to record with.")
    spec = env.world.spec
    sinks: list[Sink] = [open_sink(kind, folder) for kind in formats]
    sinks += [Logging(target) for target in loggers]
    if video_every:
        sinks.append(Camera(spec, Path(folder) / "videos", video_every, video, sheets))
    if env.observer is None:
        env.watch(EpisodeRecorder(spec, rows, reward_source=env.reward_source))
    for sink in sinks:
        env.observer.add_sink(sink)
