"""The stream one step at a time: memory in, a frame out, in as many passes as asked.

A step moves the viewer by the motion the model itself predicted for the action, recalls what it knows of the places
in view, draws the frame in K passes, and commits it: the last pass, over the finished draft, also writes the ring and
says what the frame means. Everything that changes is in the tensors it is given; it keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wmenv.models.bank import empty_bank, route, store
from wmenv.models.block import Heard, blocked
from wmenv.models.look import Look
from wmenv.models.matrix import MatrixMemory
from wmenv.models.place import empty_places, recall, remember
from wmenv.models.position import moved, places_in_view, rotate
from wmenv.models.stream import Frame, Readout, Stream

Memory = dict[str, Tensor]

MEMORIES = {  # what a stream is allowed to use of what it keeps; less than all is for comparison
    "all": frozenset({"places", "window", "bank", "matrix"}),
    "places": frozenset({"places"}),
    "bank": frozenset({"window", "bank"}),
    "matrix": frozenset({"window", "matrix"}),
    "window": frozenset({"window"}),
    "none": frozenset(),
}


@dataclass
class Drawn:
    """What a step shows: the picture as it is kept, pose, the readout of the look that committed it, and the looks it
    took."""

    shown: Tensor
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
        self.motions = torch.tensor(model.config.motions, device=model.offsets.device)

    # --- memory ---

    def empty(self, seeds: Tensor, instruction: Tensor) -> Memory:
        """The memory of rows that have seen nothing: `instruction` (rows, slot) is what they were told."""
        rows, config = len(seeds), self.config
        head = config.channels // config.heads
        frame = (2, config.depth, config.heads, config.tokens, head)
        device, number = seeds.device, self.model.slots.dtype
        keys, values = self.model.read_text(instruction)
        pictures = self.model.pictures
        cell, kept, never = pictures.cell, pictures.dtype, pictures.never
        return {
            "seed": seeds.clone(),
            "step": torch.zeros_like(seeds),
            "pose": torch.zeros(rows, 3, device=device),
            "shown": torch.full((rows, config.patches, *cell), never, dtype=kept, device=device),
            "moves": torch.zeros(rows, config.actions, dtype=torch.int8, device=device),
            "ring": torch.zeros(rows, config.window, *frame, dtype=number, device=device),
            "ring_pose": torch.zeros(rows, config.window, 3, device=device),
            "ring_full": torch.zeros(rows, config.window, dtype=torch.bool, device=device),
            "told": torch.stack([keys, values], 1),
            "told_mask": instruction > 0,
            "matrix": self._no_matrix(rows),
            **empty_bank(rows, config.bank, frame, number, device),
            **empty_places(rows, config.places * config.recall_place, cell, kept, never, device),
        }

    def _no_matrix(self, rows: int) -> Tensor:
        config, head = self.config, self.config.channels // self.config.heads
        shape = (rows, config.depth, config.heads, config.matrix, head + 1)
        return torch.zeros(shape, device=self.model.slots.device)

    # --- steps ---

    def step(self, memory: Memory, action: Tensor, words: Tensor | None = None, passes: int = 2) -> Drawn:
        """One step of every row; updates `memory` in place. `words` (rows, slot) are typed directions, zeros for
        none."""
        motion = memory["moves"].gather(1, action[:, None]).squeeze(1).long()
        memory["pose"] = moved(memory["pose"], self.motions[motion])
        return self._draw(memory, action, words, passes, given=None)

    def witness(self, memory: Memory, action: Tensor, words: Tensor | None, canvas: Tensor, pose: Tensor) -> Drawn:
        """Take in a true frame, seen from a true pose, instead of drawing one; the readout says what the model makes
        of it."""
        memory["pose"] = pose.clone()
        return self._draw(memory, action, words, 1, given=canvas)

    def begin(self, memory: Memory, given: Tensor | None = None, passes: int = 16) -> Drawn:
        """The first frame: dreamt from the seed and the instruction, or read from a `given` canvas.

        A dream has nothing to go by, so it is drawn slowly, in many passes, and patiently.
        """
        action = torch.full_like(memory["seed"], self.config.actions)
        return self._draw(memory, action, None, passes, given, patient=True)

    def _draw(
        self,
        memory: Memory,
        action: Tensor,
        words: Tensor | None,
        passes: int,
        given: Tensor | None,
        patient: bool = False,
    ) -> Drawn:
        memory["step"] += 1
        pictures, seed, step = self.model.pictures, memory["seed"], memory["step"]
        places = places_in_view(memory["pose"], self.model.offsets)
        place, age, spot = self._recalled(memory, places)
        heard = self._heard(memory, words)
        canvas = pictures.blank(seed, step) if given is None else given
        level = pictures.level(canvas, passes if given is not None else 0, passes)
        pose = memory["pose"]
        said, made = self._pass(self._frame(canvas, place, age, spot, level, action), heard, pose)
        looks, open_ = torch.ones_like(seed), torch.zeros_like(seed) > 0
        if given is None:
            canvas, open_ = pictures.settle(canvas, said.pictures, age > 0, Look(seed, step, 0, passes, patient))
        for number in range(1, pictures.most_looks(passes, patient)):
            rows = open_.nonzero().squeeze(-1)
            if not len(rows):  # what the first look was sure of needs no second
                break
            level = pictures.level(canvas[rows], number, passes)
            inputs = (canvas[rows], place[rows], age[rows], spot[rows], level, action[rows])
            again, anew = self._pass(self._frame(*inputs), heard.of(rows), pose[rows])
            for name, value in anew.items():
                made[name][rows] = value
            look = Look(seed[rows], step[rows], number, passes, patient)
            canvas[rows], open_[rows] = pictures.settle(inputs[0], again.pictures, inputs[2] > 0, look)
            said.put(rows, again)
            looks[rows] += 1
        kept = pictures.keep(canvas)
        self._commit(memory, kept, places, said, made)
        return Drawn(kept, memory["pose"], said, looks)

    def _recalled(self, memory: Memory, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each place in view last showed, how long ago, and what each spot of the picture showed a step ago."""
        never, spot = self.model.pictures.never, memory["shown"]
        if "places" in self.uses and self.config.recall_place:
            place, age = recall(memory, places, memory["step"], never)
        else:
            place, age = torch.full_like(spot, never), torch.zeros(spot.shape[:2], dtype=torch.int64)
        return place, age.to(spot.device), spot if "window" in self.uses else torch.full_like(spot, never)

    def _frame(self, canvas: Tensor, place: Tensor, age: Tensor, spot: Tensor, level: Tensor, action: Tensor) -> Frame:
        rows, samples = len(canvas), self.config.samples
        silence = self.model.slots.new_zeros(rows, samples) if samples else None
        deaf = self.model.slots.new_zeros(rows) if samples else None
        return Frame(canvas, place, age, spot, level, action, silence, deaf)

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
        if self.config.bank:
            for frame, pose, rank, there in self._routed(memory):
                cos, sin = self.model.past_phases(memory["pose"], pose, rank)
                keys.append(rotate(frame[:, 0], cos[:, None], sin[:, None]))
                values.append(frame[:, 1])
                masks.append((there & ("bank" in self.uses))[:, None].expand(-1, tokens))
        if self.config.words:
            typed, said = self._typed(memory, words)
            keys.append(typed[:, 0])
            values.append(typed[:, 1])
            masks.append(said)
        matrix = memory["matrix"] if "matrix" in self.uses else torch.zeros_like(memory["matrix"])
        return Heard(torch.cat(keys, 3), torch.cat(values, 3), blocked(tokens, *masks), matrix)

    def _typed(self, memory: Memory, words: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys and values of what was typed, and where there are words. There is room for them when nothing was typed,
        too: sums of another length round otherwise, and a row must not tell what was typed to its neighbour."""
        if words is None:
            return torch.zeros_like(memory["told"]), torch.zeros_like(memory["told_mask"])
        return torch.stack(self.model.read_text(words), 1), words > 0

    def _routed(self, memory: Memory) -> Iterator[tuple[Tensor, Tensor, float, Tensor]]:
        """The key frames that each row hears, the newest first: what was made of each, its pose, how old it is taken to
        be, and whether there is one. Ages are ranks, so that an endless stream stays within what was trained."""
        poses, since = memory["bank_pose"], memory["bank_since"]
        chosen, there = route(memory["pose"], poses, since, self.model.offsets, self.config.routed, self.config.routing)
        rows = torch.arange(len(chosen), device=chosen.device)
        for rank in range(chosen.shape[1]):
            slot, age = chosen[:, rank], float(self.config.window + 1 + rank)
            yield memory["bank"][rows, slot], poses[rows, slot], age, there[:, rank]

    def _pass(self, frame: Frame, heard: Heard, pose: Tensor) -> tuple[Readout, Memory]:
        """One pass of the trunk; also what it made for memory: keys and values (rows, 2, depth, heads, tokens, head),
        and the matrices after it."""
        x, shared = self.model.embed(frame)
        places = self.model.place_phases(pose)
        keys, values, matrices = [], [], []
        for depth, block in enumerate(self.model.blocks):
            past = Heard(heard.keys[:, depth], heard.values[:, depth], heard.blocked)

            def recalled(memory: MatrixMemory, x: Tensor, depth: int = depth) -> Tensor:
                written, kept = memory.write(x, places)
                matrices.append(kept[..., None, None] * heard.matrix[:, depth] + written)
                return memory.read(x, places, heard.matrix[:, depth])

            x, k, v = self.model.layer(block, x, shared, self.own, partial(_as_it_was, past), recalled)
            keys.append(k)
            values.append(v)
        made = {"ring": torch.stack([torch.stack(keys, 1), torch.stack(values, 1)], 1)}
        return self.model.read(x), made | ({"matrix": torch.stack(matrices, 1).float()} if matrices else {})

    def _commit(self, memory: Memory, kept: Tensor, places: Tensor, said: Readout, made: Memory) -> None:
        """Write what was drawn to every kind of memory."""
        memory.update(matrix=made.get("matrix", memory["matrix"]))
        if self.config.recall_place:
            remember(memory, places, kept, self.model.pictures.shows_place(kept), memory["step"])
        memory["shown"] = kept
        memory["moves"] = said.motion.argmax(-1).to(torch.int8)
        if self.config.bank:  # what falls out of the ring
            since = (memory["step"] - self.config.window) * memory["ring_full"][:, -1]
            store(memory, memory["ring"][:, -1], memory["ring_pose"][:, -1], since, self.model.offsets)
        if self.config.window:
            memory["ring"] = torch.cat([made["ring"][:, None].to(memory["ring"].dtype), memory["ring"][:, :-1]], 1)
            memory["ring_pose"] = torch.cat([memory["pose"][:, None], memory["ring_pose"][:, :-1]], 1)
            full = torch.ones_like(memory["ring_full"][:, :1])
            memory["ring_full"] = torch.cat([full, memory["ring_full"][:, :-1]], 1)


def _as_it_was(past: Heard, keys: Tensor, values: Tensor) -> Heard:
    """What a frame hears does not depend on what it says itself."""
    return past
