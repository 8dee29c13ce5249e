"""What the hub knows of each client and session: who owns what, which steps were asked for, made and shown.

Kept by the event loop alone; the states themselves are in the pool. Knows nothing of the world.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from wmenv.contract import Direction, Event, Receipt, State

TICKETS = 64  # directions of one session whose receipts are remembered


class Move(NamedTuple):
    """One step of one session; `step` is the number of that step."""

    session: str
    step: int
    action: int | tuple[float, ...]
    direction: Direction | None = None


class Wish(NamedTuple):
    """A direction that came by itself: for the next step, after `received_at` steps."""

    direction: Direction
    received_at: int
    ticket: str | None = None


class Answer(NamedTuple):
    """What became of a direction; it was applied, or refused, in the frame of step `applied_at`."""

    text: str
    receipt: Receipt
    received_at: int
    applied_at: int
    ticket: str | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What one session showed at one step. The arrays belong to the reader."""

    session: str
    step: int
    frames: np.ndarray  # (frames of the step, height, width, 3) uint8; the last is the frame of the step
    reward: float | None = None
    terminated: bool | None = None
    audio: np.ndarray | None = None
    pose: np.ndarray | None = None
    answer: Answer | None = None
    events: tuple[Event, ...] = ()
    waited_ms: float = 0.0  # in the queue
    world_ms: float = 0.0  # in the world
    rows: int = 1  # that shared the call


@dataclass(eq=False)
class Session:
    """One row of the world, and what was asked of it."""

    client: Client
    step: int = 0  # the last one made
    asked: int = 0  # the last one asked for
    nbytes: int = 0
    name: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    touched: float = field(default_factory=time.monotonic)
    waiting: dict[int, tuple[Move, asyncio.Future[Sight]]] = field(default_factory=dict)
    made: Move | None = None  # the last move, if this session made it
    sight: Sight | None = None  # what was shown last
    wishes: deque[Wish] = field(default_factory=deque)
    tickets: OrderedDict[str, Wish] = field(default_factory=OrderedDict)

    def remember(self, wish: Wish) -> None:
        """Let a wish wait for its step, and know its ticket for a while."""
        self.wishes.append(wish)
        if wish.ticket is not None:
            self.tickets[wish.ticket] = wish
            while len(self.tickets) > TICKETS:
                self.tickets.popitem(last=False)


@dataclass(eq=False)
class Kept:
    """A snapshot: one row, as it was at `step`."""

    state: State
    step: int
    nbytes: int
    sight: Sight | None


@dataclass(eq=False)
class Client:
    """Who owns sessions and snapshots. `here` counts the connections, or whatever else keeps it alive."""

    name: str
    here: int = 0
    touched: float = field(default_factory=time.monotonic)
    sessions: dict[str, Session] = field(default_factory=dict)
    snapshots: dict[str, Kept] = field(default_factory=dict)
