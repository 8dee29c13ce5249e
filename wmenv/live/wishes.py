"""Directions from people: they wait for their step, get a receipt, and are watched until they show.

Knows nothing of how a world takes them.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from wmenv.env.directions import checked_text
from wmenv.errors import BusyError
from wmenv.live.messages import told
from wmenv.live.people import Person
from wmenv.live.timeline import Moment
from wmenv.metrics.onset import PATIENCE, Onset

MOST_WAITING = 8


@dataclass(eq=False)
class Wish:
    """A direction, who said it, and what became of it. `id` is what their page calls it."""

    text: str
    person: Person
    id: int
    received_at: int
    state: str = "received"
    reason: str = ""
    applied_at: int | None = None
    waited_ms: float | None = None
    onset: Onset | None = None
    came: float = field(default_factory=time.monotonic)

    @property
    def effect_at(self) -> int | None:
        """The step at which the picture first jumped, if it has."""
        if self.onset is None or self.onset.began is None or self.applied_at is None:
            return None
        return self.applied_at + self.onset.began - self.onset.asked

    def receipt(self, reader: Person) -> dict[str, Any]:
        """What one of the people is told of it."""
        known = ("id", "text", "state", "reason", "received_at", "applied_at", "waited_ms", "effect_at")
        facts = {name: getattr(self, name) for name in known}
        return told("receipt", by=self.person.id, mine=reader is self.person, **facts)


class Wishes:
    """The directions of one room."""

    def __init__(self) -> None:
        self._waiting: deque[Wish] = deque()
        self._watched: list[Wish] = []

    def add(self, text: str, person: Person, number: int, step: int) -> Wish:
        """A direction that came after `step` steps, if there is room and sense in it."""
        if len(self._waiting) >= MOST_WAITING:
            raise BusyError(f"{MOST_WAITING} directions wait for their steps already. Let the world go on.")
        self._waiting.append(Wish(checked_text(text), person, number, step))
        return self._waiting[-1]

    def take(self) -> Wish | None:
        """The one whose step it is."""
        return self._waiting.popleft() if self._waiting else None

    def answered(self, wish: Wish, moment: Moment, onset: Onset) -> None:
        """A direction was applied or refused with this moment; `onset` looks out for its effect."""
        assert moment.directed is not None, "a wish becomes a direction"
        wish.applied_at, wish.waited_ms = moment.step, (time.monotonic() - wish.came) * 1e3
        wish.state, wish.reason = "applied" if moment.directed.applied else "refused", moment.directed.reason
        if moment.directed.applied:
            wish.onset = onset
            self._watched.append(wish)

    def shown(self, step: int) -> list[Wish]:
        """Those whose effect has shown since this was asked last; after a while nobody looks out for it."""
        seen = [wish for wish in self._watched if wish.effect_at is not None]
        late = [wish for wish in self._watched if step > (wish.applied_at or 0) + 2 * PATIENCE]
        self._watched = [wish for wish in self._watched if wish not in seen and wish not in late]
        return seen

    def clear(self) -> None:
        """The scene changed: what waited was meant for another."""
        self._waiting.clear()
        self._watched.clear()
