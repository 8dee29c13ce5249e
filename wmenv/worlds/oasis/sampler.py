"""How Oasis draws a frame: a few deterministic DDIM steps from noise, each told the frames before.

The published loop runs the whole window through the transformer at every step. Context frames do not change within a
frame, and look only backwards, so here they go through once and each step runs one frame against their memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from wmenv.worlds.oasis.transformer import Transformer

NOISE_LEVELS = 1000
SIGMOID_REACH = 3.0


@dataclass(frozen=True)
class SamplerConfig:
    """The published settings. The context is not noised, but the transformer is told that it is at `context_level`."""

    steps: int = 10
    context_level: int = 14
    noise_limit: float = 20.0

    @property
    def ladder(self) -> list[int]:
        """The noise levels from the highest to none (-1)."""
        return torch.linspace(-1, NOISE_LEVELS - 1, self.steps + 1).long().tolist()[::-1]


def signal_shares() -> Tensor:
    """For each noise level, which share of the variance is signal: a sigmoid from almost all to almost none."""
    time = torch.linspace(0, 1, NOISE_LEVELS + 1, dtype=torch.float64)
    falling = torch.sigmoid(SIGMOID_REACH * (1 - 2 * time)) - torch.sigmoid(torch.tensor(-SIGMOID_REACH))
    shares = falling / falling[0]
    lost = (1 - shares[1:] / shares[:-1]).clip(0, 0.999).float()
    return torch.cumprod(1 - lost, dim=0)


class Sampler:
    """Draws frames of latents from a transformer."""

    def __init__(self, transformer: Transformer, config: SamplerConfig) -> None:
        self.transformer = transformer
        self.config = config
        self.shares = signal_shares().tolist()

    @torch.inference_mode()
    def sample(self, context: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """The frame after `context` (rows, n, ...), from `noise` (rows, ...); `actions` (rows, n + 1, fields) lead to
        each frame of the context and to the new one."""
        rows, known = context.shape[:2]
        memory = self.transformer.blank_memory(rows)
        at_rest = torch.full((rows, known), self.config.context_level, device=context.device)
        self.transformer.remember(context, at_rest, actions[:, :-1], memory)
        limit = self.config.noise_limit
        x = noise.clamp(-limit, limit)[:, None]
        for level, below in pairwise(self.config.ladder):
            told = torch.full((rows, 1), level, device=context.device)
            velocity = self.transformer(x, told, actions[:, -1:], memory, begin=known)
            x = self.descend(x, velocity, level, below)
        return x[:, 0]

    def descend(self, x: Tensor, velocity: Tensor, level: int, below: int) -> Tensor:
        """`x` at noise level `level`, taken down to level `below`."""
        share = self.shares[level]
        clean = share**0.5 * x - (1 - share) ** 0.5 * velocity
        if below < 0:
            return clean
        noise = (share**-0.5 * x - clean) / (1 / share - 1) ** 0.5
        return self.shares[below] ** 0.5 * clean + (1 - self.shares[below]) ** 0.5 * noise
