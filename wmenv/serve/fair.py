"""Who is next: orders wait in a line for each client, and the client that has had fewest rows comes first.

A client that was away takes no credit for it. Knows nothing of what an order does, only how many rows it costs, whose
steps it asks for, and whether it may share a call of the world.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Order(Protocol):
    """What can wait."""

    @property
    def cost(self) -> int:
        """In rows."""

    @property
    def shares(self) -> frozenset[str] | None:
        """The sessions that it steps, once each; None if it must run alone."""


O = TypeVar("O", bound=Order)  # noqa: E741 - an order


@dataclass
class _Line(Generic[O]):
    orders: deque[O]
    had: float  # rows so far, counted from that of the client who had fewest when this one came back


class FairQueue(Generic[O]):
    """Lines of orders, one for each client."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line[O]] = {}
        self._floor = 0.0

    def __len__(self) -> int:
        return sum(len(line.orders) for line in self._lines.values())

    def put(self, client: Hashable, order: O) -> None:
        """Let an order wait behind the others of its client."""
        line = self._lines.setdefault(client, _Line(deque(), self._floor))
        if not line.orders:
            line.had = max(line.had, self._floor)
        line.orders.append(order)

    def forget(self, client: Hashable) -> None:
        """This client will not come again."""
        self._lines.pop(client, None)

    def take(self, most: int) -> list[O]:
        """The next orders that can share one call of at most `most` rows, or the next one that must run alone."""
        heap = [(line.had, place) for place, line in enumerate(self._lines.values()) if line.orders]
        lines = list(self._lines.values())
        heapq.heapify(heap)
        if heap:
            self._floor = heap[0][0]
        taken: list[O] = []
        stepped: set[str] = set()
        while heap:
            _, place = heapq.heappop(heap)
            line = lines[place]
            order = line.orders[0]
            if order.shares is None and taken:
                continue
            if order.shares is not None:
                rows = len(stepped) + len(order.shares)
                if taken and (rows > most or stepped & order.shares):
                    continue  # its client waits for the next call, and is first in it
                stepped |= order.shares
            taken.append(line.orders.popleft())
            line.had += order.cost
            if order.shares is None:
                break
            if line.orders:
                heapq.heappush(heap, (line.had, place))
        return taken
