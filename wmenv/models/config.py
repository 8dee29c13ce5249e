"""The size, the senses and the memories of a stream: all that decides the shapes of its weights and of its state."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator


class StreamConfig(BaseModel):
    """The size and the senses of a stream. Any sense may be absent: zero samples, no words, one motion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = 56
    width: int = 56
    patch: int = 8
    channels: int = 192  # width of the trunk
    depth: int = 6
    heads: int = 6
    hidden: int = 512  # of each MLP
    window: int = 1  # past frames in the ring
    bank: int = 0  # key frames that are kept beyond the ring
    routed: int = 4  # key frames of the bank that a frame hears
    routing: Literal["view", "recent"] = "view"  # those that show most of what is in view, or, to compare, the newest
    matrix: int = 0  # channels of a key of the recurrent matrix memory in each head of each block; 0: none
    pictures: Literal["tiles", "pixels"] = "tiles"  # "tiles": choose from a palette; "pixels": colours, from noise
    palette: int = 0  # entries of the palette
    stands: bool = False  # a kind of tile is drawn only where in the picture the data show it: a viewer stays a viewer
    predicts: Literal["x", "v"] = "x"  # of pixels: "x", the picture; "v", the way to it
    bottleneck: int = 0  # channels that the colours of a large patch are squeezed through; 0: none
    shift: float = 1.0  # of pixels: above 1, more of the way from noise is spent where it is nearly all noise
    unlit: int = 0  # patches of pixels no brighter than this do not show their place
    viewer_shows: bool = True  # whether the viewer stands in the picture, and hides the place it is at
    actions: int = 7
    motions: tuple[tuple[float, float, float], ...] = (
        (0, 0, 0),
    )  # (dx, dy, quarter turns) the viewer may make in a step
    anchor: tuple[float, float] = (6.0, 3.0)  # row and column of the viewer in the patch grid
    samples: int = 0  # of sound per step
    words: tuple[str, ...] = ()
    slot: int = 16  # words of a typed text
    reward_range: float = 1.0  # rewards lie within plus and minus this
    reward_bins: int = 21
    recall_place: bool = True  # inject what was last seen at each place in view
    places: int = 64  # side of the square of places that is remembered
    recall_met: bool = False  # what was met anywhere is likelier or less likely at first sight: a room has one goal
    recall_spot: bool = True  # inject what the previous frame showed at each spot of the picture

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.bank and not self.window:
            raise ValueError("a bank keeps what leaves the ring: give it a window of 1 or more")
        if (self.recall_met or self.stands) and self.pictures != "tiles":
            raise ValueError("of tiles only is it known where they stand and which were met: leave both out")
        if self.recall_met and not self.recall_place:
            raise ValueError("what is seen for the first time is known by its place: recall_met needs recall_place")
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(f"pictures of {self.height} x {self.width} are no whole number of patches of {self.patch}")
        return self

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.height // self.patch, self.width // self.patch

    @property
    def patches(self) -> int:
        rows, columns = self.grid
        return rows * columns

    @property
    def tokens(self) -> int:
        """Tokens of one frame: its patches, one that reads out, one of sound if there is any."""
        return self.patches + 1 + (self.samples > 0)
