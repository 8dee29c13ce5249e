"""Hands in a dream: things are asked for, taken, put down, left lying and held, for as long as one likes, and each step
is held against what the view before it says must come of it.

Nothing true is shown in between, so what goes wrong rarely but for ever, such as a ball that lies there again while it
is carried too, is seen here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.streaming import Streamer
from wmenv.models.words import Vocabulary
from wmenv.sources.gridrooms.spec import DROP, FORWARD, LEFT, PICKUP, RIGHT, STAY, TOGGLE
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, COLOURS, THINGS
from wmenv.train.palette import Palette
from wmenv.train.quality.listening import AHEAD

CHANCES = {LEFT: 0.07, RIGHT: 0.07, FORWARD: 0.03, PICKUP: 0.2, DROP: 0.2, TOGGLE: 0.03, STAY: 0.4}
KIND, COLOUR = CATALOGUE.kind, CATALOGUE.colour
CARRIED = np.array([tile.carried for tile in CATALOGUE.tiles])


@dataclass
class Handled:
    """One entry per moment at which somebody took, put down or stood still: what came of it, "taken" and "put down"
    where that can be done and "tried in vain" where hands are full or there is no room, and whether what is held and
    what is ahead became what they must."""

    event: np.ndarray
    right: np.ndarray


@torch.inference_mode()
def run_hands(streamer: Streamer, instruction: np.ndarray, seeds: np.ndarray, steps: int, passes: int) -> Handled:
    """Dream one world per seed, ask for a thing ahead in each, and handle what comes."""
    rng, rows = np.random.default_rng([*seeds[:1], 6]), len(seeds)
    palette, vocabulary = Palette(streamer.model, CATALOGUE.images), Vocabulary(streamer.config.words)
    memory = streamer.empty(torch.from_numpy(seeds), torch.from_numpy(np.repeat(instruction[None], rows, 0)))

    def stepped(actions: np.ndarray, words: torch.Tensor | None = None) -> np.ndarray:
        shown = streamer.step(memory, torch.from_numpy(actions), words, passes).shown
        return palette.tiles(shown).numpy()[:, [AGENT_SLOT, AHEAD]]

    streamer.begin(memory)
    asked = [f"a {rng.choice(COLOURS)} {rng.choice(THINGS)} appears ahead" for _ in range(rows)]
    words = torch.from_numpy(np.stack([vocabulary.encode(text, streamer.config.slot) for text in asked]))
    before = stepped(np.full(rows, STAY), words)
    events, right = [], []
    for _ in range(steps):
        actions = rng.choice(list(CHANCES), rows, p=list(CHANCES.values()))
        after = stepped(actions)
        for action, old, new in zip(actions, before, after, strict=True):
            if action in (PICKUP, DROP, STAY):
                event = _event(action, *old)
                events.append(event)
                right.append(_came(event, old, new))
        before = after
    return Handled(np.array(events), np.array(right))


def _event(action: int, me: int, ahead: int) -> str:
    """What the action comes to, from what is held and what is ahead."""
    full = bool(CARRIED[me])
    if action == PICKUP and not full and KIND[ahead] in THINGS:
        return "taken"
    if action == DROP and full and KIND[ahead] == "floor":
        return "put down"
    if full:
        return "held" if action == STAY else "tried in vain"
    return "left alone"


def _came(event: str, old: np.ndarray, new: np.ndarray) -> bool:
    """Whether the event came to what it must."""
    (me, ahead), (me_now, ahead_now) = old, new
    if event == "taken":
        return CARRIED[me_now] == f"{COLOUR[ahead]} {KIND[ahead]}" and KIND[ahead_now] == "floor"
    if event == "put down":
        return not CARRIED[me_now] and f"{COLOUR[ahead_now]} {KIND[ahead_now]}" == CARRIED[me]
    return bool(CARRIED[me_now] == CARRIED[me] and ahead_now == ahead)
