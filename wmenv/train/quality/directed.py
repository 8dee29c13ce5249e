"""Under direction: sentences typed into a dream, and whether what they ask for is what is drawn, there and nowhere
else.

What should happen follows from the view before, by the source's own rules, so no simulator is needed to know it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.streaming import Drawn, Streamer
from wmenv.models.words import Vocabulary
from wmenv.sources.gridrooms.directions import DOOR_EVENTS, aim, fitting, sample_command
from wmenv.sources.gridrooms.grammar import Command, nonsense, say
from wmenv.sources.gridrooms.spec import ACTIONS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE
from wmenv.train.palette import Palette

PATIENCE = 3  # frames within which an effect counts


@dataclass
class Directed:
    """One entry per sentence: the dream it was said in, was it possible, did the world say it applied it, is the effect
    there, the rest untouched, and, where more in view than the nearest would fit the sentence, all of that too (else
    NaN)."""

    row: np.ndarray
    event: np.ndarray
    possible: np.ndarray
    applied: np.ndarray
    effect: np.ndarray
    untouched: np.ndarray
    alike: np.ndarray


def run_directed(
    streamer: Streamer, instruction: np.ndarray, seeds: np.ndarray, rounds: int, passes: int, held_out: bool = False
) -> Directed:
    """Dream one world per seed, walk a little, type a sentence, wait; `rounds` times."""
    return run_beside([streamer], instruction, seeds, rounds, passes, held_out)[0]


@torch.inference_mode()
def run_beside(
    streamers: list[Streamer],
    instruction: np.ndarray,
    seeds: np.ndarray,
    rounds: int,
    passes: int,
    held_out: bool = False,
) -> list[Directed]:
    """The same for each streamer, in the dreams of the first: at every sentence each hears it in a copy of the moment,
    so that they differ by what they do and not by what they were told, or when."""
    rng, leads = np.random.default_rng([*seeds[:1], 5]), streamers[0]
    vocabulary, rows = Vocabulary(leads.config.words), len(seeds)
    memory = leads.empty(torch.from_numpy(seeds), torch.from_numpy(np.repeat(instruction[None], rows, 0)))
    palette = Palette(leads.model, CATALOGUE.images)

    def seen(drawn: Drawn) -> np.ndarray:
        return palette.tiles(drawn.shown).numpy()

    view = seen(leads.begin(memory))
    found: list[dict[str, list]] = [{name: [] for name in Directed.__dataclass_fields__} for _ in streamers]
    for _ in range(rounds):
        for _ in range(4):
            view = seen(leads.step(memory, torch.from_numpy(rng.integers(0, 3, rows)), None, passes))
        commands = [_command(rng, row) for row in view]
        texts = [say(c, rng, held_out) if c else nonsense(rng) for c in commands]
        words = torch.from_numpy(np.stack([vocabulary.encode(text, leads.config.slot) for text in texts]))
        stay, moment, before = torch.full((rows,), ACTIONS.noop), memory, view
        for streamer, one in zip(streamers, found, strict=True):
            own = {name: value.clone() for name, value in moment.items()}
            drawn = streamer.step(own, stay, words, passes)
            after = [seen(drawn)] + [seen(streamer.step(own, stay, None, passes)) for _ in range(PATIENCE - 1)]
            _note(one, commands, before, after, (drawn.said.receipt > 0).numpy())
            if streamer is leads:
                memory, view = own, after[-1]
    return [Directed(**{name: np.array(values) for name, values in one.items()}) for one in found]


def _command(rng: np.random.Generator, view: np.ndarray) -> Command | None:
    """A possible command seven times out of ten, an impossible one twice, None for nonsense."""
    chance = rng.random()
    return None if chance > 0.9 else sample_command(rng, view, possible=chance < 0.7)


def _note(
    found: dict[str, list], commands: list, before: np.ndarray, after: list[np.ndarray], applied: np.ndarray
) -> None:
    for row, command in enumerate(commands):
        target = None if command is None else aim(command, before[row])
        possible = target is not None and not target.refusal
        wanted = _expected(command, target.slot, before[row]) if possible else before[row]
        slot = _acted_on(command, target.slot) if possible else None
        views = [frame[row] for frame in after]
        rest = np.arange(len(wanted)) != (-1 if slot is None else slot)
        if possible and command.event in DOOR_EVENTS:  # what a door reveals or hides is not damage
            rest &= CATALOGUE.shows_place[before[row]] & CATALOGUE.shows_place[views[-1]]
        hit = [
            bool((view == wanted)[[slot]].all()) if slot is not None else bool((view == wanted).all()) for view in views
        ]
        found["row"].append(row)
        found["event"].append(command.event if command else "nonsense")
        found["possible"].append(possible)
        found["applied"].append(bool(applied[row]))
        found["effect"].append(any(hit))
        found["untouched"].append(float((views[-1] == wanted)[rest].mean()))
        spoken_of = fitting(command, before[row]) if possible and command.event != "appear" else []
        alike = [other for other, _ in spoken_of if rest[other]]
        found["alike"].append(float((views[-1] == wanted)[alike].all()) if alike else np.nan)


def _acted_on(command: Command, slot: int | None) -> int | None:
    """The slot whose tile shows the effect; None when the whole view does."""
    return AGENT_SLOT if command.event == "agent" else slot


def _expected(command: Command, slot: int | None, view: np.ndarray) -> np.ndarray:
    """The tiles that should be drawn once the command is obeyed, what it reveals left aside."""
    wanted = view.copy()
    night = CATALOGUE.night if CATALOGUE.dark[view[AGENT_SLOT]] else 0
    if command.event in ("dark", "light"):
        return view % CATALOGUE.night + (CATALOGUE.night if command.event == "dark" else 0)
    if command.event == "agent":
        me = CATALOGUE.tiles[view[AGENT_SLOT]]
        wanted[AGENT_SLOT] = CATALOGUE.encode("agent", command.shade, under=me.under, carried=me.carried, dark=me.dark)
        return wanted
    old = CATALOGUE.tiles[view[slot]]
    new = {
        "appear": lambda: CATALOGUE.encode(command.kind, command.colour),
        "vanish": lambda: CATALOGUE.encode("floor"),
        "recolour": lambda: CATALOGUE.encode(old.kind, command.shade, old.state),
    }.get(command.event, lambda: CATALOGUE.encode(old.kind, old.colour, DOOR_EVENTS[command.event]))()
    wanted[slot] = new + night
    return wanted
