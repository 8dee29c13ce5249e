"""Under sound: beside the truth up to the moment before a door opened or a thing was taken or put down, the world hears
what that sounded like, is not told what was done, and draws what comes next.

Such moments are rare, so the share of all tiles that is right says little of them. Beside them stand moments at which
the same sounds mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wmenv.models.hearing import Memory
from wmenv.models.listening import meant
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.sounds import SOUNDS
from wmenv.sources.gridrooms.spec import ACTIONS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette

HANDLED = ("door", "pickup", "drop")
LEAD = 8  # true frames before each moment
AHEAD = AGENT_SLOT - VIEW
EMPTY_HANDED = np.array([not tile.carried for tile in CATALOGUE.tiles])


@dataclass
class Listened:
    """One entry per moment: what was heard; whether it was taken for the action that made it; whether what is held and
    what is ahead are what they became, and whether they still are when the viewer then stands still (`last`, unless the
    episode was `over`); and the share of what stays as it was among the other places that are shown before and after.
    `refused` has one entry for each moment at which nothing could sound like that."""

    event: np.ndarray
    recognised: np.ndarray
    effect: np.ndarray
    last: np.ndarray
    over: np.ndarray
    untouched: np.ndarray
    refused: np.ndarray


@torch.inference_mode()
def run_listening(streamer: Streamer, episodes: Episodes, moments: int, passes: int) -> Listened:
    """Up to so many moments, each kind of event as often as the others where there are enough."""
    rng, each = np.random.default_rng(17), moments // len(HANDLED)
    palette = Palette(streamer.model, CATALOGUE.images)
    frames, events = _handled(episodes, rng, each)
    memory = _beside(streamer, palette, episodes, frames)
    heard = torch.from_numpy(episodes.sound_at(frames[:, None])[:, 0])
    asked, understood = meant(streamer, memory, heard)
    drawn = streamer.step(memory, asked.where(understood, ACTIONS.noop), episodes.words_at(frames), passes)
    then = streamer.step(memory, torch.full_like(asked, ACTIONS.noop), None, passes)
    after, later = (palette.tiles(each.shown).numpy() for each in (drawn, then))
    true, before = episodes.tiles[frames], episodes.tiles[frames - 1]
    idle = _idle(episodes, rng, len(HANDLED) * each)
    bystander = _beside(streamer, palette, episodes, idle)
    _, misheard = meant(streamer, bystander, heard[torch.arange(len(idle)) % len(heard)])
    shows, touched = CATALOGUE.shows_place, [AGENT_SLOT, AHEAD]
    rest = shows[before] & shows[after]
    rest[:, touched] = False
    return Listened(
        event=np.array(SOUNDS)[events],
        recognised=understood.numpy() & (asked.numpy() == episodes.action[frames]),
        effect=(after == true)[:, touched].all(-1),
        last=(later == true)[:, touched].all(-1),
        over=episodes.end[frames],
        untouched=((after == before) & rest).sum(-1) / rest.sum(-1).clip(1),
        refused=~misheard.numpy(),
    )


def _old_enough(episodes: Episodes, frames: np.ndarray) -> np.ndarray:
    """Those of the frames that have `LEAD` frames before them, and were not directed."""
    age = frames - episodes.begin[episodes.episode[frames]]
    return frames[(age > LEAD) & (episodes.typed[frames] < 0)]


def _handled(episodes: Episodes, rng: np.random.Generator, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames at which something was handled, and which of `SOUNDS` that made."""
    frames, events = [], []
    for event in map(SOUNDS.index, HANDLED):
        found = _old_enough(episodes, np.flatnonzero((episodes.sound == event).any(-1)))
        frames.append(rng.permutation(found)[:each])
        events.append(np.full(len(frames[-1]), event))
    return np.concatenate(frames), np.concatenate(events)


def _idle(episodes: Episodes, rng: np.random.Generator, count: int) -> np.ndarray:
    """Frames before which nothing could be handled: the viewer's hands were empty, and there was floor ahead."""
    frames = _old_enough(episodes, rng.permutation(len(episodes))[: 20 * count])
    before = episodes.tiles[frames - 1].astype(np.int64)
    nothing = EMPTY_HANDED[before[:, AGENT_SLOT]] & (CATALOGUE.kind[before[:, AHEAD]] == "floor")
    return frames[nothing][:count]


def _beside(streamer: Streamer, palette: Palette, episodes: Episodes, frames: np.ndarray) -> Memory:
    """The memory of rows that have seen the truth up to the frame before each of these."""

    def true(at: np.ndarray) -> Tensor:
        return palette.canvas(torch.from_numpy(episodes.tiles[at].astype(np.int64)))

    def pose(at: np.ndarray) -> Tensor:
        return torch.from_numpy(episodes.pose[at].astype(np.float32))

    told = torch.from_numpy(episodes.text_words[episodes.instruction[episodes.episode[frames]]])
    memory = streamer.empty(torch.arange(len(frames)), told)
    memory["pose"] = pose(frames - LEAD - 1)
    streamer.begin(memory, given=true(frames - LEAD - 1))
    for back in range(LEAD, 0, -1):
        at = frames - back
        action = torch.from_numpy(episodes.action[at].astype(np.int64))
        streamer.witness(memory, action, episodes.words_at(at), true(at), pose(at))
    return memory
