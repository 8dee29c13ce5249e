"""The two alphabets a stream can draw with: tiles chosen from a palette, or pixels regressed patch by patch.

Both answer the same questions: how a picture becomes tokens, how a noised one and remembered patches enter the trunk,
and what the trunk's output says about the clean picture. Worlds made of tiles are exact with the first; the second
needs no palette.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

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
        # whether the tile tells what lies at its place
        self.register_buffer("anchored", torch.ones(self.size, dtype=torch.bool))
        # 0: seen and seen through, 1: hides what lies behind it, 2: hidden
        self.register_buffer("sight", torch.zeros(self.size, dtype=torch.int64))

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

    def throw(self, chances: Tensor, own: Tensor, shared: Tensor) -> Tensor:
        """Tile numbers (rows, patches) drawn by `chances` (rows, patches, palette), each with exactly its chance.

        How far the eye reaches is decided by one `shared` (rows, 1) die, so that patches drawn together agree where the
        wall is and what it hides; which tile of that sort stands there, by each patch's `own` (rows, patches).
        """
        order = self.sight.argsort(stable=True)
        ladder = chances[..., order].cumsum(-1)
        last = torch.bincount(self.sight, minlength=3).cumsum(0) - 1
        edges = F.pad(ladder[..., last.clamp(min=0)] * (last >= 0), (1, 0))
        sort = (edges[..., 1:-1] < shared[..., None] * edges[..., -1:]).sum(-1, keepdim=True)
        low, high = edges.gather(-1, sort).squeeze(-1), edges.gather(-1, sort + 1).squeeze(-1)
        die = low + own * 0.999999 * (high - low)
        return order[(ladder <= die[..., None]).sum(-1).clamp(max=self.size - 1)]

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


def make_pictures(config: StreamConfig) -> Tiles:
    """The alphabet a configuration names."""
    return {"tiles": Tiles}[config.pictures](config)
