"""Memory by place: for every place in the world, what it looked like when it was last seen, and when that was.

A square of places wraps around itself, so its bytes never grow; what lies a whole square apart shares a cell, and the
newer one keeps it. Newest wins, edits included. Reads are pure; writing takes a mask of the patches that show a place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

AGES = (1, 2, 4, 16, 64, 256)  # upper ends of the buckets of how long ago a place was seen; bucket 0 is never
ELSEWHERE = 127  # the lap of a cell that holds nothing yet


def empty_places(
    rows: int, side: int, cell: tuple[int, ...], dtype: torch.dtype, never: int, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """A memory of nowhere, as tensors to keep in a state: `cell` and `dtype` are those of what a patch shows."""
    cells = (rows, side * side)
    return {
        "place_shown": torch.full((*cells, *cell), never, dtype=dtype, device=device),
        "place_step": torch.zeros(cells, dtype=torch.int32, device=device),
        "place_lap": torch.full((*cells, 2), ELSEWHERE, dtype=torch.int8, device=device),
    }


def _cells(places: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which of `count` cells each whole-numbered place falls in, (rows, n), and on which lap around the square,
    (rows, n, 2)."""
    side = math.isqrt(count)
    whole = places.round().long()
    lap = torch.div(whole, side, rounding_mode="floor").clamp(-ELSEWHERE, ELSEWHERE - 1)
    x, y = (whole % side).unbind(-1)
    return y * side + x, lap.to(torch.int8)


def recall(memory: dict[str, Tensor], places: Tensor, step: Tensor, never: int) -> tuple[Tensor, Tensor]:
    """What was last seen at each of (rows, n, 2) places, `never` where nothing was, and the bucket of its age at
    `step`."""
    shown = memory["place_shown"]
    cell, lap = _cells(places, shown.shape[1])
    same = (memory["place_lap"].gather(1, cell[..., None].expand(-1, -1, 2)) == lap).all(-1)
    found = torch.where(like(same, shown), shown.gather(1, _over(cell, shown)), never)
    since = torch.where(same, step[:, None] - memory["place_step"].gather(1, cell), 0)
    return found, age_bucket(since)


def remember(memory: dict[str, Tensor], places: Tensor, kept: Tensor, shows: Tensor, step: Tensor) -> None:
    """Write what (rows, n) patches show at their places where `shows`; in place, for a step owns its state."""
    shown = memory["place_shown"]
    cell, lap = _cells(places, shown.shape[1])
    index = _over(cell, shown)
    shown.scatter_(1, index, torch.where(like(shows, shown), kept, shown.gather(1, index)))
    when = torch.where(shows, step[:, None].to(torch.int32), memory["place_step"].gather(1, cell))
    memory["place_step"].scatter_(1, cell, when)
    wide = cell[..., None].expand(-1, -1, 2)
    memory["place_lap"].scatter_(1, wide, torch.where(shows[..., None], lap, memory["place_lap"].gather(1, wide)))


def like(values: Tensor, other: Tensor) -> Tensor:
    """Values with as many dimensions as the other has, the last of them of size one."""
    return values.reshape(*values.shape, *[1] * (other.ndim - values.ndim))


def _over(cell: Tensor, shown: Tensor) -> Tensor:
    """(rows, n) cells as an index over all that is shown there."""
    return like(cell, shown).expand(*cell.shape, *shown.shape[2:])


def age_bucket(since: Tensor) -> Tensor:
    """The bucket of how many frames ago: 0 never, then upper ends `AGES`, then longer."""
    edges = torch.tensor(AGES, device=since.device, dtype=since.dtype)
    return torch.where(since > 0, torch.bucketize(since, edges) + 1, 0)
