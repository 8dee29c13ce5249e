"""Memory by place: for every place in the world, what it looked like when it was last seen, and when that was.

A square of places wraps around itself, so its bytes never grow; what lies a whole square apart shares a cell, and the
newer one keeps it. Newest wins, edits included. Reads are pure; writing takes a mask of the patches that show a place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmenv.models.stream import AGES

SIDE = 64
ELSEWHERE = 127  # the lap of a cell that holds nothing yet


def empty_places(rows: int, never: int, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """A memory of nowhere, as tensors to keep in a state."""
    cells = (rows, SIDE * SIDE)
    return {
        "place_tile": torch.full(cells, never, dtype=torch.int16, device=device),
        "place_step": torch.zeros(cells, dtype=torch.int32, device=device),
        "place_lap": torch.full((*cells, 2), ELSEWHERE, dtype=torch.int8, device=device),
    }


def _cells(places: Tensor) -> tuple[Tensor, Tensor]:
    """Which cell (rows, n) each whole-numbered place falls in, and on which lap around the square (rows, n, 2)."""
    whole = places.round().long()
    lap = torch.div(whole, SIDE, rounding_mode="floor").clamp(-ELSEWHERE, ELSEWHERE - 1)
    x, y = (whole % SIDE).unbind(-1)
    return y * SIDE + x, lap.to(torch.int8)


def recall(memory: dict[str, Tensor], places: Tensor, step: Tensor, never: int) -> tuple[Tensor, Tensor]:
    """The tile last seen at each of (rows, n, 2) places, `never` where none was, and the bucket of its age at
    `step`."""
    cell, lap = _cells(places)
    same = (memory["place_lap"].gather(1, cell[..., None].expand(-1, -1, 2)) == lap).all(-1)
    tile = torch.where(same, memory["place_tile"].gather(1, cell).long(), never)
    since = torch.where(same, step[:, None] - memory["place_step"].gather(1, cell), 0)
    return tile, age_bucket(since)


def remember(memory: dict[str, Tensor], places: Tensor, tiles: Tensor, shows: Tensor, step: Tensor) -> None:
    """Write (rows, n) tiles at their places where `shows`; in place, for a step owns its state."""
    cell, lap = _cells(places)
    old = memory["place_tile"].gather(1, cell)
    memory["place_tile"].scatter_(1, cell, torch.where(shows, tiles.to(torch.int16), old))
    when = torch.where(shows, step[:, None].to(torch.int32), memory["place_step"].gather(1, cell))
    memory["place_step"].scatter_(1, cell, when)
    wide = cell[..., None].expand(-1, -1, 2)
    memory["place_lap"].scatter_(1, wide, torch.where(shows[..., None], lap, memory["place_lap"].gather(1, wide)))


def age_bucket(since: Tensor) -> Tensor:
    """The bucket of how many frames ago: 0 never, then upper ends `AGES`, then longer."""
    edges = torch.tensor(AGES, device=since.device, dtype=since.dtype)
    return torch.where(since > 0, torch.bucketize(since, edges) + 1, 0)
