"""Under sound: the world is shown the view before a door opened or a thing was taken or put down, hears what that
sounded like, and draws what comes next without being told what was done.

The moments are those of held-out episodes, so the truth is what was recorded there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.streaming import Played, Streamer
from wmenv.sources.gridrooms.sounds import SOUND_BANK, SOUNDS
from wmenv.sources.gridrooms.spec import ACTIONS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette

HANDLED = ("door", "pickup", "drop")
TOUCHED = [AGENT_SLOT, AGENT_SLOT - VIEW]  # what is carried, and what is ahead


@dataclass
class Listened:
    """One entry per moment: what was heard; whether what is held and what is ahead are what they became; whether they
    would have been unheard, the viewer doing nothing; and the share of what stays as it was among the other places
    that are shown before and after."""

    event: np.ndarray
    effect: np.ndarray
    unheard: np.ndarray
    untouched: np.ndarray


@torch.inference_mode()
def run_listening(
    streamer: Streamer, episodes: Episodes, instruction: np.ndarray, moments: int, passes: int
) -> Listened:
    """Up to so many moments, each kind of event as often as the others where there are enough."""
    frames, events = _moments(episodes, moments)
    before, true = (episodes.tiles[at].astype(np.int64) for at in (frames - 1, frames))
    sound = torch.from_numpy(SOUND_BANK[events, 0].astype(np.float32) / 32768)
    heard = Played(sound, torch.ones(len(frames), dtype=torch.bool))
    drawn = _after(streamer, before, instruction, passes, heard)
    silent = _after(streamer, before, instruction, passes, None)
    shows = CATALOGUE.shows_place
    rest = shows[before] & shows[drawn]
    rest[:, TOUCHED] = False
    return Listened(
        event=np.array(SOUNDS)[events],
        effect=(drawn == true)[:, TOUCHED].all(-1),
        unheard=(silent == true)[:, TOUCHED].all(-1),
        untouched=((drawn == before) & rest).sum(-1) / rest.sum(-1).clip(1),
    )


def _moments(episodes: Episodes, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames at which one thing was handled and nothing was typed, and which of `SOUNDS` that made."""
    rng, frames, events = np.random.default_rng(17), [], []
    for event in map(SOUNDS.index, HANDLED):
        found = np.flatnonzero((episodes.sound == event).any(-1) & (episodes.typed < 0))
        chosen = rng.permutation(found)[: count // len(HANDLED)]
        frames.append(chosen)
        events.append(np.full(len(chosen), event))
    return np.concatenate(frames), np.concatenate(events)


def _after(
    streamer: Streamer, before: np.ndarray, instruction: np.ndarray, passes: int, heard: Played | None
) -> np.ndarray:
    """The view that follows each of these, as tiles, while the viewer does nothing."""
    rows, palette = len(before), Palette(streamer.model, CATALOGUE.images)
    memory = streamer.empty(torch.arange(rows), torch.from_numpy(np.repeat(instruction[None], rows, 0)))
    streamer.begin(memory, given=palette.canvas(torch.from_numpy(before)))
    drawn = streamer.step(memory, torch.full((rows,), ACTIONS.noop), None, passes, heard)
    return palette.tiles(drawn.shown).numpy()
