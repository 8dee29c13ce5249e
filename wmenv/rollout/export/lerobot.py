"""A LeRobot data set, v3: columns in Parquet, frames in MP4, many episodes per file.

An episode of T steps has T rows: what was seen, and what was then done; the frame after the last action has no row.
The video loses a little of every frame, and `info.json` says so. Needs neither LeRobot nor pandas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import WorldSpec
from wmenv.episodes import Episode
from wmenv.errors import MissingExtraError, OptionError
from wmenv.rollout.dataset import Dataset
from wmenv.rollout.export.film import QUALITY, write_mp4
from wmenv.rollout.files import write_whole

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as problem:
    raise MissingExtraError("LeRobot's format needs pyarrow: pip install 'wmenv[data,video]'.") from problem

IMAGE = "observation.image"
STATE = "observation.state"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
NO_TASK = "explore"  # LeRobot wants a sentence for every frame


def to_lerobot(data: Dataset, out: Path) -> Path:
    """Write the data set as a LeRobot folder; each shard becomes one file of data and one of video."""
    if (out / "meta").exists():
        raise OptionError(f"{out} already holds a data set; choose another folder.")
    writer = _Writer(data, out)
    for place, shard in enumerate(data.receipts):
        writer.add(place, [data[number] for number in writer.numbers(shard)])
    writer.finish()
    return out


class _Writer:
    """Counts rows, tasks and statistics over all files."""

    def __init__(self, data: Dataset, out: Path) -> None:
        self._data, self._out = data, out
        self._rows = 0
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._stats: list[dict[str, dict[str, Any]]] = []

    def numbers(self, shard: int) -> range:
        receipt = self._data.receipts[shard]
        return range(receipt.first, receipt.stop)

    def add(self, place: int, episodes: Sequence[Episode]) -> None:
        """One file of data and one of video."""
        at = {"chunk_index": place // FILES_PER_CHUNK, "file_index": place % FILES_PER_CHUNK}
        tables, shown = [], 0
        for episode in episodes:
            table = self._table(episode)
            self._note(episode, table, at, shown / episode.spec.fps)
            shown += episode.steps
            tables.append(table)
        write_table(self._out / DATA.format(**at), pa.concat_tables(tables))
        fps = self._data.spec.fps / self._data.spec.frames_per_step
        write_mp4(self._out / VIDEO.format(video_key=IMAGE, **at), (seen(episode) for episode in episodes), fps)

    def finish(self) -> None:
        """What is known when all is written."""
        meta = self._out / "meta"
        at = {"chunk_index": 0, "file_index": 0}
        write_table(self._out / EPISODES.format(**at), pa.Table.from_pylist(self._episodes))
        write_table(meta / "tasks.parquet", tasks_table(self._tasks))
        write_whole(meta / "stats.json", json.dumps(merged(self._stats), indent=1))
        write_whole(meta / "info.json", json.dumps(self._info(), indent=1))

    def _table(self, episode: Episode) -> Any:
        """The rows of one episode."""
        steps, number = episode.steps, len(self._episodes)
        period = episode.spec.frames_per_step / episode.spec.fps
        task = self._tasks.setdefault(episode.metadata.get("instruction") or NO_TASK, len(self._tasks))
        columns: dict[str, Any] = {"action": vectors(episode.actions)}
        if episode.pose is not None:
            columns[STATE] = vectors(episode.pose[:-1])
        if episode.rewards is not None:
            columns["next.reward"] = pa.array(episode.rewards, pa.float32())
        columns["next.done"] = pa.array(np.arange(steps) == steps - 1)
        columns["timestamp"] = pa.array((np.arange(steps) * period).astype(np.float32))
        columns["frame_index"] = pa.array(np.arange(steps))
        columns["episode_index"] = pa.array(np.full(steps, number))
        columns["index"] = pa.array(np.arange(self._rows, self._rows + steps))
        columns["task_index"] = pa.array(np.full(steps, task))
        return pa.table(columns)

    def _note(self, episode: Episode, table: Any, at: dict[str, int], since_s: float) -> None:
        """The line of one episode in `meta/episodes`, its statistics included."""
        stats = statistics(episode, table)
        self._stats.append(stats)
        frames_s = episode.steps * episode.spec.frames_per_step / episode.spec.fps
        since_s *= episode.spec.frames_per_step
        line = {
            "episode_index": len(self._episodes),
            "tasks": [episode.metadata.get("instruction") or NO_TASK],
            "length": episode.steps,
            "dataset_from_index": self._rows,
            "dataset_to_index": self._rows + episode.steps,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            f"videos/{IMAGE}/from_timestamp": since_s,
            f"videos/{IMAGE}/to_timestamp": since_s + frames_s,
        }
        line |= {f"{part}/{name}": value for part in ("data", f"videos/{IMAGE}") for name, value in at.items()}
        line |= {f"stats/{name}/{kind}": v for name, told in stats.items() for kind, v in told.items()}
        self._episodes.append(line)
        self._rows += episode.steps

    def _info(self) -> dict[str, Any]:
        spec = self._data.spec
        return {
            "codebase_version": "v3.0",
            "robot_type": f"wmenv {spec.name}",
            "total_episodes": len(self._episodes),
            "total_frames": self._rows,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": whole(spec.fps / spec.frames_per_step),
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA,
            "video_path": VIDEO,
            "features": features(spec, self._stats[0]),
            "lossy": f"{IMAGE}: H.264, crf {QUALITY}",
        }


def seen(episode: Episode) -> np.ndarray:
    """The frame before each action."""
    return episode.frames[:: episode.spec.frames_per_step][:-1]


def vectors(values: np.ndarray) -> Any:
    """Rows as fixed lists of float32, the form of vectors in LeRobot; its reader takes one of length 1 as a number."""
    flat = values.reshape(len(values), -1).astype(np.float32)
    numbers = pa.array(flat.ravel())
    return numbers if flat.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(numbers, flat.shape[1])


def whole(value: float) -> float | int:
    """LeRobot counts frames per second in whole numbers where they are."""
    return int(value) if float(value).is_integer() else value


def features(spec: WorldSpec, present: Any) -> dict[str, Any]:
    """What each column is."""
    fields = 1 if spec.actions.kind == "discrete" else spec.actions.count
    kinds: dict[str, tuple[str, int, Any]] = {
        "action": ("float32", fields, ["action"] if fields == 1 else list(spec.actions.names)),
        STATE: ("float32", 3, ["x", "y", "heading"]),
        "next.reward": ("float32", 1, None),
        "next.done": ("bool", 1, None),
        "timestamp": ("float32", 1, None),
        **dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), ("int64", 1, None)),
    }
    told = {
        name: {"dtype": dtype, "shape": [size], "names": names}
        for name, (dtype, size, names) in kinds.items()
        if name in present
    }
    height, width = (side + side % 2 for side in (spec.height, spec.width))
    video = {
        "video.height": height,
        "video.width": width,
        "video.channels": 3,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.fps": whole(spec.fps / spec.frames_per_step),
        "video.is_depth_map": False,
        "has_audio": False,
    }
    names = ["height", "width", "channels"]
    return {IMAGE: {"dtype": "video", "shape": [height, width, 3], "names": names, "info": video}} | told


def statistics(episode: Episode, table: Any) -> dict[str, dict[str, Any]]:
    """Minimum, maximum, mean, deviation and count of every column; of pictures per channel, from 0 to 1."""
    pictures = seen(episode).astype(np.float64) / 255
    told = {IMAGE: described(pictures.reshape(-1, 3), (3, 1, 1), len(pictures))}
    for name in table.column_names:
        column = table[name].combine_chunks()
        fixed = pa.types.is_fixed_size_list(column.type)
        flat = column.flatten().to_numpy(zero_copy_only=False) if fixed else column.to_numpy(zero_copy_only=False)
        values = flat.astype(np.float64).reshape(len(table), -1)
        told[name] = described(values, (values.shape[1],), len(table))
    return told


def described(values: np.ndarray, shape: tuple[int, ...], count: int) -> dict[str, Any]:
    kinds = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    return {kind: found.reshape(shape).tolist() for kind, found in kinds.items()} | {"count": [count]}


def merged(stats: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The statistics of all episodes together."""
    return {name: _merge([told[name] for told in stats]) for name in stats[0]}


def _merge(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    low, high, mean, std = (np.array([part[kind] for part in parts]) for kind in ("min", "max", "mean", "std"))
    count = np.array([part["count"][0] for part in parts])
    weight = (count / count.sum()).reshape(-1, *[1] * (mean.ndim - 1))
    centre = (weight * mean).sum(0)
    spread = np.sqrt((weight * (std**2 + (mean - centre) ** 2)).sum(0))
    told = {"min": low.min(0), "max": high.max(0), "mean": centre, "std": spread}
    return {kind: found.tolist() for kind, found in told.items()} | {"count": [int(count.sum())]}


def tasks_table(tasks: dict[str, int]) -> Any:
    """The sentences, as the index of what pandas will read back as a frame."""
    table = pa.table({"task_index": pa.array(list(tasks.values())), "task": pa.array(list(tasks))})
    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored, "metadata": None}
        for name, (kind, stored) in kinds.items()
    ]
    told = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    return table.replace_schema_metadata({"pandas": json.dumps(told)})


def write_table(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
