"""One HDF5 file in the layout of stable-worldmodel: a dataset per column, episodes end to end, `ep_len`, `ep_offset`.

A row is what was seen and what was then done, so an episode of T steps has T + 1 rows; the last row's action and the
first row's reward do not exist and are NaN. Worlds that make several frames per step give the last of each step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.episodes import Episode, spec_facts
from wmenv.errors import MissingExtraError
from wmenv.rollout.dataset import Dataset
from wmenv.rollout.files import PartFile, clear_errors

ROWS_PER_CHUNK = 16


def to_hdf5(data: Dataset, out: Path) -> Path:
    """Write the data set as one .h5 file."""
    try:
        import h5py
    except ImportError as problem:
        raise MissingExtraError("HDF5 needs h5py: pip install 'wmenv[data]'.") from problem
    out = out if out.suffix in (".h5", ".hdf5") else out.with_suffix(".h5")
    part = PartFile(out)
    try:
        with clear_errors(out), h5py.File(part.file, "w", libver="latest") as file:
            file.attrs["wmenv_spec"] = json.dumps(spec_facts(data.spec))
            for number in data.numbers:
                append(file, columns(number, data[number]))
        part.commit()
    finally:
        part.discard()
    return out


def columns(number: int, episode: Episode) -> dict[str, np.ndarray]:
    """The columns of one episode, each with a row per state."""
    rows = episode.steps + 1
    actions = episode.actions.reshape(episode.steps, -1).astype(np.float32)
    beyond = np.full((1, actions.shape[1]), np.nan, np.float32)
    told = {
        "pixels": episode.frames[:: episode.spec.frames_per_step],
        "action": np.concatenate([actions, beyond]),
        "terminated": np.arange(rows) == (rows - 1 if episode.terminated else rows),
        "truncated": np.arange(rows) == (rows - 1 if episode.truncated else rows),
        "episode_idx": np.full(rows, number, np.int64),
        "step_idx": np.arange(rows),
        "seed": np.full(rows, episode.seed, np.int64),
    }
    if episode.rewards is not None:
        told["reward"] = np.concatenate([[np.nan], episode.rewards]).astype(np.float32)
    if episode.pose is not None:
        told["pose"] = episode.pose
    return told


def append(file: Any, told: dict[str, np.ndarray]) -> None:
    """Add the rows of one episode to the end of every column."""
    rows = len(told["pixels"])
    offset = file["pixels"].shape[0] if "pixels" in file else 0
    for name, column in told.items():
        extend(file, name, column)
    extend(file, "ep_len", np.array([rows], np.int32))
    extend(file, "ep_offset", np.array([offset], np.int64))


def extend(file: Any, name: str, column: np.ndarray) -> None:
    """Add to one column, which is made if need be."""
    if name not in file:
        shape = column.shape[1:]
        packed = {"compression": "gzip", "shuffle": False} if name == "pixels" else {}
        file.create_dataset(
            name, (0, *shape), column.dtype, maxshape=(None, *shape), chunks=(ROWS_PER_CHUNK, *shape), **packed
        )
    before = file[name].shape[0]
    file[name].resize(before + len(column), axis=0)
    file[name][before:] = column
