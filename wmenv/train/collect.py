"""Episodes by number, written in shards by as many processes as there are cores; what is already there is kept.

A shard is a numbered npz file written under another name and moved into place when it is whole, so a collection can be
stopped at any moment and continued. Sources that are made of tiles record those; any other world is filmed. Knows
nothing of either beyond named arrays.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.errors import OptionError

RECORDERS = {"gridrooms": "wmenv.sources.gridrooms.record"}
CAMERA = "wmenv.train.footage"
SHARD = 250  # episodes, unless the recorder has a `shard` of its own


@dataclass(frozen=True)
class Source:
    """What is recorded: the name of a world, its settings, and the size of its frames where it is filmed."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (128, 128)

    def recorder(self) -> Any:
        """What records it: `record_episode(number)`, `data_facts()`, and maybe `shard`."""
        if self.name in RECORDERS:
            return importlib.import_module(RECORDERS[self.name])
        return importlib.import_module(CAMERA).Camera(self.name, self.settings, self.size)


def collect(
    source: Source,
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
    recorder = source.recorder()
    _write_facts(recorder.data_facts() | {"settings": source.settings}, out)
    size = getattr(recorder, "shard", SHARD)
    if first % size:
        raise OptionError(
            f"episodes are kept in files of {size}, so --first is {first // size * size} or another multiple."
        )
    shards = range(first // size, -(-(first + episodes) // size))
    missing = [shard for shard in shards if not shard_path(out, shard).exists()]
    done = steps = 0
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        for job in as_completed([pool.submit(write_shard, source, out, shard) for shard in missing]):
            done, steps = done + size, steps + job.result()
            tell(done, steps)
    return {"episodes": len(shards) * size, "written": done, "steps": steps}


def shard_path(out: Path, shard: int) -> Path:
    return out / f"episodes-{shard:05d}.npz"


def first_episodes(folder: Path) -> list[int]:
    """The number of the first episode of every shard of tiles in a folder."""
    return [int(path.stem.removeprefix("episodes-")) * SHARD for path in sorted(folder.glob("episodes-*.npz"))]


def write_shard(source: Source, out: Path, shard: int) -> int:
    """Record and write one shard; returns its number of steps."""
    recorder = source.recorder()
    size = getattr(recorder, "shard", SHARD)
    recordings = [recorder.record_episode(number) for number in range(shard * size, (shard + 1) * size)]
    arrays = {name: np.concatenate([getattr(r, name) for r in recordings]) for name in recordings[0].columns}
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


def _write_facts(facts: dict[str, Any], out: Path) -> None:
    """Once; a folder that holds other data is left as it is."""
    path = out / "facts.npz"
    if path.exists():
        given, kept = _plain(facts), _plain(read_facts(out))
        differ = sorted(
            name for name in given.keys() | kept.keys() if (given.get(name) or None) != (kept.get(name) or None)
        )
        if differ:
            raise OptionError(f"{out} holds other data: {', '.join(differ)} differ. Choose another folder with --out.")
        return
    arrays = {name: value for name, value in facts.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in facts.items() if name not in arrays}
    partial = path.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.savez_compressed(file, plain=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)
    partial.rename(path)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """What facts say, as JSON would bring it back; arrays by a digest of what they hold."""
    said = {name: _digest(value) if isinstance(value, np.ndarray) else value for name, value in facts.items()}
    return json.loads(json.dumps(said))


def _digest(array: np.ndarray) -> str:
    return f"{array.shape} {array.dtype} {hashlib.sha256(array.tobytes()).hexdigest()}"


def read_facts(folder: Path) -> dict:
    """What `data_facts` said when the data set was made."""
    if not (folder / "facts.npz").exists():
        raise OptionError(f"{folder} holds no data; make some with `wmenv collect WORLD --out {folder}`.")
    with np.load(folder / "facts.npz") as archive:
        facts = {name: archive[name] for name in archive.files}
    return {**json.loads(facts.pop("plain").tobytes()), **facts}


def read_shards(folder: Path) -> Iterator[tuple[dict[str, np.ndarray], list[dict]]]:
    """The arrays and texts of every shard, in order."""
    for path in sorted(folder.glob("episodes-*.npz")):
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        yield arrays, json.loads(arrays.pop("texts").tobytes())
