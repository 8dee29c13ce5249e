"""Where things are: poses, the places a view covers, and rotary phases in the viewer's own frame.

A pose is (x, y, heading): steps and quarter turns clockwise, heading 0 looking up the picture (towards -y). Two tokens
that show the same place get the same phase however long ago one of them was seen and whichever way the viewer has
turned since, so copying by place is a dot product. Worlds without a pose keep it at zero: then a place is a patch of
the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def view_offsets(rows: int, columns: int, anchor: tuple[float, float]) -> Tensor:
    """(rows * columns, 2) offsets (dx, dy) of each patch from the viewer, who stands at `anchor` = (row, column)."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([x - anchor[1], y - anchor[0]], -1).reshape(-1, 2).float()


def _turn(offsets: Tensor, heading: Tensor) -> Tensor:
    """Rotate (..., 2) offsets clockwise by `heading` quarter turns (any float, any broadcastable shape)."""
    angle = heading.float() * (math.pi / 2)
    cos, sin = angle.cos(), angle.sin()
    x, y = offsets.unbind(-1)
    return torch.stack([x * cos - y * sin, x * sin + y * cos], -1)


def places_in_view(pose: Tensor, offsets: Tensor) -> Tensor:
    """World coordinates (..., patches, 2) of every patch seen from `pose` (..., 3)."""
    return pose[..., None, :2] + _turn(offsets, pose[..., None, 2])


def seen_from(pose: Tensor, places: Tensor) -> Tensor:
    """The offsets at which a viewer at `pose` (..., 3) has world `places` (..., n, 2): the inverse of the above."""
    return _turn(places - pose[..., None, :2], -pose[..., None, 2])


def overlap(pose: Tensor, other: Tensor, offsets: Tensor) -> Tensor:
    """The share (...) of what is in view at `pose` (..., 3) that is in view at the `other` pose too; both view the same
    rectangle of (patches, 2) offsets."""
    seen = seen_from(other, places_in_view(pose, offsets))
    low, high = offsets.amin(0) - 0.5, offsets.amax(0) + 0.5
    return ((seen > low) & (seen < high)).all(-1).float().mean(-1)


def moved(pose: Tensor, motion: Tensor) -> Tensor:
    """`pose` after `motion` (dx, dy, turn), given in the viewer's frame before the move."""
    step = _turn(motion[..., :2], pose[..., 2])
    heading = torch.remainder(pose[..., 2] + motion[..., 2], 4.0)
    return torch.cat([torch.round(pose[..., :2] + step), heading[..., None]], -1)


class ViewerRotary:
    """Rotary phases for (dx, dy, age) relative to the frame that looks; `head` channels, three eighths each for x and
    y.

    Periods run from two and a half steps, so that neighbours differ, to forty, or more where a view is wider than half
    of that.
    """

    def __init__(self, head: int, widest: int = 20) -> None:
        pairs = head // 2
        along = 3 * pairs // 8
        self.split = (along, along, pairs - 2 * along)
        self.rates = [
            2 * math.pi / torch.logspace(math.log10(2.5), math.log10(max(40.0, 2.0 * widest)), n) for n in self.split
        ]

    def __call__(self, offsets: Tensor, age: Tensor | float) -> tuple[Tensor, Tensor]:
        """cos and sin, (..., head / 2) each, of (..., 2) offsets; `age` in frames, broadcastable to (...)."""
        x, y = offsets.unbind(-1)
        age = torch.as_tensor(age, dtype=offsets.dtype, device=offsets.device).expand(x.shape)
        parts = zip((x, y, age), self.rates, strict=True)
        phase = torch.cat([value[..., None] * rate.to(offsets.device) for value, rate in parts], -1)
        return phase.cos(), phase.sin()


def rotate(tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply phases (..., n, head / 2) to (..., heads, n, head) channels, first half against second half."""
    a, b = tokens.chunk(2, -1)
    cos, sin = cos.unsqueeze(-3).to(tokens.dtype), sin.unsqueeze(-3).to(tokens.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
