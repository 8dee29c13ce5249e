"""Memory of key frames: what the trunk made of frames that left the ring, of which each step hears those that help.

A step hears the frames whose view has most in common with what it looks at now: history is routed by where, not by
when. A new frame takes the slot of one seen from the same spot, or an empty one, or that of the frame of which newer
ones show most anyway, so bytes never grow and what only one frame knows stays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wmenv.models.place import like
from wmenv.models.position import overlap

SAME_VIEW = 0.99
Memory = dict[str, Tensor]


def empty_bank(rows: int, slots: int, frame: tuple[int, ...], number: torch.dtype, device: torch.device) -> Memory:
    """A bank of nothing: `frame` is the shape of what is kept of one frame. `bank_since` is its step, 0 for none."""
    return {
        "bank": torch.zeros(rows, slots, *frame, dtype=number, device=device),
        "bank_pose": torch.zeros(rows, slots, 3, device=device),
        "bank_since": torch.zeros(rows, slots, dtype=torch.int32, device=device),
    }


def route(
    pose: Tensor, past: Tensor, since: Tensor, offsets: Tensor, most: int, by: str = "view"
) -> tuple[Tensor, Tensor]:
    """Which of the frames seen from `past` (..., n, 3) a viewer at `pose` (..., 3) should hear: (..., most) numbers,
    the newest first, and whether there is one at all.

    `since` (..., n) is when each was seen, 0 for never. Equally useful frames are preferred by how new they are; where
    routing is `by` "recent", all are equally useful.
    """
    there = since > 0
    shared = overlap(pose[..., None, :], past, offsets) if by == "view" else 0.0
    useful = shared + _newness(since, offsets)
    best = torch.where(there, useful, -1.0).topk(min(most, since.shape[-1]), -1).indices
    when = since.gather(-1, best)
    order = when.argsort(dim=-1, descending=True, stable=True)
    chosen = best.gather(-1, order)
    return chosen, there.gather(-1, chosen)


def store(memory: Memory, frame: Tensor, pose: Tensor, since: Tensor, offsets: Tensor, moves: bool = True) -> None:
    """Put a frame of each row into the bank, in place; rows whose `since` is 0 have none to store. Where the viewer
    never `moves`, frames of the same pose are not the same view."""
    slot = _slot(memory["bank_pose"], memory["bank_since"], pose, offsets, moves)
    rows = torch.arange(len(slot), device=slot.device)
    given = since > 0
    for name, value in (("bank", frame), ("bank_pose", pose), ("bank_since", since.to(torch.int32))):
        old = memory[name][rows, slot]
        memory[name][rows, slot] = torch.where(like(given, old), value.to(old.dtype), old)


def _slot(past: Tensor, since: Tensor, pose: Tensor, offsets: Tensor, moves: bool) -> Tensor:
    """The slot (rows,) that a frame seen from `pose` takes."""
    by_newest = overlap(pose[:, None], past, offsets)
    shared = overlap(past[:, :, None], past[:, None], offsets)
    newer = since[:, None] > since[:, :, None]
    covered = torch.maximum(torch.where(newer, shared, 0.0).amax(-1), by_newest)
    free = torch.where(since == 0, 3.0, covered - _newness(since, offsets))
    return torch.where((by_newest > SAME_VIEW) & (since > 0) & moves, 4.0, free).argmax(-1)


def _newness(since: Tensor, offsets: Tensor) -> Tensor:
    """Ranks by age, the newest highest, all of them less than a patch of overlap is worth, however long the stream."""
    rank = since.argsort(dim=-1, stable=True).argsort(dim=-1)
    return 0.5 / len(offsets) * rank / max(since.shape[-1], 1)
