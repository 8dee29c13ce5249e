"""Guidance the costly way, to hold the folded kind against: beside each look the network is asked where the way ends,
as told and as though nothing had been done or said, and what is drawn is carried further by the difference."""

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
            asked, _ = super()._pass(_without_jump(frame), heard, pose)
            unasked, _ = super()._pass(*self._unasked(frame, heard), pose)
            said.pictures = said.pictures + (self.apart - 1) * (asked.pictures - unasked.pictures)
        return said, made

    def _unasked(self, frame: Frame, heard: Heard) -> tuple[Frame, Heard]:
        """The same look without the action, the instruction, or anything typed."""
        nothing = frame.action.new_full(frame.action.shape, self.config.actions)
        blocked, tokens = heard.blocked.clone(), self.config.tokens
        blocked[..., tokens : tokens + self.config.slot] = True  # the instruction is heard first
        past = tokens + self.config.slot + tokens * (self.config.window + min(self.config.bank, self.config.routed))
        blocked[..., past:] = True
        return replace(_without_jump(frame), action=nothing), replace(heard, blocked=blocked)


def _without_jump(frame: Frame) -> Frame:
    """The same look, asked for the end of the way: what is not led learns no jump, so the two are compared there."""
    return replace(frame, level=torch.stack([frame.level[:, 0], frame.level[:, 0], frame.level[:, 2]], -1))
