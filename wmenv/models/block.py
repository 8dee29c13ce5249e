"""One block of the trunk: attention from a frame's tokens to its own frame, the ring of past frames and typed words,
then a gated MLP, both modulated by what the frame is conditioned on.

Knows nothing of tiles, sound or reward, and keeps no state: keys and values go in and come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.models.matrix import MatrixMemory
from wmenv.models.position import rotate

MANY = 256  # tokens


@dataclass(frozen=True)
class Heard:
    """Keys and values (rows, heads, n, head) that a frame attends to beside its own, rotated as the frame sees them.

    `blocked` (rows, 1, 1, own + n) is True where there is nothing to attend to; a frame's own tokens come first.
    `matrix` holds the matrices of a recurrent memory, where there is one.
    """

    keys: Tensor
    values: Tensor
    blocked: Tensor
    matrix: Tensor | None = None

    def of(self, rows: Tensor) -> Heard:
        """What these rows hear."""
        return Heard(*(None if value is None else value[rows] for value in vars(self).values()))


def blocked(own: int, *masks: Tensor) -> Tensor:
    """What a frame of `own` tokens must not attend to, given (rows, n) masks of what there is to hear."""
    heard = torch.cat(masks, 1)
    return F.pad(~heard, (own, 0))[:, None, None]


def normed(x: Tensor, scale: Tensor) -> Tensor:
    """Root-mean-square normalisation in the number format of `x`."""
    return F.rms_norm(x, (x.shape[-1],), scale.to(x.dtype))


class Attention(nn.Module):
    """Multi-head attention with normalised queries and keys, one fused projection in and one out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.q_scale = nn.Parameter(torch.ones(width // heads))
        self.k_scale = nn.Parameter(torch.ones(width // heads))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (rows, heads, n, head); nothing is rotated yet."""
        q, k, v = rearrange(self.qkv(x), "r n (three h c) -> three r h n c", three=3, h=self.heads)
        return normed(q, self.q_scale), normed(k, self.k_scale), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, own: tuple[Tensor, Tensor] | None, heard: Heard | None) -> Tensor:
        """What the queries read; `own` are the phases of the frame's own tokens (None: unrotated)."""
        if own is not None:
            q, k = rotate(q, *own), rotate(k, *own)
        if heard is not None:
            k, v = torch.cat([k, heard.keys], 2), torch.cat([v, heard.values], 2)
        read = weigh(q, k, v, heard.blocked if heard is not None else None)
        return self.out(rearrange(read, "r h n c -> r n (h c)"))


def weigh(q: Tensor, k: Tensor, v: Tensor, blocked: Tensor | None) -> Tensor:
    """Softmax attention. Fused where nothing is learnt; written out otherwise, for compiled on a CPU its backward pass
    then takes a quarter of the fused one's time. In bfloat16 small frames go faster written out as well, and fastest
    without looking for the greatest score first: queries and keys are normalised, so none is great."""
    if torch.is_grad_enabled():
        scores = (q * q.shape[-1] ** -0.5) @ k.mT
        if blocked is not None:
            scores = scores.masked_fill(blocked, -1e4)
        return scores.softmax(-1).to(v.dtype) @ v
    if q.dtype is not torch.bfloat16 or q.shape[-2] >= MANY:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=None if blocked is None else ~blocked)
    weights = ((q * q.shape[-1] ** -0.5) @ k.mT).exp()
    if blocked is not None:
        weights = weights * ~blocked
    return (weights @ v) / weights.sum(-1, keepdim=True)


class Mlp(nn.Module):
    """SwiGLU with one fused projection in."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * value)


class Block(nn.Module):
    """Attention and MLP with shift, scale and gate per frame; the gates start at zero, so a new block is the
    identity."""

    def __init__(self, width: int, heads: int, hidden: int, key: int = 0) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.mlp = Mlp(width, hidden)
        self.matrix = MatrixMemory(width, heads, key) if key else None
        self.modulation = nn.Parameter(torch.zeros(6, width))
        self.width = width

    def modulate(self, shared: Tensor) -> tuple[Tensor, ...]:
        """The six (rows, 1, width) vectors of this block, from the (rows, 6 * width) that all blocks share."""
        vectors = rearrange(shared, "r (six d) -> six r 1 d", six=6) + self.modulation[:, None, None].to(shared.dtype)
        return tuple(vectors)

    def enter(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Normalise and modulate."""
        return F.rms_norm(x, (self.width,)) * (1 + scale) + shift
