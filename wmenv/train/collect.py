"""Episodes by number, written in shards by as many processes as there are cores; what is already there is kept.

A shard is a numbered npz file written under another name and moved into place when it is whole, so a collection can be
stopped at any moment and continued. Knows nothing of what a source records beyond named arrays.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType

import numpy as np

from wmenv.errors import UnknownWorldError, did_you_mean

RECORDERS = {"gridrooms": "wmenv.sources.gridrooms.record"}
SHARD = 250  # episodes


def recorder(source: str) -> ModuleType:
    """The module that records a source: `record_episode(number)` and `data_facts()`."""
    if source not in RECORDERS:
        raise UnknownWorldError(f"no source {source!r} to collect from. {did_you_mean(source, RECORDERS)}")
    return importlib.import_module(RECORDERS[source])


def collect(
    source: str,
    out: Path,
    episodes: int,
    first: int = 0,
    workers: int | None = None,
    tell: Callable[[int, int], None] = lambda done, steps: None,
) -> dict[str, int]:
    """Write episodes `first` to `first + episodes` of a source below `out`; returns exact counts.

    `tell(episodes, steps)` is called after every shard with how many have been written in this run.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write_facts(source, out)
    shards = range(first // SHARD, -(-(first + episodes) // SHARD))
    missing = [shard for shard in shards if not shard_path(out, shard).exists()]
    done = steps = 0
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        for job in as_completed([pool.submit(write_shard, source, out, shard) for shard in missing]):
            done, steps = done + SHARD, steps + job.result()
            tell(done, steps)
    return {"episodes": len(shards) * SHARD, "written": done, "steps": steps}


def shard_path(out: Path, shard: int) -> Path:
    return out / f"episodes-{shard:05d}.npz"


def write_shard(source: str, out: Path, shard: int) -> int:
    """Record and write one shard; returns its number of steps."""
    record = recorder(source).record_episode
    recordings = [record(number) for number in range(shard * SHARD, (shard + 1) * SHARD)]
    columns = ("tiles", "pose", "action", "reward", "end", "sound")
    arrays = {name: np.concatenate([getattr(r, name) for r in recordings]) for name in columns}
    arrays["steps"] = np.array([len(r.action) for r in recordings], np.int32)
    texts = [{"instruction": r.instruction, "task": r.task, "policy": r.policy, "typed": r.typed} for r in recordings]
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    path = shard_path(out, shard)
    partial = path.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    return int(arrays["steps"].sum())


def _write_facts(source: str, out: Path) -> None:
    facts = recorder(source).data_facts()
    arrays = {name: value for name, value in facts.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in facts.items() if name not in arrays}
    np.savez_compressed(out / "facts.npz", plain=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)


def read_facts(folder: Path) -> dict:
    """What `data_facts` said when the data set was made."""
    with np.load(folder / "facts.npz") as archive:
        facts = {name: archive[name] for name in archive.files}
    return {**json.loads(facts.pop("plain").tobytes()), **facts}


def read_shards(folder: Path) -> Iterator[tuple[dict[str, np.ndarray], list[dict]]]:
    """The arrays and texts of every shard, in order."""
    for path in sorted(folder.glob("episodes-*.npz")):
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        yield arrays, json.loads(arrays.pop("texts").tobytes())
