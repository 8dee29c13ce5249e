"""Guidance the costly way, to hold the folded kind against: every look is taken twice, once as asked and once as though
nothing had been done or said, and what is drawn lies beyond the first, away from the second."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wmenv.models.block import Heard
from wmenv.models.hearing import Memory
from wmenv.models.stream import Frame, Readout, Stream
from wmenv.models.streaming import Streamer


class TwoLooks(Streamer):
    """A `Streamer` that follows `strength` times as strongly as the data do; 1 is as they do."""

    def __init__(self, model: Stream, strength: float, memory: str = "all") -> None:
        super().__init__(model, memory)
        self.apart = strength

    def _pass(self, frame: Frame, heard: Heard, pose: Tensor) -> tuple[Readout, Memory]:
        said, made = super()._pass(frame, heard, pose)
        if self.apart != 1:
            unasked, _ = super()._pass(*self._unasked(frame, heard), pose)
            said.pictures = unasked.pictures + self.apart * (said.pictures - unasked.pictures)
        return said, made

    def _unasked(self, frame: Frame, heard: Heard) -> tuple[Frame, Heard]:
        """The same look without the action, the instruction, or anything typed; and without a jump, for what is not
        led learns none."""
        nothing = frame.action.new_full(frame.action.shape, self.config.actions)
        blocked, tokens = heard.blocked.clone(), self.config.tokens
        blocked[..., tokens : tokens + self.config.slot] = True  # the instruction is heard first
        past = tokens + self.config.slot + tokens * (self.config.window + min(self.config.bank, self.config.routed))
        blocked[..., past:] = True
        level = torch.stack([frame.level[:, 0], frame.level[:, 0], frame.level[:, 2]], -1)
        return replace(frame, action=nothing, level=level), replace(heard, blocked=blocked)
