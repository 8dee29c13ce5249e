"""Between what data are stored as, tiles or film, and what a model draws with, whichever alphabet that is.

A stream of pixels is shown the tiles' pictures, enlarged to its patches; what it draws is read as the nearest tile.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wmenv.errors import OptionError
from wmenv.models.pixels import Pixels
from wmenv.models.stream import Stream
from wmenv.models.streaming import Drawn
from wmenv.models.tiles import Tiles


class Colours:
    """Of film, which is colours already."""

    plain = False
    unseen = never = Pixels.never
    stored = torch.uint8

    def kept(self, patches: Tensor) -> Tensor:
        return patches

    def canvas(self, patches: Tensor) -> Tensor:
        return (patches.float() - self.never) / 127.5

    def changed(self, before: Tensor, after: Tensor) -> Tensor:
        """(...) none of the patches: in a film much is left to chance, and to weigh what came by what came of it would
        teach the model to expect it more often than it comes."""
        return torch.zeros(after.shape[:-1], dtype=torch.bool)

    def alike(self, patches: Tensor, which: Tensor) -> Tensor:
        """(...) none of the patches: nothing says what kind of thing a patch shows."""
        return torch.zeros_like(which)


class Palette:
    """The pictures of all tiles, (tiles, p, p, 3) uint8, as patches of `model`."""

    stored = torch.int64

    def __init__(
        self,
        model: Stream,
        images: np.ndarray,
        anchored: np.ndarray | None = None,
        kinds: np.ndarray | None = None,
    ) -> None:
        self.plain = isinstance(model.pictures, Tiles)
        patch, size = model.config.patch, images.shape[1]
        if patch % size:
            raise OptionError(f"patches of {patch} pixels cannot show tiles of {size}; take a multiple of that.")
        large = images.repeat(patch // size, 1).repeat(patch // size, 2)
        self._anchored = torch.ones(len(images), dtype=torch.bool) if anchored is None else torch.from_numpy(anchored)
        kinds = np.arange(len(images)) if kinds is None else kinds
        self._kinds = torch.from_numpy(np.append(kinds, [-1, -1]))  # what hides a place, and what was never seen
        self.never = model.pictures.never
        self.unseen = len(images) + 1  # the number that stands for it among tiles
        self.patches = torch.from_numpy(large.reshape(len(images), -1)).to(torch.uint8)
        self._with_never = torch.cat([self.patches, self.patches.new_full((2, self.patches.shape[1]), 128)])

    @property
    def kinds(self) -> Tensor:
        """(tiles,) the kind of each."""
        return self._kinds[:-2]

    def any_tiles(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Tile numbers at random, each kind as often as any other."""
        often = 1 / torch.bincount(self.kinds)[self.kinds]
        return torch.multinomial(often, shape.numel(), replacement=True, generator=generator).view(shape)

    def kept(self, tiles: Tensor) -> Tensor:
        """Tile numbers, or "never seen", as the model keeps them."""
        return tiles if self.plain else self._with_never[tiles]

    def canvas(self, tiles: Tensor) -> Tensor:
        """Tile numbers as a finished canvas."""
        return tiles if self.plain else (self.patches[tiles].float() - self.never) / 127.5

    def tiles(self, kept: Tensor) -> Tensor:
        """The numbers of what the model has drawn, or of the tiles nearest to it."""
        if self.plain:
            return kept.long()
        return torch.cdist(kept.flatten(0, -2).float(), self.patches.float()).argmin(-1).view(kept.shape[:-1])

    def changed(self, before: Tensor, after: Tensor) -> Tensor:
        """(...) which patches show another tile than before at their place, rather than hide it."""
        return (before != after) & self._anchored[after]

    def alike(self, tiles: Tensor, which: Tensor) -> Tensor:
        """(..., patches) those that show something of the same kind as one of `which`, which are among them."""
        kinds = self._kinds[tiles]
        return ((kinds[..., :, None] == kinds[..., None, :]) & which[..., None, :]).any(-1)

    def error(self, kept: Tensor, tiles: Tensor) -> Tensor:
        """(rows, patches) mean squared difference, in grey levels, between what was drawn and the true tiles."""
        drawn = self.patches[kept.long()] if self.plain else kept
        return (drawn.float() - self.patches[tiles].float()).square().mean(-1)

    def blur(self, kept: Tensor) -> Tensor:
        """(rows, patches) how far, in grey levels, what was drawn is from the nearest tile there is."""
        drawn = self.patches[kept.long()] if self.plain else kept
        return self.error(kept, self.tiles(kept)).sqrt().view(drawn.shape[:-1])

    def surprise(self, drawn: Drawn, tiles: Tensor) -> Tensor:
        """(rows,) how far what was drawn in one look is from the truth: nats per tile, or the squared error of its
        colours."""
        if not self.plain:
            return self.error(drawn.shown, tiles).mean(1)
        logits = drawn.said.pictures.flatten(0, 1)
        return F.cross_entropy(logits, tiles.flatten(), reduction="none").view(tiles.shape).mean(1)


def palette_of(model: Stream, facts: dict) -> Palette | Colours:
    """What stands between a model and data with these facts."""
    if "images" not in facts:
        return Colours()
    kinds = facts["traits"][:, 0] if "traits" in facts else None
    return Palette(model, facts["images"], facts["anchored"], kinds)
