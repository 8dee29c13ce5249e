"""What a direction would act on in a view, or why it cannot be done here; and directions drawn to fit a view.

Works on tile ids alone, so a learned world can be directed and can refuse by the same rules. How the true grid changes
is said in `changes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wmenv.sources.gridrooms.captions import sightings
from wmenv.sources.gridrooms.grammar import EVENTS, MOST_WORDS, PLACE_WORDS, Command, normalise, parse, say
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, COLOURS, THINGS, VIEW, Tile

if TYPE_CHECKING:
    from wmenv.sources.gridrooms.env import GridRooms

DOOR_EVENTS = {"open": "open", "close": "closed", "lock": "locked"}  # the state each leads to
PLACE_SLOTS = {
    "ahead": AGENT_SLOT - VIEW,
    "two ahead": AGENT_SLOT - 2 * VIEW,
    "ahead left": AGENT_SLOT - VIEW - 1,
    "ahead right": AGENT_SLOT - VIEW + 1,
}

# how often each event is drawn among those that are possible; darkness is rare and short
_WEIGHTS: dict[str, float] = {"appear": 3, "vanish": 2, "recolour": 2, "open": 2, "close": 2, "lock": 1}
_WEIGHTS |= {"dark": 0.4, "light": 2, "agent": 1}


@dataclass(frozen=True)
class Aim:
    """The view slot that a command acts on (None: the whole view, or the agent), or why it cannot be done."""

    slot: int | None = None
    refusal: str = ""


def aim(command: Command, tile_ids: np.ndarray) -> Aim:
    """What `command` acts on in this view."""
    ids = np.asarray(tile_ids).ravel()
    if command.event == "appear":
        return _free_floor(command, ids)
    if command.event in ("dark", "light"):
        there_already = _is_dark(ids) == (command.event == "dark")
        return Aim(refusal=f"it is already {'dark' if command.event == 'dark' else 'bright'}" if there_already else "")
    if command.event == "agent":
        same = CATALOGUE.colour[ids[AGENT_SLOT]] == command.shade
        return Aim(refusal=f"you are already {command.shade}" if same else "")
    return _something(command, ids)


def understand(text: str) -> tuple[Command | None, str]:
    """The command in a sentence, or None and the reason why it is none."""
    words = len(normalise(text).split())
    if words > MOST_WORDS:
        return None, f"a direction has at most {MOST_WORDS} words, this has {words}"
    command = parse(text)
    return command, "" if command else f"i do not understand {text!r}"


def _is_dark(ids: np.ndarray) -> bool:
    return bool(CATALOGUE.dark[ids[AGENT_SLOT]])


def _free_floor(command: Command, ids: np.ndarray) -> Aim:
    slot = PLACE_SLOTS[command.place]
    if CATALOGUE.kind[ids[slot]] != "floor":
        return Aim(refusal=f"there is no free floor in view {PLACE_WORDS[command.place][0]}")
    return Aim(slot)


def fitting(command: Command, tile_ids: np.ndarray) -> list[tuple[int, Tile]]:
    """The view slots of all things or doors of the command's kind and colour, nearest first."""
    return [
        (slot, tile)
        for slot, tile in sightings(tile_ids)
        if tile.kind == command.kind and command.colour in ("", tile.colour)
    ]


def _something(command: Command, ids: np.ndarray) -> Aim:
    """The nearest thing or door of that kind and colour, unless it is already what it should become."""
    found = fitting(command, ids)
    if not found:
        return Aim(refusal=f"there is no {_name(command)} in view")
    slot, tile = found[0]
    already = command.shade == tile.colour or DOOR_EVENTS.get(command.event) == tile.state
    locked = command.event == "close" and tile.state == "locked"
    change = "locked" if locked else command.shade or DOOR_EVENTS.get(command.event)
    reason = f"the nearest {_name(command)} is already {change}"
    return Aim(refusal=reason) if already or locked else Aim(slot)


def _name(command: Command) -> str:
    return f"{command.colour} {command.kind}".strip()


# --- drawing directions ---------------------------------------------------------------------------------------------


def sample_direction(rng: np.random.Generator, env: GridRooms, held_out: bool = False, possible: bool = True) -> str:
    """A sentence whose event can happen in the environment now, or, with `possible=False`, cannot."""
    return say(sample_command(rng, env.tiles(), possible), rng, held_out)


def sample_command(rng: np.random.Generator, tile_ids: np.ndarray, possible: bool = True) -> Command:
    """A command that this view allows, or one that it refuses. Asking for dark or light is always one of each."""
    weights = np.array([_WEIGHTS[event] for event in EVENTS])
    names = tuple(EVENTS)
    while True:
        event = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        command = _draw(rng, event, tile_ids)
        if (aim(command, tile_ids).refusal == "") == possible:
            return command


def _draw(rng: np.random.Generator, event: str, tile_ids: np.ndarray) -> Command:
    """A command of that event, about something in view two times out of three."""
    kinds = {"recolour": (*THINGS, "door"), "appear": THINGS, "vanish": THINGS, "dark": (), "light": (), "agent": ()}
    allowed = kinds.get(event, ("door",))
    kind, colour = (_any(rng, allowed), _any(rng, COLOURS)) if allowed else ("", "")
    if event != "appear" and allowed:
        in_view = [tile for _, tile in sightings(tile_ids) if tile.kind in allowed]
        if in_view and rng.random() < 2 / 3:
            kind, colour = in_view[int(rng.integers(len(in_view)))][:2]
        colour = colour if rng.random() < 0.5 else ""
    return Command(
        event,
        kind=kind,
        colour=colour,
        place=_any(rng, tuple(PLACE_SLOTS)) if event == "appear" else "",
        shade=_any(rng, COLOURS) if event in ("recolour", "agent") else "",
    )


def _any(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
