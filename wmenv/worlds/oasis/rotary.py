"""Rotary positions: pairs of features turned by an angle that grows with the position.

Oasis has three kinds: frames in time, patches on the transformer's grid, and patches on the autoencoder's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TIME_BASE = 10_000


def time_frequencies(head_width: int) -> Tensor:
    """One frequency per pair of features, as in language models."""
    return TIME_BASE ** -(torch.arange(0, head_width, 2).float() / head_width)


def pixel_frequencies(count: int, top: float) -> Tensor:
    """Frequencies for positions that run from -1 to 1 across the picture."""
    return torch.linspace(1.0, top / 2, count) * math.pi


def time_angles(frequencies: Tensor, begin: int, end: int) -> Tensor:
    """(frames, pairs) for the frames from `begin` to `end`."""
    return torch.arange(begin, end, device=frequencies.device)[:, None] * frequencies


def grid_angles(frequencies: Tensor, height: int, width: int) -> Tensor:
    """(height * width, pairs): the pairs of the row first, then those of the column."""
    down = torch.linspace(-1, 1, height, device=frequencies.device)[:, None] * frequencies
    across = torch.linspace(-1, 1, width, device=frequencies.device)[:, None] * frequencies
    both = torch.broadcast_tensors(down[:, None], across[None])
    return torch.cat(both, dim=-1).flatten(0, 1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """`x` (..., positions, width) with neighbouring features turned in pairs; what is past the last pair stays."""
    turning = x[..., : 2 * angles.shape[-1]].float()
    left, right = turning[..., 0::2], turning[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    turned = torch.stack((left * cos - right * sin, right * cos + left * sin), dim=-1).flatten(-2)
    return torch.cat((turned.to(x.dtype), x[..., 2 * angles.shape[-1] :]), dim=-1)
