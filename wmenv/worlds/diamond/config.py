"""The sizes of a DIAMOND agent's world model, and the two constants that its weights were trained with.

Knows no tensors: `checkpoint.py` reads the sizes off a released file, and the two models are built from them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StackConfig:
    """A stack of stages: stage i has `depths[i]` residual blocks of `channels[i]`, at half the size of stage i - 1."""

    condition: int  # width of the vector that modulates every norm
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    attends: tuple[bool, ...]

    @property
    def shrink(self) -> int:
        """How many times smaller the last stage is than the picture."""
        return 2 ** (len(self.channels) - 1)


@dataclass(frozen=True)
class DiamondConfig:
    """Everything that fixes the shapes and the preconditioning of a DIAMOND world model."""

    actions: int
    denoiser: StackConfig
    reward_end: StackConfig
    memory: int  # width of the LSTM that carries reward and end
    history: int = 4
    image_size: int = 64
    sigma_data: float = 0.5
    sigma_offset: float = 0.3


RELEASED_ATARI = DiamondConfig(
    actions=18,
    denoiser=StackConfig(256, (64,) * 4, (2,) * 4, (False,) * 4),
    reward_end=StackConfig(128, (32,) * 4, (2,) * 4, (False,) * 4),
    memory=512,
)
