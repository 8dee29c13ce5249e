"""What a sound asks of a stream: the action that would sound like it, here and now.

The stream says of every action what it would sound like, so nothing has to be learnt: each is tried on a copy of the
row, and the one that sounds most like what was played is meant. The same tone means "take it" where something lies
ahead, and "put it down" where something is carried; where nothing would sound like it, it means nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmenv.models.hearing import Memory
from wmenv.models.streaming import Streamer

LEFT_OVER = 0.5  # of the energy of what is heard, at most so much may differ from what an action sounds like


def meant(streamer: Streamer, memory: Memory, sound: Tensor) -> tuple[Tensor, Tensor]:
    """The action (rows,) that each of the sounds, (rows, samples) PCM in [-1, 1], asks for, and whether it asks for
    any."""
    rows, actions = len(sound), streamer.config.actions
    tried = {name: value.repeat_interleave(actions, 0) for name, value in memory.items()}
    said = streamer.step(tried, torch.arange(actions, device=sound.device).repeat(rows), passes=1).said.sound
    assert said is not None, "only a stream that sounds is asked to listen"
    said = said.float().view(rows, actions, -1)
    ringing = said.median(1, keepdim=True).values  # from before, whatever is done: in what is played it may be or not
    left = [(each - sound[:, None]).square().sum(-1) for each in (said, said - ringing)]
    best = torch.minimum(*left).min(-1)
    return best.indices, best.values < LEFT_OVER * sound.square().sum(-1)
