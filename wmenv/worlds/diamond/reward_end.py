"""DIAMOND's reward and end model: what a step was worth and whether it was the last.

A convolutional encoder of the frame before and the frame after, then an LSTM over steps. It gives logits; choosing
from them is the world's business.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wmenv.worlds.diamond.config import DiamondConfig
from wmenv.worlds.diamond.denoiser import COLOURS
from wmenv.worlds.diamond.layers import Modulation, Stages, conv3, down_stages, middle_stage, number_slots

REWARDS = (-1.0, 0.0, 1.0)  # training clipped rewards to their sign
ENDS = (False, True)

Memory = tuple[Tensor, Tensor]  # hidden and cell, (rows, width) each


class RewardEnd(nn.Module):
    """Logits of reward and end, step by step. Frames are float in [-1, 1], (rows, 3, H, W)."""

    def __init__(self, config: DiamondConfig) -> None:
        super().__init__()
        stack = config.reward_end
        side = config.image_size // stack.shrink
        self.frames_in = conv3(2 * COLOURS, stack.channels[0])
        self.stages = Stages([*down_stages(stack), middle_stage(stack)])
        self.action_table = nn.Embedding(config.actions, stack.condition)
        self.modulation = Modulation(stack.condition, number_slots(self))
        self.lstm = nn.LSTM(stack.channels[-1] * side * side, config.memory, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(config.memory, config.memory),
            nn.SiLU(),
            nn.Linear(config.memory, len(REWARDS) + len(ENDS), bias=False),
        )

    def blank_memory(self, rows: int) -> Memory:
        zeros = self.action_table.weight.new_zeros(rows, self.lstm.hidden_size)
        return zeros, zeros.clone()

    @torch.inference_mode()
    def encode(self, before: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        """One vector per row for the step that led from `before` to `after`."""
        pair = torch.cat((before, after), dim=1)
        x = self.frames_in(pair.to(self.frames_in.weight.dtype, memory_format=torch.channels_last))
        modulations = self.modulation.split(self.modulation(self.action_table(actions)).to(x.dtype))
        for stage in self.stages:
            x = stage.resample(x)
            for block in stage.blocks:
                x = block(x, modulations)
        return x.flatten(1).to(before.dtype)

    @torch.inference_mode()
    def judge(self, steps: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Memory]:
        """Reward logits, end logits and the memory after `steps` of (rows, time, features)."""
        hidden, cell = memory
        x, (hidden, cell) = self.lstm(steps, (hidden[None], cell[None]))
        reward, end = self.head(x).split((len(REWARDS), len(ENDS)), dim=-1)
        return reward, end, (hidden[0], cell[0])
