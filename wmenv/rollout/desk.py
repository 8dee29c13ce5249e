"""Who makes which shard: hands them out one by one, takes receipts, and gives the shards of a lost worker to others.

One desk serves workers of every kind; what crosses it is numbers and receipts, never a frame. Knows nothing of
processes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from wmenv.errors import RolloutError
from wmenv.rollout.receipts import Receipt

MOST_LOSSES = 5  # workers that may die over one shard


@dataclass
class News:
    """What has happened since one last asked."""

    steps: int = 0
    finished: list[tuple[int, float | None]] = field(default_factory=list)  # steps and return of each episode
    receipts: list[Receipt] = field(default_factory=list)


class Seat(Protocol):
    """The desk as one worker sees it."""

    def introduce(self, spec: Mapping[str, Any]) -> None:
        """Say what the world is; raises if it is not the one the data set was begun with."""

    def claim(self) -> int | None:
        """The next shard to make, None if there is none left."""

    def beat(self, steps: int, finished: Sequence[tuple[int, float | None]]) -> None:
        """So many steps, and these episodes, since the last beat."""

    def hand_in(self, receipt: Receipt) -> None:
        """A shard is finished."""


class Desk:
    """Knows which of `shards` are still to be made, and by whom the others are being made."""

    def __init__(self, shards: Iterable[int], spec: Mapping[str, Any] | None = None) -> None:
        self._waiting = deque(shards)
        self._with: dict[int, set[int]] = {}  # worker -> the shards it is busy with
        self._losses: Counter[int | None] = Counter()  # workers lost, by the shard they were busy with
        self._news = News()
        self.spec = spec

    @property
    def left(self) -> int:
        """How many shards are not finished."""
        return len(self._waiting) + sum(len(shards) for shards in self._with.values())

    @property
    def unclaimed(self) -> int:
        """How many shards nobody has begun."""
        return len(self._waiting)

    def introduce(self, worker: int, spec: Mapping[str, Any]) -> None:
        if self.spec is None:
            self.spec = dict(spec)
        changes = [name for name in spec if self.spec.get(name) != spec[name]]
        if changes:
            told = "; ".join(f"{name} was {self.spec.get(name)!r}, now {spec[name]!r}" for name in changes)
            raise RolloutError(f"the world is another one than this data set was begun with: {told}.")

    def claim(self, worker: int) -> int | None:
        if not self._waiting:
            return None
        shard = self._waiting.popleft()
        self._with.setdefault(worker, set()).add(shard)
        return shard

    def beat(self, worker: int, steps: int, finished: Sequence[tuple[int, float | None]]) -> None:
        self._news.steps += steps
        self._news.finished += finished

    def hand_in(self, worker: int, receipt: Receipt) -> None:
        self._with.get(worker, set()).discard(receipt.shard)
        self._news.receipts.append(receipt)

    def lost(self, worker: int, how: str) -> list[int]:
        """A worker is gone; its shards, which others will make."""
        shards = sorted(self._with.pop(worker, ()))
        over: list[int | None] = [*shards] or [None]
        self._losses.update(over)
        hopeless = [shard for shard in over if self._losses[shard] >= MOST_LOSSES]
        if hopeless:
            when = "before they could begin" if hopeless[0] is None else f"over shard {hopeless[0]}"
            raise RolloutError(
                f"{MOST_LOSSES} workers died {when}, the last one so: {how}. What was finished is whole. If memory ran "
                "out, try fewer workers or a smaller batch, and go on with --resume."
            )
        self._waiting.extendleft(reversed(shards))
        return shards

    def news(self) -> News:
        """What has happened since the last call."""
        told, self._news = self._news, News()
        return told


@dataclass
class OwnSeat:
    """A seat in the desk's own process."""

    desk: Desk
    worker: int = 0

    def introduce(self, spec: Mapping[str, Any]) -> None:
        self.desk.introduce(self.worker, spec)

    def claim(self) -> int | None:
        return self.desk.claim(self.worker)

    def beat(self, steps: int, finished: Sequence[tuple[int, float | None]]) -> None:
        self.desk.beat(self.worker, steps, finished)

    def hand_in(self, receipt: Receipt) -> None:
        self.desk.hand_in(self.worker, receipt)
