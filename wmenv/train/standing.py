"""Which kinds of tile stand where in the picture: counted in the data when a run is over.

A viewer stands at one patch, and nothing else ever does. A network knows that as it knows everything else, by far
more often than not; once in a thousand frames it would draw the ball that is carried where the one who carries it
stood, and believe its memory of that for good.
"""

from __future__ import annotations

import torch

from wmenv.models.stream import Stream
from wmenv.models.tiles import Tiles
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette, palette_of


def set_stands(model: Stream, episodes: Episodes) -> None:
    """Let `model.pictures` draw at each patch only tiles of the kinds that some frame shows there."""
    pictures, palette = model.pictures, palette_of(model, episodes.facts)
    assert isinstance(pictures, Tiles)
    assert isinstance(palette, Palette)
    kinds = palette.kinds.long()
    shown = kinds[torch.from_numpy(episodes.tiles).long()]
    found = torch.stack([torch.bincount(patch, minlength=int(kinds.max()) + 1) > 0 for patch in shown.unbind(1)])
    pictures.stands.copy_(found[:, kinds])
