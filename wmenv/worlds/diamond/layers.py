"""The building blocks that DIAMOND's denoiser and reward model share.

Residual blocks do not compute their own conditioning: one linear layer makes the scale and shift of every norm in a
stack at once (`Modulation`), and each block picks its own by slot. So what does not change between denoising steps is
computed before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.worlds.diamond.config import StackConfig

NORM_GROUP = 32
NORM_EPS = 1e-5
HEAD_WIDTH = 8

ScaleShift = tuple[Tensor, Tensor]  # (rows, channels) each


def conv3(channels_in: int, channels_out: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=bias)


def norm_groups(channels: int) -> int:
    return max(1, channels // NORM_GROUP)


def modulated_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Group norm, then each row's own scale and shift."""
    groups = norm_groups(x.shape[1])
    if len(x) == 1:  # one row is an ordinary affine norm, which is one kernel instead of two
        return F.group_norm(x, groups, scale[0], shift[0], NORM_EPS)
    normed = F.group_norm(x, groups, eps=NORM_EPS)
    return torch.addcmul(shift[:, :, None, None], normed, scale[:, :, None, None])


class Modulation(nn.Linear):
    """The scale and shift of every norm of a stack, in one row of numbers per conditioning vector."""

    def __init__(self, condition: int, widths: Sequence[int]) -> None:
        super().__init__(condition, 2 * sum(widths))
        self.cuts = [width for width in widths for _ in range(2)]

    def split(self, rows: Tensor) -> list[ScaleShift]:
        """What `forward` gave, cut up for the norms in slot order."""
        parts = rows.split(self.cuts, dim=-1)
        return [(scale + 1, shift) for scale, shift in zip(parts[0::2], parts[1::2], strict=True)]


class SelfAttention(nn.Module):
    """Every pixel looks at every pixel, in heads of eight channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_WIDTH)
        self.norm = nn.GroupNorm(norm_groups(channels), channels, eps=NORM_EPS)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = self.norm(x)  # the released weights were trained with the skip behind the norm
        qkv = self.qkv(x).reshape(b, 3, self.heads, c // self.heads, h * w)
        query, key, value = qkv.transpose(-1, -2).unbind(1)  # (b, heads, pixels, width)
        seen = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(seen.transpose(-1, -2).reshape(b, c, h, w))


class ResidualBlock(nn.Module):
    """Two convolutions, each behind a modulated norm, around a skip; then attention, where the stage has it."""

    def __init__(self, channels_in: int, channels_out: int, attends: bool) -> None:
        super().__init__()
        self.widths = (channels_in, channels_out)
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        self.first = conv3(channels_in, channels_out)
        self.second = conv3(channels_out, channels_out)
        self.attention = SelfAttention(channels_out) if attends else nn.Identity()
        self.slot = 0  # of the first of this block's two norms; set by `number_slots`

    def forward(self, x: Tensor, modulations: Sequence[ScaleShift]) -> Tensor:
        y = self.first(F.silu(modulated_norm(x, *modulations[self.slot]), inplace=True))
        y = self.second(F.silu(modulated_norm(y, *modulations[self.slot + 1]), inplace=True))
        return self.attention(y.add_(self.skip(x)))


class Stage(nn.Module):
    """A change of size, then residual blocks."""

    def __init__(self, resample: nn.Module, widths: Sequence[tuple[int, int]], attends: bool) -> None:
        super().__init__()
        self.resample = resample
        self.blocks = nn.ModuleList(ResidualBlock(before, after, attends) for before, after in widths)


class Stages(nn.ModuleList):
    """Stages in the order they run in."""

    def __iter__(self) -> Iterator[Stage]:
        return super().__iter__()  # type: ignore[return-value]


class Doubled(nn.Conv2d):
    """Twice the size by repeating pixels, then a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def down_stages(config: StackConfig) -> Stages:
    """The shrinking half of a stack: every stage but the first begins with a strided convolution."""
    stages = []
    for level, channels in enumerate(config.channels):
        before = config.channels[max(0, level - 1)]
        widths = [(before, channels)] + [(channels, channels)] * (config.depths[level] - 1)
        resample: nn.Module = conv3(before, before, stride=2) if level else nn.Identity()
        stages.append(Stage(resample, widths, config.attends[level]))
    return Stages(stages)


def middle_stage(config: StackConfig) -> Stage:
    """Two attending blocks at the smallest size."""
    last = config.channels[-1]
    return Stage(nn.Identity(), [(last, last)] * 2, attends=True)


def up_stages(config: StackConfig) -> Stages:
    """The growing half of a U-Net: each block also takes what one block on the way down gave."""
    stages = []
    for level in reversed(range(len(config.channels))):
        channels, before = config.channels[level], config.channels[max(0, level - 1)]
        widths = [(2 * channels, channels)] * config.depths[level] + [(channels + before, before)]
        last = level == len(config.channels) - 1
        resample: nn.Module = nn.Identity() if last else Doubled(channels, channels, 3, padding=1)
        stages.append(Stage(resample, widths, config.attends[level]))
    return Stages(stages)


def residual_blocks(module: nn.Module) -> list[tuple[str, ResidualBlock]]:
    """Every residual block below `module` with its name, in slot order."""
    return [(name, block) for name, block in module.named_modules() if isinstance(block, ResidualBlock)]


def number_slots(module: nn.Module) -> list[int]:
    """Give every residual block its slot, and return the widths of all norms in slot order."""
    widths: list[int] = []
    for _, block in residual_blocks(module):
        block.slot = len(widths)
        widths += block.widths
    return widths


def set_convolutions(module: nn.Module, dtype: torch.dtype) -> None:
    """Put convolutions and norms below `module` into `dtype`, channels last; conditioning layers stay as they are."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.GroupNorm):
            layer.to(dtype=dtype)
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
