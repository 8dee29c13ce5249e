"""From noise to the next frame: Euler or Heun steps down a fixed ladder of noise levels, with optional churn.

All noise is given by the caller, so that a row's frame depends on that row alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wmenv.worlds.diamond.denoiser import Denoiser, NoiseLevel, Observed


@dataclass(frozen=True)
class SamplerConfig:
    """How a frame is drawn. The defaults are those that the released Atari agents were trained in."""

    steps: int = 3
    sigma_min: float = 2e-3
    sigma_max: float = 5.0
    rho: int = 7
    order: Literal[1, 2] = 1  # 1 is Euler, 2 is Heun
    churn: float = 0.0
    churn_from: float = 0.0
    churn_to: float = math.inf
    churn_noise: float = 1.0

    @property
    def sigmas(self) -> list[float]:
        """The ladder from `sigma_max` down to `sigma_min`, then 0."""
        top, bottom = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        ladder = (top + torch.linspace(0, 1, self.steps) * (bottom - top)) ** self.rho
        return [*ladder.tolist(), 0.0]

    def churned(self, sigma: float) -> float:
        """The noise level that a step from `sigma` is raised to before it goes down."""
        if not self.churn_from <= sigma <= self.churn_to:
            return sigma
        return sigma * (1 + min(self.churn / self.steps, math.sqrt(2) - 1))


class Sampler:
    """Draws next frames from a denoiser."""

    def __init__(self, denoiser: Denoiser, config: SamplerConfig) -> None:
        self.denoiser = denoiser
        self.config = config
        self.sigmas = config.sigmas
        self.levels = [NoiseLevel.at(sigma, denoiser.config) for sigma in self.sigmas[:-1]]

    @property
    def draws(self) -> int:
        """How many standard normal frames one sample needs: the first, and one for each churned step."""
        return 1 + sum(self.config.churned(sigma) > sigma for sigma in self.sigmas[:-1])

    def sample(self, history: Tensor, actions: Tensor, noise: Tensor) -> Tensor:
        """The next frame (rows, 3, H, W) after `history`, from `noise` of (rows, draws, 3, H, W)."""
        *_, frame = self.trajectory(history, actions, noise)
        return frame

    @torch.inference_mode()
    def trajectory(self, history: Tensor, actions: Tensor, noise: Tensor) -> Iterator[Tensor]:
        """The frame as it is after each step."""
        observed = self.denoiser.observe(history, actions, self.levels)
        x, *fresh = noise.unbind(1)
        for index, sigma in enumerate(self.sigmas[:-1]):
            raised = self.config.churned(sigma)
            if raised > sigma:
                x = x + fresh.pop(0) * (self.config.churn_noise * math.sqrt(raised**2 - sigma**2))
            x = self._descend(x, index, raised, observed)
            yield x

    def _descend(self, x: Tensor, index: int, raised: float, observed: Observed) -> Tensor:
        below = self.sigmas[index + 1]
        clean = self._denoise(x, index, observed)  # told the unraised level, as the published sampler is
        euler = torch.lerp(clean, x, below / raised)
        if self.config.order == 1 or below == 0:
            return euler
        slope = (x - clean) / raised + (euler - self._denoise(euler, index + 1, observed)) / below
        return x + slope * ((below - raised) / 2)

    def _denoise(self, x: Tensor, index: int, observed: Observed) -> Tensor:
        return self.denoiser.denoise(x, self.levels[index], observed.features, observed.modulations[index])
