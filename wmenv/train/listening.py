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
TEASED = 0.5  # share of the silent among those that hear, who are played something of which nothing follows


def listen(frame: Frame, batch: Batch, config: ObjectiveConfig, no_action: int, generator: torch.Generator) -> Frame:
    """The frame, where a share `listens` of those in which the viewer stood still hears and is not told what was
    done. `frame` holds (batch * time, ...) rows, time fastest."""
    moved = (batch.pose.diff(dim=1) != 0).any(-1)
    first = torch.zeros_like(moved[:, :1])  # nobody knows of the first frame of a passage
    still, moved = torch.cat([first, ~moved], 1).flatten(), torch.cat([first, moved], 1).flatten()
    hears = still & (torch.rand(len(still), generator=generator) < config.listens)
    true = batch.sound.flatten(0, 1)
    teased = (true == 0).all(-1) & (torch.rand(len(hears), generator=generator) < TEASED)
    loud = LOUDEST ** (2 * torch.rand(len(hears), 1, generator=generator) - 1)
    teasing = _meaningless(true, moved, generator)
    played = (loud * torch.where(teased[:, None], teasing, true)).clamp(-1, 1)
    return replace(
        frame,
        action=torch.where(hears, no_action, frame.action),
        sound=torch.where(hears[:, None], played, frame.sound),
        hears=hears.float(),
    )


def _meaningless(true: Tensor, moved: Tensor, generator: torch.Generator) -> Tensor:
    """What another frame sounded like if the viewer moved there, which says nothing to one who stands; else noise."""
    other = torch.randperm(len(true), generator=generator)
    noise = NOISE * torch.randn(true.shape, generator=generator)
    return torch.where(moved[other, None], true[other], noise)
