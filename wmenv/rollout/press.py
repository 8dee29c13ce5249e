"""Turns finished episodes into shards, in a thread of its own, so that the world need not wait for the disk.

Episodes come in any order and are written in the order of their numbers, which makes the bytes of a shard a function of
its episodes. Knows nothing of how episodes are made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from wmenv.episodes import Episode
from wmenv.rollout.files import PartFile, clear_errors, sha256
from wmenv.rollout.plan import Plan
from wmenv.rollout.receipts import Receipt, shard_path
from wmenv.rollout.rows import Finished
from wmenv.rollout.shards import open_writer

RECORDED_ONCE = ("provenance", "unsupported", "start", "schema", "row", "total_steps")  # not of the episode alone


class Sheet:
    """One shard under way."""

    def __init__(self, plan: Plan, folder: Path, shard: int) -> None:
        self.shard, self.numbers = shard, plan.episodes_of(shard)
        self._part = PartFile(shard_path(folder, shard, plan.format))
        self._writer = open_writer(plan.format, self._part.file, plan.jpeg)
        self._early: dict[int, Episode] = {}
        self._next = self.numbers.start
        self.steps = self.frames = 0

    def add(self, number: int, episode: Episode) -> None:
        """Write the episode, or keep it until those before it have come."""
        self._early[number] = episode
        while self._next in self._early:
            ready = self._early.pop(self._next)
            with clear_errors(self._part.path):
                self._writer.add(self._next, ready)
            self.steps, self.frames = self.steps + ready.steps, self.frames + len(ready.frames)
            self._next += 1

    @property
    def full(self) -> bool:
        return self._next == self.numbers.stop

    def finish(self, batch: int, made_on: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Receipt:
        """The shard is whole and on the disk."""
        with clear_errors(self._part.path):
            self._writer.finish()
        self._part.commit()
        path = self._part.path
        told: dict[str, Any] = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
        told |= {"steps": self.steps, "frames": self.frames, "batch": batch, "made_on": made_on}
        return Receipt(self.shard, self.numbers.start, self.numbers.stop, **told, records=records)

    def discard(self) -> None:
        self._writer.abandon()
        self._part.discard()


class Press:
    """Takes finished episodes; gives receipts. At most `behind` episodes wait to be written."""

    def __init__(self, plan: Plan, folder: Path, batch: int, behind: int, made_on: Mapping[str, Any]) -> None:
        self._plan, self._folder, self._batch, self._behind = plan, folder, batch, behind
        self._made_on = made_on
        self._sheets: dict[int, Sheet] = {}
        self._records: dict[int, dict[int, dict[str, Any]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="press")
        self._waiting: deque[Future[Receipt | None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        for sheet in self._sheets.values():
            sheet.discard()

    def add(self, finished: Finished) -> Iterator[Receipt]:
        """Hand over an episode; what has been finished meanwhile."""
        self._waiting.append(self._thread.submit(self._write, finished))
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > self._behind):
            if receipt := self._waiting.popleft().result():
                yield receipt

    def rest(self) -> Iterator[Receipt]:
        """Wait for what is still to be written."""
        while self._waiting:
            if receipt := self._waiting.popleft().result():
                yield receipt

    def _write(self, finished: Finished) -> Receipt | None:
        shard = finished.number // self._plan.size
        if shard not in self._sheets:
            self._sheets[shard] = Sheet(self._plan, self._folder, shard)
            self._records[shard] = {}
        sheet, records = self._sheets[shard], self._records[shard]
        sheet.add(finished.number, finished.episode)
        records[finished.number] = brief(finished)
        if not sheet.full:
            return None
        receipt = sheet.finish(self._batch, self._made_on, [records[number] for number in sheet.numbers])
        receipt.save(self._folder)
        del self._sheets[shard], self._records[shard]
        return receipt


def brief(finished: Finished) -> dict[str, Any]:
    """What a receipt keeps of an episode's record."""
    episode, record = finished.episode, finished.record
    told = {name: value for name, value in record.items() if name not in RECORDED_ONCE}
    earned = None if episode.rewards is None else float(episode.rewards.sum())
    end = "terminated" if episode.terminated else "truncated"
    return {
        "episode": finished.number,
        "seed": episode.seed,
        **told,
        "steps": episode.steps,
        "return": earned,
        "end": end,
    }
