"""The stream one step at a time: memory in, a frame out, in as many passes as asked.

A step moves the viewer by the motion the model itself predicted for the action, recalls what it knows of the places
in view, draws the frame in K passes, and commits it: the last pass, over the finished draft, also writes the ring and
says what the frame means. Everything that changes is in the tensors it is given; it keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wmenv.models.block import Heard, blocked
from wmenv.models.place import empty_places, recall, remember
from wmenv.models.position import moved, places_in_view, rotate
from wmenv.models.randomness import uniforms
from wmenv.models.stream import Frame, Readout, Stream

Memory = dict[str, Tensor]

MEMORIES = {  # what a stream is allowed to use of what it keeps; less than all is for comparison
    "all": frozenset({"places", "window"}),
    "places": frozenset({"places"}),
    "window": frozenset({"window"}),
    "none": frozenset(),
}


@dataclass
class Drawn:
    """What a step shows: tile numbers, pose, the readout of the pass that committed it, and the passes it took."""

    tiles: Tensor
    pose: Tensor
    said: Readout
    looks: Tensor


class Streamer:
    """A model with the constants of its stepping; holds no state between calls. `memory` is one of `MEMORIES`."""

    def __init__(self, model: Stream, memory: str = "all") -> None:
        self.model = model
        self.uses = MEMORIES[memory]
        self.config = model.config
        self.own = model.own_phases()
        self.distance = model.offsets.abs().sum(-1)
        self.motions = torch.tensor(model.config.motions, device=model.offsets.device)

    # --- memory ---

    def empty(self, seeds: Tensor, instruction: Tensor) -> Memory:
        """The memory of rows that have seen nothing: `instruction` (rows, slot) is what they were told."""
        rows, config = len(seeds), self.config
        head = config.channels // config.heads
        past = (rows, config.window, 2, config.depth, config.heads, config.tokens, head)
        device, number = seeds.device, self.model.slots.dtype
        keys, values = self.model.read_text(instruction)
        return {
            "seed": seeds.clone(),
            "step": torch.zeros_like(seeds),
            "pose": torch.zeros(rows, 3, device=device),
            "tiles": torch.full((rows, config.patches), self.model.pictures.never, dtype=torch.int16, device=device),
            "moves": torch.zeros(rows, config.actions, dtype=torch.int8, device=device),
            "ring": torch.zeros(past, dtype=number, device=device),
            "ring_pose": torch.zeros(rows, config.window, 3, device=device),
            "ring_full": torch.zeros(rows, config.window, dtype=torch.bool, device=device),
            "told": torch.stack([keys, values], 1),
            "told_mask": instruction > 0,
            **empty_places(rows, self.model.pictures.never, device),
        }

    # --- steps ---

    def step(self, memory: Memory, action: Tensor, words: Tensor | None = None, passes: int = 2) -> Drawn:
        """One step of every row; updates `memory` in place. `words` (rows, slot) are typed directions, zeros for
        none."""
        motion = memory["moves"].gather(1, action[:, None]).squeeze(1).long()
        memory["pose"] = moved(memory["pose"], self.motions[motion])
        return self._draw(memory, action, words, passes, given=None)

    def witness(self, memory: Memory, action: Tensor, words: Tensor | None, tiles: Tensor, pose: Tensor) -> Drawn:
        """Take in a true frame, seen from a true pose, instead of drawing one; the readout says what the model makes
        of it."""
        memory["pose"] = pose.clone()
        return self._draw(memory, action, words, 1, given=tiles)

    def begin(self, memory: Memory, given: Tensor | None = None, passes: int = 16) -> Drawn:
        """The first frame: dreamt from the seed and the instruction, or read from `given` (rows, patches) tiles.

        A dream has nothing to go by, so it is drawn slowly, few patches in each of many passes; then it is looked over,
        and what makes no sense beside all the rest is drawn again. A single pass is not looked over.
        """
        action = torch.full_like(memory["seed"], self.config.actions)
        return self._draw(memory, action, None, passes, given, mends=MENDS if passes > 1 else 0)

    def _draw(
        self,
        memory: Memory,
        action: Tensor,
        words: Tensor | None,
        passes: int,
        given: Tensor | None,
        mends: int = 0,
    ) -> Drawn:
        memory["step"] += 1
        places = places_in_view(memory["pose"], self.model.offsets)
        place, age, spot = self._recalled(memory, places)
        heard = self._heard(memory, words)
        tiles = torch.full_like(place, self.model.pictures.undrawn) if given is None else given
        said, ring = self._pass(self._frame(tiles, place, age, spot, action), heard)
        looks = torch.ones_like(memory["seed"])
        if given is None:
            dice = self._dice(memory["seed"], memory["step"], 0, alone=mends > 0)
            tiles, open_ = self._settle(tiles, said.pictures, dice, passes, mends > 0)
        else:
            open_ = torch.zeros_like(looks) > 0
        for number in range(1, passes + mends):
            rows = open_.nonzero().squeeze(-1)
            if not len(rows):  # what the first look was sure of needs no second
                break
            inputs = (value[rows] for value in (tiles, place, age, spot, action))
            again, ring[rows] = self._pass(self._frame(*inputs), heard.of(rows))
            dice = self._dice(memory["seed"][rows], memory["step"][rows], number, alone=mends > 0)
            tiles[rows], open_[rows] = self._settle(tiles[rows], again.pictures, dice, passes - number, mends > 0)
            said.put(rows, again)
            looks[rows] += 1
        self._commit(memory, tiles, places, said, ring)
        return Drawn(tiles, memory["pose"], said, looks)

    def _recalled(self, memory: Memory, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each place in view last showed, how long ago, and what each spot of the picture showed a step ago."""
        never, spot = self.model.pictures.never, memory["tiles"].long()
        place, age = recall(memory, places, memory["step"], never)
        if "places" not in self.uses:
            place, age = torch.full_like(place, never), torch.zeros_like(age)
        return place, age, spot if "window" in self.uses else torch.full_like(spot, never)

    def _frame(self, tiles: Tensor, place: Tensor, age: Tensor, spot: Tensor, action: Tensor) -> Frame:
        undrawn = tiles == self.model.pictures.undrawn
        rows, samples = len(tiles), self.config.samples
        silence = self.model.slots.new_zeros(rows, samples) if samples else None
        deaf = self.model.slots.new_zeros(rows) if samples else None
        return Frame(tiles, place, age, spot, undrawn.float().mean(-1), action, silence, deaf)

    def _dice(self, seed: Tensor, step: Tensor, number: int, alone: bool) -> tuple[Tensor, Tensor]:
        """Each patch's own die, and the one of how far the eye reaches: shared, for many patches are drawn at once, or,
        where few are, for each patch `alone`."""
        patches = self.config.patches
        dice = uniforms(seed, step, number, 2 * patches if alone else patches + 1)
        return dice[:, :patches], dice[:, patches:]

    def _settle(
        self, tiles: Tensor, logits: Tensor, dice: tuple[Tensor, Tensor], left: int, mending: bool
    ) -> tuple[Tensor, Tensor]:
        """Draw from what the pass said: what is certain at once, the rest from near to far, for the near hides the far.

        The order never depends on what the dice drew: to prefer likely draws would fill every dream with floor. The
        last of the passes that are `left` draws everything, and it and those that mend draw again what, beside all the
        others, turned out to make no sense. Also says which rows are to be looked at again.
        """
        chances = logits.float().softmax(-1)
        drawn = self.model.pictures.throw(chances, *dice)
        undrawn = tiles == self.model.pictures.undrawn
        believed = chances.gather(-1, tiles.clamp(max=chances.shape[-1] - 1)[..., None]).squeeze(-1)
        sure = undrawn & (chances.amax(-1) > SURE)
        open_ = undrawn & ~sure
        turn = (self.distance + 1e6 * ~open_).argsort(dim=-1, stable=True).argsort(dim=-1)
        near = open_ & (turn * left < open_.sum(-1, keepdim=True))
        last = ~undrawn.any(-1, keepdim=True) | (left <= 1)
        change = torch.where(last, undrawn | (believed < ABSURD), sure | near)
        again = change if mending else undrawn & ~change
        return torch.where(change, drawn, tiles), again.any(-1)

    # --- attention to what came before ---

    def _heard(self, memory: Memory, words: Tensor | None) -> Heard:
        """For all layers at once: the ring, turned to the present pose, the instruction, and what was just typed."""
        ages, tokens = range(self.config.window), self.config.tokens
        keys, values = [memory["told"][:, 0]], [memory["told"][:, 1]]
        masks = [memory["told_mask"]]
        for age in ages:
            cos, sin = self.model.past_phases(memory["pose"], memory["ring_pose"][:, age], float(age + 1))
            keys.append(rotate(memory["ring"][:, age, 0], cos[:, None], sin[:, None]))
            values.append(memory["ring"][:, age, 1])
            there = memory["ring_full"][:, age : age + 1] & ("window" in self.uses)
            masks.append(there.expand(-1, tokens))
        if words is not None:
            typed_keys, typed_values = self.model.read_text(words)
            keys.append(typed_keys)
            values.append(typed_values)
            masks.append(words > 0)
        return Heard(torch.cat(keys, 3), torch.cat(values, 3), blocked(tokens, *masks))

    def _pass(self, frame: Frame, heard: Heard) -> tuple[Readout, Tensor]:
        """One pass of the trunk; also the keys and values (rows, 2, depth, heads, tokens, head) it made."""
        x, shared = self.model.embed(frame)
        keys, values = [], []
        for depth, block in enumerate(self.model.blocks):
            past = Heard(heard.keys[:, depth], heard.values[:, depth], heard.blocked)
            x, k, v = self.model.layer(block, x, shared, self.own, partial(_as_it_was, past))
            keys.append(k)
            values.append(v)
        return self.model.read(x), torch.stack([torch.stack(keys, 1), torch.stack(values, 1)], 1)

    def _commit(self, memory: Memory, tiles: Tensor, places: Tensor, said: Readout, ring: Tensor) -> None:
        """Write what was drawn to every kind of memory."""
        remember(memory, places, tiles, self.model.pictures.anchored[tiles], memory["step"])
        memory["tiles"] = tiles.to(torch.int16)
        memory["moves"] = said.motion.argmax(-1).to(torch.int8)
        if self.config.window:
            memory["ring"] = torch.cat([ring[:, None].to(memory["ring"].dtype), memory["ring"][:, :-1]], 1)
            memory["ring_pose"] = torch.cat([memory["pose"][:, None], memory["ring_pose"][:, :-1]], 1)
            full = torch.ones_like(memory["ring_full"][:, :1])
            memory["ring_full"] = torch.cat([full, memory["ring_full"][:, :-1]], 1)


def _as_it_was(past: Heard, keys: Tensor, values: Tensor) -> Heard:
    """What a frame hears does not depend on what it says itself."""
    return past


SURE = 0.98  # a patch this certain is drawn at once, however many passes are left
ABSURD = 0.02  # a patch believed less than this is drawn again in the last pass, and when a dream is mended
MENDS = 4  # looks over a dreamt frame, at most; hardly any needs the last
