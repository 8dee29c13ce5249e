"""A data set that a rollout made, finished or not: its episodes by number, and whether they are as they were written.

Knows nothing of how it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import WorldSpec
from wmenv.episodes import Episode, spec_of
from wmenv.errors import EpisodeFileError
from wmenv.rollout.plan import Plan
from wmenv.rollout.receipts import SHARDS, Receipt, read_manifest, take_stock
from wmenv.rollout.shards import ShardReader, damage_named, open_reader
from wmenv.worlds.replay import ReplayWorld

OPEN_AT_ONCE = 4  # shards


class Dataset(Sequence[Episode]):
    """The episodes in a folder that `rollout` wrote. `data[12]` is episode 12.

    Of an unfinished data set, `numbers` says which episodes are there; asking for another is a named error.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        told = read_manifest(self.folder)
        if told is None:
            raise EpisodeFileError(f"{self.folder} holds no rollout: it has no manifest.json.")
        self.manifest = told
        self.plan = Plan.model_validate(told["plan"])
        found = (Receipt.load(self.folder, shard) for shard in self.plan.shards)
        self.receipts = {receipt.shard: receipt.light for receipt in found if receipt is not None}
        self._reader = lru_cache(OPEN_AT_ONCE)(self._open)

    @property
    def spec(self) -> WorldSpec:
        """The world that the episodes are from."""
        if self.manifest["spec"] is None:
            raise EpisodeFileError(f"{self.folder} was begun, but no world has been seen in it yet.")
        return spec_of(self.manifest["spec"])

    @property
    def complete(self) -> bool:
        return len(self.numbers) == self.plan.episodes

    @property
    def numbers(self) -> list[int]:
        """The episodes that are there."""
        return [number for shard in sorted(self.receipts) for number in self._span(shard)]

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """What was measured of each episode, in order, read shard by shard."""
        for shard in sorted(self.receipts):
            receipt = Receipt.load(self.folder, shard)
            if receipt is not None:
                yield from map(dict, receipt.records)

    def __len__(self) -> int:
        """How many episodes the plan has."""
        return self.plan.episodes

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(f"episode {number} is not in 0..{len(self) - 1}")
        shard = number // self.plan.size
        if shard not in self.receipts or number not in self._span(shard):
            raise EpisodeFileError(f"episode {number} has not been made yet. Go on with --resume.")
        path = self.folder / SHARDS / self.receipts[shard].file
        with damage_named(path):
            return self._reader(shard).episode(number)

    def __iter__(self) -> Iterator[Episode]:
        return (self[number] for number in self.numbers)

    def damaged(self) -> dict[str, str]:
        """The shards that are not as they were written, by file name, and what is wrong with each."""
        stock = take_stock(self.folder, self.plan)
        names = {shard: f"shard-{shard:06d}.{self.plan.format}" for shard in self.plan.shards}
        return {names[shard]: wrong for shard, _, wrong in stock if wrong}

    def facts(self) -> dict[str, Any]:
        """What a person wants to know first, by name."""
        receipts, told = self.receipts.values(), self.manifest
        frames, size = (sum(getattr(receipt, name) for receipt in receipts) for name in ("frames", "bytes"))
        spec = told["spec"] or {"name": self.plan.world, "height": 0, "width": 0}
        raw = frames * spec["height"] * spec["width"] * 3
        return {
            "world": spec["name"],
            "policy": self.plan.policy,
            "episodes": f"{len(self.numbers)} of {self.plan.episodes}",
            "steps": sum(receipt.steps for receipt in receipts),
            "frames": f"{frames} of {spec['height']} x {spec['width']}, {told['frames']}",
            "shards": f"{len(receipts)} of {len(self.plan.shards)}, {self.plan.format}",
            "size": f"{size / 1e6:.2f} MB"
            + (f", {size / frames:.0f} B per frame, 1 : {raw / size:.1f}" if size else ""),
            "lossless": told["lossless"],
            "batches": ", ".join(map(str, sorted({receipt.batch for receipt in receipts}))),
        }

    def replay(self, numbers: Sequence[int] | None = None) -> ReplayWorld:
        """Some of the episodes (all, if none are named) as a world that plays them; they are held in memory."""
        return ReplayWorld([self[number] for number in (self.numbers if numbers is None else numbers)])

    def _span(self, shard: int) -> range:
        return range(self.receipts[shard].first, self.receipts[shard].stop)

    def _open(self, shard: int) -> ShardReader:
        return open_reader(self.folder / SHARDS / self.receipts[shard].file)


def verified(data: Dataset) -> str:
    """That everything is as it was written, in words; `EpisodeFileError` names what is not."""
    damaged = data.damaged()
    if damaged:
        told = "; ".join(f"{name}: {wrong}" for name, wrong in damaged.items())
        raise EpisodeFileError(f"{len(damaged)} of {len(data.plan.shards)} shards are damaged. {told}. Use --resume.")
    steps = sum(episode.steps for episode in data)  # also decodes every one
    missing = data.plan.episodes - len(data.numbers)
    rest = f"; {missing} are not made yet" if missing else ""
    return f"{len(data.numbers)} episodes, {steps} steps, {len(data.receipts)} shards: all as they were written{rest}."


def differences(one: Dataset, other: Dataset) -> list[str]:
    """How two data sets differ, episode by episode, after decoding; empty if they hold the same."""
    if one.numbers != other.numbers:
        return [f"{one.folder} has {len(one.numbers)} episodes, {other.folder} has {len(other.numbers)} or others"]
    found = [(number, difference(one[number], other[number])) for number in one.numbers]
    return [f"episode {number}: {told}" for number, told in found if told]


def difference(one: Episode, other: Episode) -> str:
    """What is not the same in two episodes, in words; empty if all is."""
    apart = [name for name in one.__dataclass_fields__ if not _same(getattr(one, name), getattr(other, name))]
    return ", ".join(apart)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b
