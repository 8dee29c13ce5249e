"""Who is in a room, who moves there and who directs, and what waits to be sent to each of them.

A page that reads slowly misses pictures, never words, and holds nobody up: what is not sent yet is replaced by what is
newer. Knows nothing of worlds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wmenv.errors import OptionError
from wmenv.live.messages import told

ROLES: tuple[Literal["move"], Literal["direct"]] = ("move", "direct")
MOST_WAITING = 512  # messages that a page has not read; then it is let go
MOST_PEOPLE = 64  # in one room


class Outbox:
    """What waits to be sent to one page: words in order, and the newest picture."""

    def __init__(self) -> None:
        self._words: deque[Mapping[str, Any]] = deque()
        self._pictures: dict[str, Callable[[list[int]], bytes]] = {}  # the newest of each kind
        self._acts: list[int] = []
        self._waiting = asyncio.Event()
        self.overfull = False

    def say(self, message: Mapping[str, Any]) -> None:
        self.overfull |= len(self._words) >= MOST_WAITING
        if not self.overfull:
            self._words.append(message)
        self._waiting.set()

    def show(self, kind: str, picture: Callable[[list[int]], bytes], acts: Sequence[int] = ()) -> None:
        """A picture that answers these presses, in the place of one not sent yet, whose presses it answers too."""
        self._acts += acts
        self._pictures[kind] = picture
        self._waiting.set()

    async def next(self) -> Mapping[str, Any] | bytes:
        """What to send now, when there is something."""
        while not self._words and not self._pictures:
            self._waiting.clear()
            await self._waiting.wait()
        if self._words:
            return self._words.popleft()
        picture = self._pictures.pop(next(iter(self._pictures)))
        acts, self._acts = self._acts, []
        return picture(acts)


@dataclass
class Person:
    """One visitor of a room. `key` is their secret; others know them by number and name."""

    key: str
    id: int
    name: str
    outbox: Outbox | None = None
    sound: bool = False
    left_at: float = field(default_factory=time.monotonic)

    @property
    def here(self) -> bool:
        return self.outbox is not None

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell them, if they are here."""
        if self.outbox is not None:
            self.outbox.say(message)

    def show(self, kind: str, picture: Callable[[list[int]], bytes], acts: Sequence[int] = ()) -> None:
        """Show them a picture, if they are here."""
        if self.outbox is not None:
            self.outbox.show(kind, picture, acts)


class People:
    """The people of one room. The first may move and direct; who comes later looks on until given a role."""

    def __init__(self, grace_s: float) -> None:
        self.everyone: dict[str, Person] = {}
        self.roles: dict[str, Person | None] = dict.fromkeys(ROLES)
        self._grace_s = grace_s
        self._next = 1

    @property
    def here(self) -> list[Person]:
        return [person for person in self.everyone.values() if person.here]

    def join(self, key: str, outbox: Outbox) -> Person:
        """The person with that secret, at this outbox from now on; a page they had open before is told."""
        person = self.everyone.get(key)
        if person is None:
            if len(self.everyone) >= MOST_PEOPLE:
                raise OptionError(f"this room has {MOST_PEOPLE} visitors, which is all it takes. Come back later.")
            person = Person(key, self._next, f"visitor {self._next}")
            self._next += 1
            self.everyone[key] = person
            if len(self.everyone) == 1:
                self.roles = dict.fromkeys(ROLES, person)
        person.say(told("ended", text="This session is open in another tab now."))
        person.outbox = outbox
        return person

    def leave(self, person: Person, outbox: Outbox) -> None:
        """The page with this outbox has gone; the person may come back on another."""
        if person.outbox is outbox:
            person.outbox, person.left_at = None, time.monotonic()

    def forget(self) -> bool:
        """Forget who has been away too long, and free their roles; True if somebody was."""
        now = time.monotonic()
        gone = [p for p in self.everyone.values() if not p.here and now - p.left_at > self._grace_s]
        for person in gone:
            del self.everyone[person.key]
            self.roles = {role: None if holder is person else holder for role, holder in self.roles.items()}
        return bool(gone)

    def give(self, giver: Person, role: str, to: int) -> None:
        """Hand a role over; a free one, or one whose holder is away, may be taken by anyone here."""
        holder = self.roles[role]
        receiver = next((person for person in self.here if person.id == to), None)
        if receiver is None:
            raise OptionError("whoever should have that role is not here.")
        if holder is not None and holder.here and holder is not giver:
            raise OptionError(f"{holder.name} {role}s here; only they can hand that over.")
        self.roles[role] = receiver

    def may(self, person: Person, role: str) -> bool:
        return self.roles[role] is person

    def facts(self, person: Person) -> dict[str, Any]:
        """What one of them is told of all."""
        return {
            "you": person.id,
            "may": {role: self.may(person, role) for role in ROLES},
            "roles": {role: holder and holder.id for role, holder in self.roles.items()},
            "people": [
                {"id": one.id, "name": one.name, "here": one.here, "you": one is person}
                for one in self.everyone.values()
            ],
        }
