"""Shards that numpy alone can read: `np.load(path)["frames/12"]` is the frames of episode 12, (T + 1, H, W, 3) uint8.

Frames are kept without loss by zlib, whose window of 32 KB reaches over several small frames and so finds what stands
still. All other columns lie end to end, one episode after another, in the order of `facts`.
"""

from __future__ import annotations

import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from wmenv.episodes import Episode
from wmenv.rollout.shards import COLUMNS, PER_STEP, Facts, episode_facts, from_jpeg, shard_facts, to_jpeg

LEVEL = 6  # of zlib; 9 saves a quarter on tiles for 2.5 times the work, and nothing on textures
EPOCH = (1980, 1, 1, 0, 0, 0)  # no clock in the bytes: the same episodes, the same file


class Writer:
    """Writes one file."""

    def __init__(self, file: IO[bytes], jpeg: int | None) -> None:
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL)
        self._jpeg = jpeg
        self._spec: Any = None
        self._facts: list[dict[str, Any]] = []
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
        self._moments: set[str] = set()

    def add(self, number: int, episode: Episode) -> None:
        self._spec = episode.spec
        self._facts.append(episode_facts(number, episode) | {"moment": self._moment(episode.start.moment)})
        for name in COLUMNS:
            if (column := getattr(episode, name)) is not None:
                self._columns[name].append(column)
        if self._jpeg is None:
            self._put(f"frames/{number}", episode.frames)
        else:
            pictures = [to_jpeg(frame, self._jpeg) for frame in episode.frames]
            self._put(f"jpeg/{number}", np.frombuffer(b"".join(pictures), np.uint8))
            self._put(f"jpeg_sizes/{number}", np.array([len(picture) for picture in pictures], np.int64))

    def finish(self) -> None:
        for name, columns in self._columns.items():
            if columns:
                self._put(name, np.concatenate(columns))
        self._put("facts", np.frombuffer(shard_facts(self._spec, self._facts, self._jpeg).encode(), np.uint8))
        self._archive.close()

    def abandon(self) -> None:
        with suppress(OSError, ValueError):  # it writes a table of contents first, where there may be no room
            self._archive.close()

    def _moment(self, moment: bytes | None) -> str | None:
        """The name under which a moment is kept; the futures of one moment share it."""
        if moment is None:
            return None
        name = f"moment/{zlib.crc32(moment):08x}"
        if name not in self._moments:
            self._moments.add(name)
            self._put(name, np.frombuffer(moment, np.uint8))
        return name

    def _put(self, name: str, array: np.ndarray) -> None:
        entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry._compresslevel = LEVEL  # type: ignore[attr-defined]  # ZipFile.open takes none for an entry of its own
        with self._archive.open(entry, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


class Reader:
    """Reads one file."""

    _file: Any = None

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115  (open for as long as somebody reads)
        self._arrays = np.load(self._file, allow_pickle=False)
        self._facts = Facts(self._arrays["facts"].tobytes())
        self._columns = {name: self._arrays[name] for name in COLUMNS if name in self._arrays}
        self._spans = {number: spans for number, *spans in self._facts.spans()}
        self.numbers = tuple(self._facts.episodes)

    def episode(self, number: int) -> Episode:
        steps, states = self._spans[number]
        arrays = {name: column[steps if name in PER_STEP else states] for name, column in self._columns.items()}
        moment = self._facts.episodes[number]["moment"]
        return self._facts.build(
            number,
            arrays | {"frames": self._frames(number)},
            None if moment is None else self._arrays[moment].tobytes(),
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        self.close()

    def _frames(self, number: int) -> np.ndarray:
        if self._facts.jpeg is None:
            return self._arrays[f"frames/{number}"]
        cuts = np.cumsum(self._arrays[f"jpeg_sizes/{number}"])[:-1]
        return np.stack([from_jpeg(data) for data in np.split(self._arrays[f"jpeg/{number}"], cuts)])
