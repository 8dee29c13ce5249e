"""Episodes in one file: what every kind of shard writes down, and the kinds there are.

A shard says everything of its episodes; the same episodes make the same bytes. Knows nothing of folders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from wmenv.contract import Start, WorldSpec
from wmenv.episodes import Directed, Episode, spec_facts, spec_of
from wmenv.errors import EpisodeFileError, LogError, MissingExtraError

FORMAT = "wmenv-shard-1"
PER_STEP = ("actions", "rewards", "audio")
COLUMNS = (*PER_STEP, "pose")  # `pose` belongs to frames: one more than there are steps


class ShardWriter(Protocol):
    """Takes episodes in the order of their numbers."""

    def add(self, number: int, episode: Episode) -> None: ...

    def finish(self) -> None:
        """Everything is in the file."""

    def abandon(self) -> None:
        """Let go of a file that will never be finished."""


class ShardReader(Protocol):
    """Gives episodes by their numbers."""

    numbers: tuple[int, ...]

    def episode(self, number: int) -> Episode: ...

    def close(self) -> None: ...


def open_writer(kind: str, file: IO[bytes], jpeg: int | None) -> ShardWriter:
    """A writer of that kind of shard; with `jpeg`, frames are kept with loss in that quality."""
    return _kind(kind).Writer(file, jpeg)


def open_reader(path: Path) -> ShardReader:
    """A reader of a shard; `EpisodeFileError` if it is not one, or not a whole one."""
    with damage_named(path):
        return _kind(path.suffix.removeprefix(".")).Reader(path)


def _kind(kind: str) -> Any:
    """The module of a kind of shard, with its `Writer` and `Reader`."""
    if kind == "parquet":
        from wmenv.rollout import parquet_shard

        return parquet_shard
    from wmenv.rollout import npz_shard

    return npz_shard


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes its library raise, as `EpisodeFileError` with the name of the file."""
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as problem:
        raise EpisodeFileError(f"{path} is damaged, or no shard of ours: {problem!r}.") from problem


# --- what is not an array -------------------------------------------------------------------------------------------


def episode_facts(number: int, episode: Episode) -> dict[str, Any]:
    """Everything of an episode that is not an array, ready for JSON."""
    return {
        "episode": number,
        "steps": episode.steps,
        "seed": episode.seed,
        "terminated": bool(episode.terminated),
        "truncated": bool(episode.truncated),
        "directions": [[d.step, d.text, d.applied, d.reason, d.lock] for d in episode.directions],
        "words": episode.words,
        "start": {"template": episode.start.template, "prompt": episode.start.prompt},
        "metadata": dict(episode.metadata),
    }


def shard_facts(spec: WorldSpec, episodes: Sequence[Mapping[str, Any]], jpeg: int | None) -> str:
    """The facts of a shard as text, always in the same order."""
    told = {"format": FORMAT, "spec": spec_facts(spec), "jpeg": jpeg, "episodes": list(episodes)}
    try:
        return json.dumps(told, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as problem:
        raise LogError(f"the notes of a policy go into JSON, and these do not: {problem}.") from problem


class Facts:
    """The facts of a shard, read again."""

    def __init__(self, text: str | bytes) -> None:
        told = json.loads(text)
        if told.get("format") != FORMAT:
            raise EpisodeFileError(f"this shard has format {told.get('format')!r}, this wmenv reads {FORMAT!r}")
        self.spec = spec_of(told["spec"])
        self.jpeg: int | None = told["jpeg"]
        self.episodes: dict[int, dict[str, Any]] = {facts["episode"]: facts for facts in told["episodes"]}

    def spans(self) -> Iterator[tuple[int, slice, slice]]:
        """Each episode's number, and where its steps and its states lie in columns of all."""
        steps = states = 0
        for number, facts in self.episodes.items():
            taken = facts["steps"]
            yield number, slice(steps, steps + taken), slice(states, states + taken + 1)
            steps, states = steps + taken, states + taken + 1

    def build(self, number: int, arrays: Mapping[str, np.ndarray | None], moment: bytes | None) -> Episode:
        """The episode out of its arrays (`frames` among them) and its facts."""
        told = self.episodes[number]
        directions = tuple(
            Directed(step, text, applied, reason, tuple(lock) if lock else None)
            for step, text, applied, reason, lock in told["directions"]
        )
        words = None if told["words"] is None else tuple(told["words"])
        return Episode(
            spec=self.spec,
            directions=directions,
            words=words,
            start=Start(**told["start"], moment=moment),
            **{name: told[name] for name in ("terminated", "truncated", "seed", "metadata")},
            **arrays,  # type: ignore[arg-type]
        )


# --- frames with loss -----------------------------------------------------------------------------------------------


def to_jpeg(frame: np.ndarray, quality: int) -> bytes:
    """A frame with loss."""
    import cv2

    done, data = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, f"OpenCV could not encode a frame of shape {frame.shape} and type {frame.dtype}"
    return data.tobytes()


def from_jpeg(data: bytes | np.ndarray) -> np.ndarray:
    """The frame that is left of it."""
    import cv2

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise EpisodeFileError(f"{len(data)} bytes that should be a JPEG picture are none")
    return picture[:, :, ::-1]
