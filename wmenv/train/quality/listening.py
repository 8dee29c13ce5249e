"""Under sound: the world is shown the view before a door opened or a thing was taken or put down, and hears what that
sounded like without being told what was done.

The moments are those of held-out episodes, so the truth is what was recorded there. Beside them stand moments at which
the same sounds mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.listening import meant
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.sounds import SOUND_BANK, SOUNDS
from wmenv.sources.gridrooms.spec import ACTIONS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette

HANDLED = ("door", "pickup", "drop")
AHEAD = AGENT_SLOT - VIEW
EMPTY_HANDED = np.array([not tile.carried for tile in CATALOGUE.tiles])


@dataclass
class Listened:
    """One entry per moment: what was heard; whether what is held and what is ahead are what they became; and the share
    of what stays as it was among the other places that are shown before and after. `refused` has one entry for each
    moment at which nothing could sound like that."""

    event: np.ndarray
    effect: np.ndarray
    untouched: np.ndarray
    refused: np.ndarray


@torch.inference_mode()
def run_listening(
    streamer: Streamer, episodes: Episodes, instruction: np.ndarray, moments: int, passes: int
) -> Listened:
    """Up to so many moments, each kind of event as often as the others where there are enough."""
    rng, each = np.random.default_rng(17), moments // len(HANDLED)
    frames, events = _handled(episodes, rng, each)
    before, true = (episodes.tiles[at].astype(np.int64) for at in (frames - 1, frames))
    drawn, _ = _after(streamer, before, events, instruction, passes)
    idle = _idle(episodes, rng, len(HANDLED) * each)
    _, understood = _after(streamer, idle, np.resize(np.unique(events), len(idle)), instruction, passes)
    shows, touched = CATALOGUE.shows_place, [AGENT_SLOT, AHEAD]
    rest = shows[before] & shows[drawn]
    rest[:, touched] = False
    return Listened(
        event=np.array(SOUNDS)[events],
        effect=(drawn == true)[:, touched].all(-1),
        untouched=((drawn == before) & rest).sum(-1) / rest.sum(-1).clip(1),
        refused=~understood,
    )


def _handled(episodes: Episodes, rng: np.random.Generator, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames at which something was handled and nothing typed, and which of `SOUNDS` that made."""
    frames, events = [], []
    for event in map(SOUNDS.index, HANDLED):
        found = np.flatnonzero((episodes.sound == event).any(-1) & (episodes.typed < 0))
        frames.append(rng.permutation(found)[:each])
        events.append(np.full(len(frames[-1]), event))
    return np.concatenate(frames), np.concatenate(events)


def _idle(episodes: Episodes, rng: np.random.Generator, count: int) -> np.ndarray:
    """Views in which nothing can be handled: the viewer's hands are empty, and there is floor ahead."""
    views = episodes.tiles[rng.permutation(len(episodes))[: 20 * count]].astype(np.int64)
    nothing = EMPTY_HANDED[views[:, AGENT_SLOT]] & (CATALOGUE.kind[views[:, AHEAD]] == "floor")
    return views[nothing][:count]


def _after(
    streamer: Streamer, before: np.ndarray, events: np.ndarray, instruction: np.ndarray, passes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The views, as tiles, that follow these when the events are heard and the viewer does nothing, and whether what
    was heard was understood."""
    rows, palette = len(before), Palette(streamer.model, CATALOGUE.images)
    memory = streamer.empty(torch.arange(rows), torch.from_numpy(np.repeat(instruction[None], rows, 0)))
    streamer.begin(memory, given=palette.canvas(torch.from_numpy(before)))
    heard = torch.from_numpy(SOUND_BANK[events, 0] / np.float32(32768))
    action, understood = meant(streamer, memory, heard)
    drawn = streamer.step(memory, action.where(understood, ACTIONS.noop), None, passes)
    return palette.tiles(drawn.shown).numpy(), understood.numpy()
