"""What a stream is asked to say of the pictures of a batch, in either alphabet, and how that is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor

from wmenv.config import Config


class ObjectiveConfig(Config):
    """How frames are noised and what each loss weighs."""

    undrawn: float = 0.45  # share of frames that are nothing but noise
    clean: float = 0.2  # share of frames without any
    wrong: float = 0.04  # share of drawn tiles that are replaced by another of the same frame,
    strange: float = 0.0  # or, this share of them, by one of any kind: else no door is ever wrong where there is none
    forget: float = 0.05  # share of passages without memory of places; drawn apart, without each other kind of memory
    fade: float = 0.4  # at most so many of a frame's patches, in every other frame, lose what memory holds of them
    resampled: float = 0.0  # share of passages whose past is what the model makes of it, rather than what was
    sweeps: int = 1  # how often it makes something of it; as often as a passage has frames: it lives through them
    grain: float = 0.03  # at most so much noise in what memory holds of pixels
    folded: float = 0.5  # share of passages of pixels that learn to jump; the others learn where the way ends
    alpha: float = 0.12  # of a jump, what the truth teaches in the end; at first it is all of it
    folds_from: float = 0.15  # share of a training after which the model begins to teach itself to jump
    folds_until: float = 0.65  # and after which it does no more than alpha by the truth; both 0 where it can jump
    straight: float = 0.3  # share of the jumps that go all the way; 0.3 more go where the last look begins
    slowly: int = 0  # small steps in which the model goes the way that it is to jump; 0: it learns by alpha
    guided: float = 0.0  # share of the jumping frames that learn to follow more strongly than the data do
    strongest: float = 2.5  # how strongly at most
    heedless: float = 0.1  # share of passages, where any are guided, that hear neither actions nor words
    visible: float = 0.2  # weight of tiles that were given
    changed: float = 8.0  # weight of hidden tiles that are no longer what their place held: what was done there, for
    # only in worlds where nothing changes by chance are such tiles weighed
    alike: float = 0.0  # how much of that weight those of the same kind that stayed as they were have together
    unseen: float = 1.0  # weight of hidden patches whose place was never seen
    remembered: float = 1.0  # weight of hidden patches that were seen, but not in the frame before
    motion: float = 0.3
    reward: float = 0.2
    end: float = 0.2
    receipt: float = 0.2
    sound: float = 50.0

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if min(self.undrawn, self.clean) < 0 or self.undrawn + self.clean >= 1:
            raise ValueError("undrawn and clean are shares of the frames: none below 0, and together below 1")
        return self


@dataclass
class Asked:
    """A canvas for every frame, (batch, time, patches, *cell), how far it is (batch, time, levels), what is to be said
    of it, what each patch weighs, and how much of each frame is noise (batch, time)."""

    canvas: Tensor
    level: Tensor
    weight: Tensor
    target: Tensor
    noise: Tensor


def amounts(shape: torch.Size, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """How much of each frame is noise: nothing, everything, or any share between."""
    level = torch.rand(shape, generator=generator)
    level = (level - config.clean).clamp(min=0) / (1 - config.clean - config.undrawn)
    return level.clamp(max=1.0)
