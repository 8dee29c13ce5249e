"""DIAMOND's denoiser: what the next frame was, given a noisy one, four frames of history and the actions in them.

A U-Net under EDM preconditioning. What depends on the history alone is computed once per frame (`observe`), and the
rest once per noise level (`denoise`). It draws no noise and keeps no state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.worlds.diamond.config import DiamondConfig
from wmenv.worlds.diamond.layers import (
    NORM_EPS,
    Modulation,
    ScaleShift,
    conv3,
    down_stages,
    middle_stage,
    norm_groups,
    number_slots,
    up_stages,
)

COLOURS = 3


@dataclass(frozen=True)
class NoiseLevel:
    """The preconditioning at noise level sigma: how input, output and skip are scaled, and what the network is told."""

    sigma: float
    c_in: float
    c_out: float
    c_skip: float
    c_noise: float

    @classmethod
    def at(cls, sigma: float, config: DiamondConfig) -> NoiseLevel:
        """The level `sigma` of a model trained on data of spread `sigma_data` with extra offset noise."""
        total = math.hypot(sigma, config.sigma_offset)
        c_in = 1 / math.hypot(total, config.sigma_data)
        c_skip = (config.sigma_data * c_in) ** 2
        return cls(sigma, c_in, total * math.sqrt(c_skip), c_skip, math.log(total) / 4)


@dataclass(frozen=True)
class Observed:
    """What the history says to every denoising step: features of the frames, and the modulations at each level."""

    features: Tensor
    modulations: Sequence[Sequence[ScaleShift]]


def quantise_(frame: Tensor) -> Tensor:
    """`frame` in place: clamped to [-1, 1] and cut down to the 256 levels of a byte, as the weights were trained."""
    return frame.clamp_(-1, 1).add_(1).div_(2).mul_(255).trunc_().div_(255).mul_(2).sub_(1)


class Denoiser(nn.Module):
    """The network and its preconditioning. Frames are float in [-1, 1], (rows, 3, H, W); history oldest first."""

    noise_frequencies: Tensor

    def __init__(self, config: DiamondConfig) -> None:
        super().__init__()
        self.config = config
        stack, first = config.denoiser, config.denoiser.channels[0]
        self.register_buffer("noise_frequencies", torch.zeros(1, stack.condition // 2))
        self.action_table = nn.Embedding(config.actions, stack.condition // config.history)
        self.condition = nn.Sequential(
            nn.Linear(stack.condition, stack.condition), nn.SiLU(), nn.Linear(stack.condition, stack.condition)
        )
        self.history_in = conv3(config.history * COLOURS, first)
        self.frame_in = conv3(COLOURS, first, bias=False)
        self.down = down_stages(stack)
        self.middle = middle_stage(stack)
        self.up = up_stages(stack)
        self.norm_out = nn.GroupNorm(norm_groups(first), first, eps=NORM_EPS)
        self.conv_out = conv3(first, COLOURS)
        self.modulation = Modulation(stack.condition, number_slots(self))

    @torch.inference_mode()
    def observe(self, history: Tensor, actions: Tensor, levels: Sequence[NoiseLevel]) -> Observed:
        """What `levels` will need to know of `history` (rows, frames, 3, H, W) and of the `actions` taken in it."""
        rows = len(history)
        features = self.history_in(self._to_network(history.flatten(1, 2) / self.config.sigma_data))
        taken = self.action_table(actions).flatten(1)
        told = self.embed_noise(taken.new_tensor([level.c_noise for level in levels]))
        condition = self.condition((told[:, None] + taken[None]).flatten(0, 1))
        flat = self.modulation(condition).to(features.dtype).unflatten(0, (len(levels), rows))
        return Observed(features, [self.modulation.split(level) for level in flat])

    def embed_noise(self, c_noise: Tensor) -> Tensor:
        """Fourier features of (levels,) noise values."""
        angles = 2 * math.pi * c_noise[:, None] @ self.noise_frequencies
        return torch.cat((angles.cos(), angles.sin()), dim=-1)

    @torch.inference_mode()
    def predict(self, noisy: Tensor, level: NoiseLevel, features: Tensor, modulations: Sequence[ScaleShift]) -> Tensor:
        """The raw output of the network for a noisy frame."""
        x = self.frame_in(self._to_network(noisy * level.c_in)).add_(features)
        x = self.unet(x, modulations)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True)).to(noisy.dtype)

    def unet(self, x: Tensor, modulations: Sequence[ScaleShift]) -> Tensor:
        """Down, across and up again; every value made on the way down meets one block on the way up."""
        skips = []
        for stage in self.down:
            x = stage.resample(x)
            skips.append(x)
            for block in stage.blocks:
                x = block(x, modulations)
                skips.append(x)
        for block in self.middle.blocks:
            x = block(x, modulations)
        for stage in self.up:
            x = stage.resample(x)
            for block in stage.blocks:
                x = block(torch.cat((x, skips.pop()), dim=1), modulations)
        return x

    @torch.inference_mode()
    def denoise(self, noisy: Tensor, level: NoiseLevel, features: Tensor, modulations: Sequence[ScaleShift]) -> Tensor:
        """The frame that `noisy` was made from, on the byte grid."""
        output = self.predict(noisy, level, features, modulations)
        return quantise_(output.mul_(level.c_out).add_(noisy, alpha=level.c_skip))

    def _to_network(self, frame: Tensor) -> Tensor:
        """In the type and memory layout that the convolutions were given."""
        return frame.to(self.history_in.weight.dtype, memory_format=torch.channels_last)
