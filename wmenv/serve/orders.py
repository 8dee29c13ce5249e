"""What waits for the world's thread: steps, which share a call, and jobs, which do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wmenv.contract import Outcome
from wmenv.serve.book import Answer, Move, Session, Sight, Wish
from wmenv.serve.pool import Pool


class Asked(NamedTuple):
    """One move that was found good, with the action as the world takes it."""

    session: Session
    move: Move
    action: np.ndarray
    wish: Wish | None
    shown: asyncio.Future[Sight]
    came: float  # by time.perf_counter


@dataclass(eq=False)
class Steps:
    """Moves that came together, and are made together."""

    moves: list[Asked]

    @property
    def cost(self) -> int:
        return len(self.moves)

    @property
    def shares(self) -> frozenset[str]:
        return frozenset(asked.session.name for asked in self.moves)

    @property
    def wanted(self) -> list[Asked]:
        """Those that were not given up in the meantime."""
        return [asked for asked in self.moves if not asked.shown.done()]


@dataclass(eq=False)
class Job:
    """Any other call of the world."""

    call: Callable[[], Any]
    done: asyncio.Future[Any]
    cost: int
    shares = None


def make(pool: Pool, batch: Sequence[Sequence[Asked]]) -> list[Sight | Exception]:
    """Make the moves of all orders in one call; what each showed, or why it could not be made.

    If the world refuses, each order is tried by itself, so that nobody suffers for what another has asked.
    """
    wanted = [asked for order in batch for asked in order]
    try:
        return _together(pool, wanted)
    except Exception as problem:
        if len(batch) == 1 or not all(asked.session.name in pool for asked in wanted):
            return [problem] * len(wanted)
    return [result for order in batch for result in make(pool, [order])]


def _together(pool: Pool, wanted: Sequence[Asked]) -> list[Sight | Exception]:
    began = time.perf_counter()
    names = [asked.session.name for asked in wanted]
    directions = [asked.wish.direction if asked.wish else None for asked in wanted]
    outcome = pool.advance(names, np.stack([asked.action for asked in wanted]), directions)
    world_ms = (time.perf_counter() - began) * 1e3
    return [
        sight_of(
            outcome,
            row,
            name=asked.session.name,
            step=asked.move.step,
            wish=asked.wish,
            waited_ms=(began - asked.came) * 1e3,
            world_ms=world_ms,
            rows=len(wanted),
        )
        for row, asked in enumerate(wanted)
    ]


def sight_of(outcome: Outcome, row: int, *, name: str, step: int, wish: Wish | None = None, **times: Any) -> Sight:
    """What one row of an outcome shows; its pictures are copied, so that they do not keep those of others alive."""
    pictures = outcome.frames[row][None] if outcome.chunk is None else outcome.chunk[row]
    receipt = outcome.receipts[row] if outcome.receipts is not None else None
    answer = wish and receipt and Answer(wish.direction.text, receipt, wish.received_at, step, wish.ticket)
    return Sight(
        session=name,
        step=step,
        frames=np.array(pictures),
        reward=None if outcome.reward is None else float(outcome.reward[row]),
        terminated=None if outcome.terminated is None else bool(outcome.terminated[row]),
        audio=None if outcome.audio is None else np.array(outcome.audio[row]),
        pose=None if outcome.pose is None else np.array(outcome.pose[row]),
        answer=answer or None,
        events=tuple(outcome.events[row]) if outcome.events is not None else (),
        **times,
    )
