"""The two alphabets a stream can draw with: tiles chosen from a palette, or pixels regressed patch by patch.

Both answer the same questions: how a picture becomes tokens, how a noised one and remembered patches enter the trunk,
and what
the trunk's output says about the clean picture. Worlds made of tiles are exact with the first; the second needs no
palette.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn

if TYPE_CHECKING:
    from wmenv.models.stream import StreamConfig


class Tiles(nn.Module):
    """Pictures as tile numbers. Noise is absence: number `palette` stands for "not yet drawn", `palette + 1` for
    "never seen".

    Predictions are logits over the palette: the clean tile is a distribution, and its samples are always real tiles.
    """

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.size = config.palette
        self.patch = config.patch
        self.grid = config.grid
        self.noised = nn.Embedding(self.size + 2, config.channels)
        self.place = nn.Embedding(self.size + 2, config.channels)
        self.spot = nn.Embedding(self.size + 2, config.channels)
        self.head = nn.Linear(config.channels, self.size)
        shape = (self.size, config.patch, config.patch, 3)
        self.register_buffer("images", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer(
            "anchored", torch.ones(self.size, dtype=torch.bool)
        )  # the tile tells what lies at its place

    @property
    def undrawn(self) -> int:
        return self.size

    @property
    def never(self) -> int:
        return self.size + 1

    def embed(self, numbers: Tensor) -> Tensor:
        return self.noised(numbers)

    def embed_place(self, numbers: Tensor) -> Tensor:
        return self.place(numbers)

    def embed_spot(self, numbers: Tensor) -> Tensor:
        return self.spot(numbers)

    def predict(self, x: Tensor) -> Tensor:
        return self.head(x)

    def draw(self, numbers: Tensor) -> Tensor:
        """(rows, H, W, 3) uint8 frames of (rows, patches) tile numbers."""
        rows, columns = self.grid
        return rearrange(self.images[numbers], "b (r c) h w k -> b (r h) (c w) k", r=rows, c=columns)

    def number(self, frames: Tensor) -> Tensor:
        """(rows, patches) numbers of the nearest tiles in (rows, H, W, 3) uint8 frames."""
        p = self.patch
        patches = rearrange(frames, "b (r h) (c w) k -> b (r c) (h w k)", h=p, w=p).float()
        table = rearrange(self.images, "n h w k -> n (h w k)").float()
        return torch.cdist(patches, table).argmin(-1)


def make_pictures(config: StreamConfig) -> nn.Module:
    """The alphabet a configuration names."""
    return {"tiles": Tiles}[config.pictures](config)
