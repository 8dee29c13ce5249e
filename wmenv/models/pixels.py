"""The alphabet of pixels: every patch is its colours, and a drawing is a straight way from noise to a picture.

The network is asked, at time t on that way, where it ends: the clean picture itself (x-prediction). Asked for the end
as seen from t and for a jump to s, it gives the average of all ways there, so that one look, two or sixteen all arrive:
a canvas z at t goes to z - (t - s) (z - x) / t.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from einops import rearrange
from torch import Tensor, nn

from wmenv.models.config import StreamConfig
from wmenv.models.look import Look
from wmenv.models.randomness import normals

LAST = 0.2  # the time of the last of several looks: the one that is shown, and that memory is written from
SOONEST = 0.02  # times below this are taken as this where they divide


class Pixels(nn.Module):
    """Pictures as (rows, patches, patch * patch * 3) colours in [-1, 1]; noise is added, normally distributed.

    Three numbers in [0, 1] say how far a canvas is: the time it is at, the time it is to jump to, and one over how
    strongly the picture is to follow what was asked (1: as the data do).
    """

    dtype = torch.uint8
    never = 128  # the grey that is nothing on the scale of colours
    levels = 3

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.patch, self.grid = config.patch, config.grid
        self.predicts = config.predicts
        self.unlit = config.unlit
        self.shift = config.shift
        size, width = 3 * config.patch**2, config.bottleneck or config.channels
        self.cell: tuple[int, ...] = (size,)
        self.noised = patch_embedding(size, config.bottleneck, config.channels)
        self.place = patch_embedding(size, config.bottleneck, config.channels)
        self.spot = patch_embedding(size, config.bottleneck, config.channels)
        self.narrow = nn.Linear(config.channels, width) if config.bottleneck else nn.Identity()
        self.head = nn.Linear(width, size)
        row, column = config.anchor
        here = torch.zeros(config.grid, dtype=torch.bool)
        if config.viewer_shows:
            here[round(row), round(column)] = True
        self.register_buffer("viewer", here.flatten(), persistent=False)

    # --- tokens in, pictures out ---

    def embed(self, canvas: Tensor) -> Tensor:
        return self.noised(canvas.to(self.head.weight.dtype))

    def embed_place(self, kept: Tensor) -> Tensor:
        return self.place(self.colours(kept))

    def embed_spot(self, kept: Tensor) -> Tensor:
        return self.spot(self.colours(kept))

    def colours(self, kept: Tensor) -> Tensor:
        """Kept bytes as colours in [-1, 1]; never seen is 0."""
        return (kept.to(self.head.weight.dtype) - self.never) / 127.5

    def predict(self, x: Tensor) -> Tensor:
        return self.head(self.narrow(x))

    def clean(self, said: Tensor, canvas: Tensor, time: Tensor) -> Tensor:
        """The end of the way, by what the network said of a canvas at `time` (rows,)."""
        time = time[:, None, None]
        return said.float() if self.predicts == "x" else canvas - time * said.float()

    # --- drawing ---

    def blank(self, seed: Tensor, step: Tensor) -> Tensor:
        patches = len(self.viewer)
        noise = normals(seed, step, 0, patches * self.cell[0])
        return rearrange(noise, "r (n c) -> r n c", n=patches)

    def level(self, canvas: Tensor, look: Look) -> Tensor:
        time, to = times(look.passes, self.shift)[look.number : look.number + 2]
        return torch.tensor([time, to, 1 / look.strength], device=canvas.device).expand(len(canvas), -1)

    def most_looks(self, passes: int, patient: bool) -> int:
        return passes

    def settle(self, canvas: Tensor, said: Tensor, known: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Jump to the next time; the last jump arrives, at colours a screen can show."""
        time, to = times(look.passes, self.shift)[look.number : look.number + 2]
        rows = torch.full((len(canvas),), look.number + 1 < look.passes, device=canvas.device)
        end = self.clean(said, canvas, torch.full((len(canvas),), time, device=canvas.device)).clamp(-1, 1)
        if look.number + 1 == look.passes:
            return self.colours(self.keep(end)).float(), rows
        return jump(canvas, end, time, to), rows

    # --- finished pictures ---

    def keep(self, canvas: Tensor) -> Tensor:
        return (canvas.float() * 127.5 + self.never).round().clamp(0, 255).to(self.dtype)

    def shows_place(self, kept: Tensor) -> Tensor:
        """Not where the viewer stands, nor where it is too dark to see."""
        return (kept.float().mean(-1) > self.unlit) & ~self.viewer

    def draw(self, kept: Tensor) -> Tensor:
        rows, columns = self.grid
        return rearrange(kept, "b (r c) (h w k) -> b (r h) (c w) k", r=rows, c=columns, h=self.patch, k=3)

    def read(self, frames: Tensor) -> Tensor:
        patches = rearrange(frames, "b (r h) (c w) k -> b (r c) (h w k)", h=self.patch, w=self.patch)
        return self.colours(patches).float()


def patch_embedding(size: int, bottleneck: int, channels: int) -> nn.Module:
    """From colours to a token, for large patches by way of something narrower."""
    if not bottleneck:
        return nn.Linear(size, channels)
    return nn.Sequential(nn.Linear(size, bottleneck, bias=False), nn.Linear(bottleneck, channels))


def times(passes: int, shift: float = 1.0) -> list[float]:
    """The times of so many looks, from 1, pure noise, down; then 0, the picture, twice.

    >>> times(1), times(2), times(3)
    ([1.0, 0.0, 0.0], [1.0, 0.2, 0.0, 0.0], [1.0, 0.6, 0.2, 0.0, 0.0])
    >>> times(3, shift=6)
    [1.0, 0.866666667, 0.2, 0.0, 0.0]
    """
    last = later(LAST, shift)
    shares = [1 - (1 - last) * look / max(passes - 1, 1) for look in range(passes)]
    return [round(sooner(share, shift), 9) for share in shares] + [0.0, 0.0]


Time = TypeVar("Time", float, Tensor)


def sooner(share: Time, shift: float) -> Time:
    """The time at which `share` of the way is left. The more colours a patch has, the nearer to pure noise it shows
    what it will be: a `shift` above 1 spends more of the way there."""
    return shift * share / (1 + (shift - 1) * share)


def later(time: Time, shift: float) -> Time:
    """The share of the way that is left at that time."""
    return time / (shift - (shift - 1) * time)


def jump(canvas: Tensor, end: Tensor, time: Tensor | float, to: Tensor | float) -> Tensor:
    """Where a canvas at `time` is at the time `to`, on the straight way to `end`."""
    return canvas - (time - to) * (canvas - end) / (time if isinstance(time, float) else time.clamp(min=SOONEST))
