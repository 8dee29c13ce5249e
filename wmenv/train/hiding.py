"""What a stream of tiles is asked: to draw what was hidden of a picture, and to mend what is wrong in the rest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wmenv.models.tiles import Tiles
from wmenv.train.asked import Asked, ObjectiveConfig, amounts
from wmenv.train.data import Batch
from wmenv.train.palette import Palette
from wmenv.train.weighing import weigh


def hide(pictures: Tiles, palette: Palette, batch: Batch, config: ObjectiveConfig, generator: torch.Generator) -> Asked:
    """The frames of a batch with some patches undrawn and some wrong, and what each patch weighs."""
    level = amounts(batch.directed.shape, config, generator)
    chance = torch.rand(batch.tiles.shape, generator=generator)
    # half of the frames hide what was never seen first: that is the order in which a sampler draws
    first = torch.rand(batch.directed.shape, generator=generator)[..., None] < 0.5
    chance = torch.where(first & (batch.age == 0), chance**2, chance)
    hidden = chance < level[..., None]
    wrong = torch.rand(batch.tiles.shape, generator=generator) < config.wrong
    wrong &= level[..., None] > 0
    other = batch.tiles.gather(-1, torch.randint(batch.tiles.shape[-1], batch.tiles.shape, generator=generator))
    strange = torch.rand(batch.tiles.shape, generator=generator) < config.strange
    other = torch.where(strange, palette.any_tiles(batch.tiles.shape, generator), other)
    canvas = torch.where(hidden, pictures.undrawn, torch.where(wrong, other, batch.tiles))
    weight = torch.where(hidden | wrong, weigh(palette, batch, config), config.visible)
    return Asked(canvas, hidden.float().mean(-1, keepdim=True), weight, batch.tiles, level)


def tile_loss(said: Tensor, asked: Asked) -> Tensor:
    """Nats per patch, of (batch * time, patches, palette) logits."""
    nats = F.cross_entropy(said.float().flatten(0, 1), asked.target.flatten(), reduction="none")
    return (nats * asked.weight.flatten()).sum() / asked.weight.sum()
