"""Shards as Parquet, one row per frame and one row group per episode, for tools that read columns.

A row holds the frame and what was done at it: action, reward and sound of the step that left it, null at the last
frame. Frames are raw bytes under zstd, without loss, unless JPEG was asked for.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from wmenv.contract import WorldSpec
from wmenv.episodes import Episode
from wmenv.errors import MissingExtraError
from wmenv.rollout.shards import PER_STEP, Facts, episode_facts, from_jpeg, shard_facts, to_jpeg

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as problem:
    raise MissingExtraError("Parquet needs pyarrow: pip install 'wmenv[data]'.") from problem

FACTS, MOMENT = b"wmenv", b"wmenv-moment/"


def schema_of(spec: WorldSpec) -> pa.Schema:
    """The columns of a world's episodes."""
    whole = pa.float32() if spec.actions.kind == "box" else pa.int64()
    action = whole if spec.actions.kind == "discrete" else pa.list_(whole, spec.actions.count)
    return pa.schema(
        {
            "episode": pa.int64(),
            "frame": pa.int32(),
            "image": pa.binary(),
            "actions": action,
            "rewards": pa.float32(),
            "audio": pa.binary(),
            "pose": pa.list_(pa.float32(), 3),
            "words": pa.string(),
        }
    )


class Writer:
    """Writes one file."""

    def __init__(self, file: IO[bytes], jpeg: int | None) -> None:
        self._file, self._jpeg = file, jpeg
        self._writer: Any = None
        self._spec: Any = None
        self._facts: list[dict[str, Any]] = []
        self._moments: dict[bytes, bytes] = {}

    def add(self, number: int, episode: Episode) -> None:
        if self._writer is None:
            self._spec = episode.spec
            self._writer = pq.ParquetWriter(
                self._file, schema_of(episode.spec), compression="zstd", use_dictionary=["words"]
            )
        self._facts.append(episode_facts(number, episode) | {"words": None, "moment": self._moment(episode)})
        self._writer.write_table(table_of(number, episode, self._jpeg), row_group_size=len(episode.frames))

    def finish(self) -> None:
        facts = shard_facts(self._spec, self._facts, self._jpeg).encode()
        self._writer.add_key_value_metadata({FACTS: facts, **self._moments})
        self._writer.close()

    def abandon(self) -> None:
        if self._writer is not None:
            with suppress(OSError, ValueError):  # it writes a footer first, where there may be no room
                self._writer.close()

    def _moment(self, episode: Episode) -> str | None:
        moment = episode.start.moment
        if moment is None:
            return None
        name = f"{zlib.crc32(moment):08x}"
        self._moments[MOMENT + name.encode()] = moment.hex().encode()  # Parquet's metadata is text
        return name


def table_of(number: int, episode: Episode, jpeg: int | None) -> pa.Table:
    """An episode as rows."""
    frames, every = len(episode.frames), episode.spec.frames_per_step
    images = [to_jpeg(frame, jpeg) if jpeg else frame.tobytes() for frame in episode.frames]
    schema = schema_of(episode.spec)

    def column(name: str, values: Any) -> pa.Array:
        """One value per frame that a step left from or led to, null elsewhere."""
        spread: list[Any] = [None] * frames
        if values is not None:
            spread[: (len(values) - 1) * every + 1 : every] = list(values)
        return pa.array(spread, schema.field(name).type)

    return pa.table(
        {
            "episode": pa.array(np.full(frames, number)),
            "frame": pa.array(np.arange(frames, dtype=np.int32)),
            "image": pa.array(images, pa.binary()),
            "actions": column("actions", episode.actions),
            "rewards": column("rewards", episode.rewards),
            "audio": column("audio", None if episode.audio is None else [sound.tobytes() for sound in episode.audio]),
            "pose": column("pose", episode.pose),
            "words": column("words", episode.words),
        },
        schema=schema,
    )


class Reader:
    """Reads one file."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, page_checksum_verification=True)
        told = self._file.metadata.metadata
        self._facts = Facts(told[FACTS])
        self._moments = {
            name.removeprefix(MOMENT).decode(): bytes.fromhex(value.decode())
            for name, value in told.items()
            if name.startswith(MOMENT)
        }
        self.numbers = tuple(self._facts.episodes)

    def episode(self, number: int) -> Episode:
        table = self._file.read_row_group(self.numbers.index(number))
        words = [word for word in table["words"].to_pylist() if word is not None]
        self._facts.episodes[number]["words"] = words or None
        moment = self._facts.episodes[number]["moment"]
        arrays = {name: self._column(table, name) for name in (*PER_STEP, "pose")}
        return self._facts.build(number, arrays | {"frames": self._frames(table)}, moment and self._moments[moment])

    def close(self) -> None:
        self._file.close()

    def _frames(self, table: pa.Table) -> np.ndarray:
        images = table["image"].to_pylist()
        if self._facts.jpeg is not None:
            return np.stack([from_jpeg(image) for image in images])
        shape = (self._facts.spec.height, self._facts.spec.width, 3)
        return np.stack([np.frombuffer(image, np.uint8).reshape(shape) for image in images])

    def _column(self, table: pa.Table, name: str) -> np.ndarray | None:
        values = table[name].drop_null()
        if not len(values):
            return None
        if name == "audio":
            return np.stack([np.frombuffer(sound, np.int16) for sound in values.to_pylist()])
        return np.array(
            values.to_pylist(),
            values.type.value_type.to_pandas_dtype()
            if pa.types.is_fixed_size_list(values.type)
            else values.type.to_pandas_dtype(),
        )
