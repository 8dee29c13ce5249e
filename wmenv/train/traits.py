"""Tiles that have something in common learn from each other: while training, what a tile has in a table is its own row
plus the sum of its traits' (a red ball: ball, red, bright).

Folded into plain tables when weights are saved, so a checkpoint and the world that runs it know nothing of traits.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from wmenv.models.stream import Stream
from wmenv.models.tiles import Tiles


class SharedByTraits(nn.Module):
    """Adds to each of `rows` rows those of its traits; rows beyond the traits' table (no tiles) stay as they are."""

    def __init__(self, traits: np.ndarray, rows: int, width: int) -> None:
        super().__init__()
        first = np.cumsum([0, *(traits.max(0) + 1)])
        has = torch.zeros(rows, int(first[-1]))
        has[torch.arange(len(traits))[:, None], torch.from_numpy(traits + first[:-1])] = 1
        self.register_buffer("has", has, persistent=False)
        self.rows = nn.Parameter(torch.zeros(int(first[-1]), width))

    def forward(self, own: Tensor) -> Tensor:
        return own + self.has @ self.rows


def share(model: Stream, traits: np.ndarray) -> None:
    """Let every table over the palette of `model` learn by traits, (tiles, kinds of trait) small numbers."""
    pictures = model.pictures
    assert isinstance(pictures, Tiles), "only tiles have traits"
    for table in (pictures.noised, pictures.place, pictures.spot, pictures.head):
        rows, width = table.weight.shape
        parametrize.register_parametrization(table, "weight", SharedByTraits(traits, rows, width))


def folded(model: Stream) -> Stream:
    """A copy of `model` with plain tables."""
    state = {name: value for name, value in model.state_dict().items() if ".parametrizations." not in name}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            state[f"{name}.weight"] = module.weight.detach()
    plain = Stream(model.config)
    plain.load_state_dict(state)
    return plain
