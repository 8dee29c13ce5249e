"""Recurrent memory of a fixed size: a matrix per head, into which every frame adds what its tokens show.

Keys are turned by where in the world a token stands, so what was written at a place answers a query from that place
however the viewer has moved since. A frame reads before it writes. What is read is added to the stream; a new model
reads nothing.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.models.position import rotate

LASTING = 4.0  # a new memory forgets a fiftieth of itself in a step


class MatrixMemory(nn.Module):
    """The weights of one block's memory; its matrices (rows, heads, key, value + 1) go in and come out.

    The last column of a matrix counts what was written: what is read is divided by it.
    """

    def __init__(self, width: int, heads: int, key: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, 2 * heads * key, bias=False)  # and keys
        self.values = nn.Linear(width, width, bias=False)
        self.gates = nn.Linear(width, 2 * heads)  # what a token writes, what a frame lets be
        self.out = nn.Linear(width, width, bias=False)

    def start(self) -> None:
        """Begin with reading nothing and forgetting little."""
        nn.init.zeros_(self.out.weight)
        nn.init.constant_(self.gates.bias[self.heads :], LASTING)

    def write(self, x: Tensor, places: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """What tokens (rows, n, width) at `places` add to the matrices, and the share (rows, heads) of the old that
        stays."""
        _, keys = self._turned(x, places)
        gates = self.gates(x).sigmoid()
        values = rearrange(self.values(x), "r n (h c) -> r h n c", h=self.heads)
        values = F.pad(values, (0, 1), value=1.0) * rearrange(gates[..., : self.heads], "r n h -> r h n 1")
        return einsum(keys, values, "r h n k, r h n v -> r h k v"), gates[..., self.heads :].mean(1)

    def read(self, x: Tensor, places: tuple[Tensor, Tensor], matrix: Tensor) -> Tensor:
        """What the matrices answer to tokens at `places`."""
        queries, _ = self._turned(x, places)
        answer = einsum(queries, matrix.to(queries.dtype), "r h n k, r h k v -> r h n v")
        answer = answer[..., :-1] / answer[..., -1:].abs().clamp(min=1.0)
        return self.out(rearrange(answer, "r h n c -> r n (h c)"))

    def _turned(self, x: Tensor, places: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Queries and keys (rows, heads, n, key), turned by place."""
        both = rearrange(self.queries(x), "r n (two h k) -> two r h n k", two=2, h=self.heads)
        q, k = F.normalize(both, dim=-1)
        return rotate(q, *places), rotate(k, *places)


def before_each(written: Tensor, kept: Tensor, time: int) -> Tensor:
    """The matrices (batch * time, heads, key, value) that each frame of a passage reads, of what all frames wrote and
    how much of the old each let be."""
    written = rearrange(written, "(b t) h k v -> b t h k v", t=time)
    passed = rearrange(kept, "(b t) h -> b h t", t=time).float().clamp(min=1e-6).log().cumsum(-1)
    # what frame j wrote has passed through frames j + 1 to i - 1 when frame i reads it
    until = F.pad(passed, (1, -1))
    decay = torch.exp((until[..., :, None] - passed[..., None, :]).clamp(max=0.0))
    earlier = torch.ones(time, time, dtype=torch.bool, device=written.device).tril(-1)
    decay = (decay * earlier).to(written.dtype)
    return rearrange(einsum(decay, written, "b h i j, b j h k v -> b i h k v"), "b t h k v -> (b t) h k v")
