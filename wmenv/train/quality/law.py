"""What must be true of any GridRooms view, dreamt or real, and which of its tiles the past decides.

Works on tile ids. Sight is the source's own rule; what is unknown may block it or not, so a tile is determined only if
it comes out the same both ways.
"""

from __future__ import annotations

import numpy as np

from wmenv.sources.gridrooms.sight import seen
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE

UNSEEN = CATALOGUE.encode("unseen")


def determined(tiles: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(frames, 49) which of the true `tiles` follow from the places `known` before: seen for certain, or hidden for
    certain."""
    lit = tiles % CATALOGUE.night
    sure = np.zeros(tiles.shape, bool)
    for frame in range(len(tiles)):
        opaque = CATALOGUE.opaque[lit[frame]]
        surely_seen = seen(np.where(known[frame], opaque, True))
        maybe_seen = seen(np.where(known[frame], opaque, False))
        sure[frame] = (surely_seen & known[frame]) | ~maybe_seen
    sure[:, AGENT_SLOT] = True
    return sure


def lawful(tiles: np.ndarray) -> np.ndarray:
    """(frames, 49) which tiles can stand where they stand: one agent in its slot, one light, sight as walls allow."""
    lit = tiles % CATALOGUE.night
    agent = CATALOGUE.kind[tiles] == "agent"
    here = np.arange(tiles.shape[1]) == AGENT_SLOT
    dark = CATALOGUE.dark[tiles]
    one_light = dark == dark[:, AGENT_SLOT : AGENT_SLOT + 1]
    sight = np.stack([seen(CATALOGUE.opaque[frame]) for frame in lit])
    return (agent == here) & one_light & ((lit != UNSEEN) == sight)
