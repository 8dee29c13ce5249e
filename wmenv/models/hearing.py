"""What a frame attends to beside itself: what it was told, the ring of past frames, key frames, what was just typed.

Read before a frame is drawn, from the state alone and for all layers at once; and what the frame leaves behind, written
when it is committed. Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wmenv.models.bank import Memory, empty_bank, route, store
from wmenv.models.block import Heard, blocked
from wmenv.models.position import rotate
from wmenv.models.stream import Stream

Part = tuple[Tensor, Tensor, Tensor]  # keys, values (rows, depth, heads, n, head), and where (rows, n) there are any


def nothing_heard(model: Stream, seeds: Tensor, instruction: Tensor) -> Memory:
    """The memory of rows that have heard only what they were told, (rows, slot) words."""
    config, rows, device = model.config, len(seeds), seeds.device
    head, number = config.channels // config.heads, model.slots.dtype
    frame = (2, config.depth, config.heads, config.tokens, head)
    matrix = (rows, config.depth, config.heads, config.matrix, head + 1)
    return {
        "told": torch.stack(model.read_text(instruction), 1),
        "told_mask": instruction > 0,
        "ring": torch.zeros(rows, config.window, *frame, dtype=number, device=device),
        "ring_pose": torch.zeros(rows, config.window, 3, device=device),
        "ring_full": torch.zeros(rows, config.window, dtype=torch.bool, device=device),
        "matrix": torch.zeros(matrix, device=device),
        **empty_bank(rows, config.bank, frame, number, device),
    }


def hear(model: Stream, memory: Memory, words: Tensor | None, uses: frozenset[str]) -> Heard:
    """Everything that is heard at the present pose, of the kinds of memory that are in use."""
    parts = [(*memory["told"].unbind(1), memory["told_mask"]), *_ring(model, memory, "window" in uses)]
    parts += _key_frames(model, memory, "bank" in uses)
    parts += [_typed(model, memory, words)] if model.config.words else []
    keys, values, masks = zip(*parts, strict=True)
    matrix = memory["matrix"] if "matrix" in uses else torch.zeros_like(memory["matrix"])
    return Heard(torch.cat(keys, 3), torch.cat(values, 3), blocked(model.config.tokens, *masks), matrix)


def leave(model: Stream, memory: Memory, made: Memory) -> None:
    """Write what a pass made of the frame that is committed; in place."""
    window = model.config.window
    memory["matrix"] = made.get("matrix", memory["matrix"])
    if model.config.bank:  # takes what falls out of the ring
        since = (memory["step"] - window) * memory["ring_full"][:, -1]
        moves = len(model.config.motions) > 1
        store(memory, memory["ring"][:, -1], memory["ring_pose"][:, -1], since, model.offsets, moves)
    if window:
        full = torch.ones_like(memory["ring_full"][:, 0])
        newest = {"ring": made["ring"].to(memory["ring"].dtype), "ring_pose": memory["pose"], "ring_full": full}
        memory |= {name: torch.cat([new[:, None], memory[name][:, :-1]], 1) for name, new in newest.items()}


def _ring(model: Stream, memory: Memory, used: bool) -> Iterator[Part]:
    """The newest frames, the newest first, turned to the present pose."""
    for age in range(model.config.window):
        there = memory["ring_full"][:, age : age + 1] & used
        pose, there = memory["ring_pose"][:, age], there.expand(-1, model.config.tokens)
        yield *_seen_from_here(model, memory, memory["ring"][:, age], pose, float(age + 1)), there


def _key_frames(model: Stream, memory: Memory, used: bool) -> Iterator[Part]:
    """The key frames that are routed here, the newest first. Their ages are ranks, so that an endless stream stays
    within what was trained."""
    config = model.config
    if not config.bank:
        return
    poses, since = memory["bank_pose"], memory["bank_since"]
    chosen, there = route(memory["pose"], poses, since, model.offsets, config.routed, config.routing)
    rows = torch.arange(len(chosen), device=chosen.device)
    for rank, slot in enumerate(chosen.unbind(1)):
        age = float(config.window + 1 + rank)
        seen = _seen_from_here(model, memory, memory["bank"][rows, slot], poses[rows, slot], age)
        yield *seen, (there[:, rank] & used)[:, None].expand(-1, config.tokens)


def _seen_from_here(model: Stream, memory: Memory, frame: Tensor, pose: Tensor, age: float) -> tuple[Tensor, Tensor]:
    """Keys and values of a frame (rows, 2, ...) that was seen from `pose`, with its keys turned to the present one."""
    cos, sin = model.past_phases(memory["pose"], pose, age)
    return rotate(frame[:, 0], cos[:, None], sin[:, None]), frame[:, 1]


def _typed(model: Stream, memory: Memory, words: Tensor | None) -> Part:
    """Keys and values of what was typed, and where there are words. There is room for them when nothing was typed,
    too: sums of another length round otherwise, and a row must not tell its neighbour that something was typed."""
    if words is None:
        nothing = torch.zeros_like(memory["told"][:, 0])
        return nothing, nothing, torch.zeros_like(memory["told_mask"])
    return *model.read_text(words), words > 0
