"""What a text agent's answer means: an action from the menu, and perhaps a direction to the world.

Knows the action table and the forms that language models answer in; nothing of models, worlds or episodes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wmenv.contract import ActionTable
from wmenv.errors import OptionError, UnsupportedError

THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)
ACTION = re.compile(r"<action>(.*?)</action>", re.DOTALL | re.IGNORECASE)
DIRECT = re.compile(r"<direct>(.*?)</direct>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The action that was meant, and how it was found: "exact", "loose", "tag", "json", "direction" or "none".

    "direction" is an answer that directs the world and does nothing else. "none" names no action of the menu: it is
    invalid, and its action is the fallback.
    """

    action: int
    how: str
    direction: str | None = None

    @property
    def valid(self) -> bool:
        return self.how != "none"


class AnswerParser:
    """Reads answers against the menu of a discrete action table; `fallback` is what an invalid answer does.

    >>> read = AnswerParser(ActionTable(("left", "right", "stay"), noop=2)).read
    >>> read("I see a door. <action>Left</action>")
    Answer(action=0, how='tag', direction=None)
    >>> read("left or right, who knows")
    Answer(action=2, how='none', direction=None)
    """

    def __init__(self, actions: ActionTable, fallback: str | None = None) -> None:
        if actions.kind != "discrete":
            raise UnsupportedError(
                f"words choose from a menu, and these actions are {actions.kind} fields ({', '.join(actions.names)}). "
                "Put a world with a discrete table in front of it."
            )
        if fallback is None and not isinstance(actions.noop, int):
            raise OptionError(
                f"none of {', '.join(actions.names)} does nothing. Say what an invalid answer does: fallback=<name>."
            )
        self.fallback = int(actions.noop) if fallback is None else actions.index(fallback)  # type: ignore[arg-type]
        self._names = list(actions.names)
        self._numbers = {str(number): number for number in range(actions.count)}
        self._numbers |= {plain(name): number for number, name in enumerate(actions.names)}

    def read(self, text: str) -> Answer:
        """What `text` means; the last tag or JSON object counts, since models correct themselves."""
        said = THOUGHTS.sub("", text).strip()
        objects = list(json_objects(said))
        direction = _direction(said, objects)
        for how, candidate in self._candidates(said, objects):
            if plain(candidate) in self._numbers:
                return Answer(self._numbers[plain(candidate)], how, direction)
        return Answer(self.fallback, "direction" if direction else "none", direction)

    def _candidates(self, said: str, objects: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        whole = DIRECT.sub("", said).strip()
        yield "exact" if whole in self._names else "loose", whole
        for found in reversed(ACTION.findall(said)):
            yield "tag", found
        for found in reversed(objects):
            if isinstance(found.get("action"), str | int):
                yield "json", str(found["action"])


def plain(name: str) -> str:
    """A name without case, quotes, underscores or a full stop.

    >>> plain(' "Pick_Up". ')
    'pick up'
    """
    return " ".join(re.sub(r"[\s_]+|(?<=\w)-(?=\w)", " ", name).strip(" .,!'\"`*").lower().split())


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object that stands in a text, outermost ones only."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield found
        at = text.find("{", end)


def _direction(said: str, objects: list[dict[str, Any]]) -> str | None:
    """What the world is told, as one line."""
    found = [*(str(one["direct"]) for one in objects if one.get("direct")), *DIRECT.findall(said)]
    return " ".join(found[-1].split()) or None if found else None
