"""The stream applied to whole stretches of an episode at once: how it is trained, and what the cached path must equal.

Every frame has its own noise level and hears the frames before it through the ring, as they are (noised or not).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from einops import rearrange, repeat
from torch import Tensor

from wmenv.models.bank import SAME_VIEW, route
from wmenv.models.block import Heard, blocked
from wmenv.models.matrix import MatrixMemory, before_each
from wmenv.models.position import overlap, rotate
from wmenv.models.stream import Frame, Readout, Stream


@dataclass
class Passage:
    """Stretches of episodes: `frame` holds (batch * time, ...) rows, time fastest.

    `words` is (batch, 1 + n, slot): the instruction, then the directions typed during the stretch; `directed` (batch,
    time) says which of those led to each frame, 0 for none. `without`, by the name of a memory, masks (batch,) the
    stretches that have to do without it.
    """

    frame: Frame
    pose: Tensor
    words: Tensor
    directed: Tensor
    without: dict[str, Tensor] = field(default_factory=dict)

    def part(self, chosen: slice) -> Passage:
        """Those of its stretches."""
        batch, time = self.directed.shape
        rows = torch.arange(batch * time).view(batch, time)[chosen].flatten()
        some = {name: value[rows] for name, value in vars(self.frame).items() if value is not None}
        return Passage(
            replace(self.frame, **some),
            self.pose[chosen],
            self.words[chosen],
            self.directed[chosen],
            {name: who[chosen] for name, who in self.without.items()},
        )


def run_passage(model: Stream, passage: Passage) -> Readout:
    """The readout of every frame, (batch * time) rows."""
    time = passage.directed.shape[1]
    text_keys, text_values = model.read_text(rearrange(passage.words, "b n s -> (b n) s"))
    text_mask, row = _text_of_frames(passage)
    ring = _Past(model, passage.pose, time, passage.without.get("bank"))
    nothing = blocked(model.config.tokens, *ring.masks, text_mask)
    x, shared = model.embed(passage.frame)
    own, places = model.own_phases(), model.place_phases(passage.pose.flatten(0, 1))

    def recalled(memory: MatrixMemory, x: Tensor) -> Tensor:
        assert places is not None
        matrices = before_each(*memory.write(x, places), time)
        if "matrix" in passage.without:
            matrices = matrices * ~passage.without["matrix"].repeat_interleave(time)[:, None, None, None]
        return memory.read(x, places, matrices)

    for depth, block in enumerate(model.blocks):

        def heard(k: Tensor, v: Tensor, depth: int = depth) -> Heard:
            keys = [*ring.keys(k), _gather_text(text_keys[:, depth], row)]
            values = [*ring.values(v), _gather_text(text_values[:, depth], row)]
            return Heard(torch.cat(keys, 2), torch.cat(values, 2), nothing)

        x, _, _ = model.layer(block, x, shared, own, heard, recalled)
    return model.read(x, passage.frame)


def _text_of_frames(passage: Passage) -> tuple[Tensor, Tensor]:
    """Which words each frame hears (batch * time, 2 * slot), and the rows (batch * time, 2) of the texts they are
    in."""
    batch, count = passage.words.shape[:2]
    directed = passage.directed.flatten()
    first = repeat(torch.arange(batch, device=directed.device) * count, "b -> (b t)", t=passage.directed.shape[1])
    row = torch.stack([first, first + directed], 1)
    mask = (rearrange(passage.words, "b n s -> (b n) s") > 0)[row]
    mask = mask & torch.stack([torch.ones_like(directed, dtype=torch.bool), directed > 0], 1)[..., None]
    return rearrange(mask, "r two s -> r (two s)"), row


def _gather_text(text: Tensor, row: Tensor) -> Tensor:
    return rearrange(text[row], "r two h s c -> r h (two s) c")


class _Past:
    """What every frame of a passage hears of those before it: the ring, newest first, and the key frames routed to it;
    all seen from where that frame is seen."""

    def __init__(self, model: Stream, pose: Tensor, time: int, without_bank: Tensor | None) -> None:
        self.time = time
        self.ages = range(1, model.config.window + 1)
        self.phases = [model.past_phases(pose.flatten(0, 1), self._past(pose, age), float(age)) for age in self.ages]
        index = torch.arange(time, device=pose.device).expand(pose.shape[:2])
        self.masks = [(index >= age).flatten()[:, None].expand(-1, model.config.tokens) for age in self.ages]
        self.routed: list[Tensor] = []
        if model.config.bank:
            self._route(model, pose, without_bank)

    def _route(self, model: Stream, pose: Tensor, without: Tensor | None) -> None:
        """For every frame those of the passage before its ring that it hears: as though the bank never overflowed."""
        batch, time = pose.shape[:2]
        frames = torch.arange(time, device=pose.device)
        before = frames[None] + model.config.window < frames[:, None]
        alike = overlap(pose[:, :, None], pose[:, None], model.offsets) > SAME_VIEW
        alike = alike & (len(model.config.motions) > 1)
        replaced = (alike[:, None] & (frames[None] > frames[:, None]) & before[:, None]).any(-1)
        there = before & ~replaced if without is None else before & ~replaced & ~without[:, None, None]
        since = torch.where(there, frames[None] + 1, 0)
        past = pose[:, None].expand(-1, time, -1, -1)
        chosen, there = route(pose, past, since, model.offsets, model.config.routed, model.config.routing)
        first = torch.arange(batch, device=pose.device)[:, None] * time
        for rank in range(chosen.shape[-1]):
            index = (first + chosen[..., rank]).flatten()
            self.routed.append(index)
            age = float(model.config.window + 1 + rank)
            self.phases.append(model.past_phases(pose.flatten(0, 1), pose.flatten(0, 1)[index], age))
            self.masks.append(there[..., rank].flatten()[:, None].expand(-1, model.config.tokens))

    def _past(self, values: Tensor, age: int) -> Tensor:
        """(batch * time, ...) what (batch, time, ...) held `age` frames before, zeros before the beginning."""
        past = torch.zeros_like(values)
        past[:, age:] = values[:, : values.shape[1] - age]
        return past.flatten(0, 1)

    def keys(self, keys: Tensor) -> list[Tensor]:
        """The keys of the frames before each, turned to where each looks from."""
        return [rotate(past, *phases) for past, phases in zip(self.values(keys), self.phases, strict=True)]

    def values(self, values: Tensor) -> list[Tensor]:
        """The values of the frames before each."""
        by_time = rearrange(values, "(b t) ... -> b t ...", t=self.time)
        return [self._past(by_time, age) for age in self.ages] + [values[index] for index in self.routed]
