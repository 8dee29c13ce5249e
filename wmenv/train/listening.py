"""Teaching a stream to listen: some frames are told what was heard in place of what was done.

From "a door" and no action the stream has to draw the door that opened, so a sound that somebody plays to it later says
what happens as an action would. A frame to which the viewer moved hears nothing: a sound does not move anybody.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wmenv.models.stream import Frame
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.data import Batch

LOUDEST = 2.0  # how much louder or softer than the source's own a sound may be
NOISE = 0.1  # of full scale
NOISY = 0.5  # share of the silent among those that hear, to whom noise is played, of which nothing follows


def listen(
    frame: Frame, batch: Batch, config: ObjectiveConfig, no_action: int, generator: torch.Generator
) -> Frame:
    """The frame, where a share `listens` of those in which the viewer stood still hears and is not told what was
    done. `frame` holds (batch * time, ...) rows, time fastest."""
    still = torch.zeros_like(batch.pose[..., 0], dtype=torch.bool)
    still[:, 1:] = (batch.pose[:, 1:] == batch.pose[:, :-1]).all(-1)
    hears = (still & (torch.rand(still.shape, generator=generator) < config.listens)).flatten()
    true = batch.sound.flatten(0, 1)
    noisy = (true == 0).all(-1) & (torch.rand(len(hears), generator=generator) < NOISY)
    loud = LOUDEST ** (2 * torch.rand(len(hears), 1, generator=generator) - 1)
    noise = NOISE * torch.randn(true.shape, generator=generator)
    played = (loud * torch.where(noisy[:, None], noise, true)).clamp(-1, 1)
    return replace(
        frame,
        action=torch.where(hears, no_action, frame.action),
        sound=torch.where(hears[:, None], played, frame.sound),
        hears=hears.float(),
    )
