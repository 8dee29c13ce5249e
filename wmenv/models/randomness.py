"""Randomness as a function: uniform numbers for (seed, step, pass), the same on every device and in every batch.

No generator object, no state to carry: a row's stream is its seed and its step count, so a snapshot is two integers and
row i never depends on its neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift: torch shifts int64 arithmetically."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _scramble(x: Tensor) -> Tensor:
    """The finaliser of splitmix64, in wrapping int64 arithmetic."""
    x = (x ^ _shift_right(x, 30)) * _signed(_MIX[1])
    x = (x ^ _shift_right(x, 27)) * _signed(_MIX[2])
    return x ^ _shift_right(x, 31)


def uniforms(seeds: Tensor, step: Tensor, draw: int, count: int) -> Tensor:
    """(rows, count) floats in (0, 1) for int64 `seeds` and `step` (rows,) and the number of the draw within the step.

    >>> rows = torch.tensor([7, 7]), torch.tensor([0, 1])
    >>> a, b = uniforms(*rows, draw=0, count=3)
    >>> bool((a == b).any()), bool((a == uniforms(rows[0][:1], rows[1][:1], 0, 3)).all())
    (False, True)
    """
    key = _scramble(seeds * _signed(_MIX[0]) + _scramble(step * 1024 + draw))
    index = torch.arange(1, count + 1, device=seeds.device, dtype=torch.int64)
    bits = _scramble(key[:, None] + index * _signed(_MIX[0]))
    return (_shift_right(bits, 40).to(torch.float32) + 0.5) / float(1 << 24)


def normals(seeds: Tensor, step: Tensor, draw: int, count: int) -> Tensor:
    """(rows, count) standard normal floats, by Box and Muller from the uniforms of the same draw."""
    half = (count + 1) // 2
    u = uniforms(seeds, step, draw, 2 * half)
    radius = torch.sqrt(-2 * torch.log(u[:, :half]))
    angle = 2 * torch.pi * u[:, half:]
    return torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :count]
