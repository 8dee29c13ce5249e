"""What a stream draws with: an alphabet says how a picture becomes tokens, and how a drawing is begun, gone on with and
read.

There are two: tiles chosen from a palette, for worlds that are made of them, and pixels, for all others. The trunk, the
memory and the steps know only what both can answer.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from wmenv.models.config import StreamConfig
from wmenv.models.look import Look
from wmenv.models.pixels import Pixels
from wmenv.models.tiles import Tiles


class Pictures(Protocol):
    """An alphabet. A canvas is (rows, patches, *cell): a picture, finished or not."""

    head: nn.Linear  # the last layer, on which pictures are read off the trunk
    cell: tuple[int, ...]  # what is kept of one patch
    dtype: torch.dtype  # how it is kept
    never: int  # what is kept of a patch that was never seen
    levels: int  # numbers that say how far a canvas is

    def embed(self, canvas: Tensor) -> Tensor:
        """Tokens (rows, patches, channels) of a canvas."""

    def embed_place(self, kept: Tensor) -> Tensor:
        """Tokens of what memory holds for the place that each patch shows."""

    def embed_spot(self, kept: Tensor) -> Tensor:
        """Tokens of what each patch showed a step ago."""

    def predict(self, x: Tensor) -> Tensor:
        """What the trunk's output says of the finished picture."""

    def blank(self, seed: Tensor, step: Tensor) -> Tensor:
        """The canvas before the first look."""

    def level(self, canvas: Tensor, look: Look) -> Tensor:
        """(rows, levels) how far the canvas is before a look; one numbered `passes` is at a finished canvas."""

    def most_looks(self, passes: int, patient: bool) -> int:
        """How often a canvas may be looked at, when `passes` are asked for."""

    def settle(self, canvas: Tensor, said: Tensor, known: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Go on by what a look said; also, which rows want another. `known` (rows, patches) marks places that were seen
        before."""

    def keep(self, canvas: Tensor) -> Tensor:
        """A finished canvas as it is kept in memory."""

    def shows_place(self, kept: Tensor) -> Tensor:
        """(rows, patches) whether a patch shows what is at its place, rather than hides it."""

    def draw(self, kept: Tensor) -> Tensor:
        """(rows, H, W, 3) uint8 frames of finished pictures."""

    def read(self, frames: Tensor) -> Tensor:
        """The finished canvas of frames."""


def make_pictures(config: StreamConfig) -> Tiles | Pixels:
    """The alphabet a configuration names."""
    return Tiles(config) if config.pictures == "tiles" else Pixels(config)
