"""What each patch of a batch weighs in what it teaches."""

from __future__ import annotations

import torch
from torch import Tensor

from wmenv.train.asked import ObjectiveConfig
from wmenv.train.data import Batch
from wmenv.train.palette import Colours, Palette


def weigh(palette: Palette | Colours, batch: Batch, config: ObjectiveConfig) -> Tensor:
    """(batch, time, patches) weights of what is hidden of each patch.

    What changed weighs more than what stayed; what stayed though it is of the same kind may weigh, all of it together,
    as much again: else it is safest to change every ball where the nearest should.
    """
    known = batch.age > 0
    changed = known & palette.changed(batch.place, batch.tiles)
    alike = known & ~changed & palette.alike(batch.place, changed)
    weight = torch.where(batch.age > 1, config.remembered, 1.0)
    weight = torch.where(known, weight, config.unseen)
    shared = config.alike * config.changed / alike.sum(-1, keepdim=True).clamp(min=1)
    weight = torch.where(alike, torch.maximum(weight, shared), weight)
    return torch.where(changed, config.changed, weight)
