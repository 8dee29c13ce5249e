"""The stream one step at a time: memory in, a frame out, in as many passes as asked.

A step moves the viewer by the motion the model itself predicted for the action, recalls what it knows of the places
in view, draws the frame in K passes, and commits it: the last pass, over the finished draft, also writes the ring and
says what the frame means. Everything that changes is in the tensors it is given; it keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wmenv.models.block import Heard
from wmenv.models.config import StreamConfig
from wmenv.models.hearing import Memory, hear, leave, nothing_heard
from wmenv.models.look import Look
from wmenv.models.matrix import MatrixMemory
from wmenv.models.place import empty_places, recall, remember
from wmenv.models.position import moved, places_in_view
from wmenv.models.stream import Frame, Readout, Stream

MEMORIES = {  # what a stream is allowed to use of what it keeps; less than all is for comparison
    "all": frozenset({"places", "window", "bank", "matrix"}),
    "places": frozenset({"places"}),
    "bank": frozenset({"window", "bank"}),
    "matrix": frozenset({"window", "matrix"}),
    "window": frozenset({"window"}),
    "none": frozenset(),
}


def kinds_of(config: StreamConfig) -> frozenset[str]:
    """The kinds of memory that a model has."""
    has = {"places": config.recall_place, "bank": config.bank, "matrix": config.matrix}
    return frozenset(name for name, size in has.items() if size) | {"window"}


@dataclass
class Drawn:
    """What a step shows: the picture as it is kept, pose, the readout of the look that committed it, and the looks it
    took."""

    shown: Tensor
    pose: Tensor
    said: Readout
    looks: Tensor


@dataclass
class Scene:
    """What a look goes by beside the canvas: what each place in view last showed and how long ago, what was ever met,
    what each spot of the picture showed a step ago, the action, the pose, and what is heard."""

    place: Tensor
    age: Tensor
    met: Tensor
    spot: Tensor
    action: Tensor
    pose: Tensor
    heard: Heard

    def of(self, rows: Tensor) -> Scene:
        """That of some of the rows."""
        some = {name: value[rows] for name, value in vars(self).items() if name != "heard"}
        return Scene(**some, heard=self.heard.of(rows))


class Streamer:
    """A model with the constants of its stepping; holds no state between calls. `memory` is one of `MEMORIES`,
    `strength` how strongly pixels follow what was asked."""

    def __init__(self, model: Stream, memory: str = "all", strength: float = 1.0) -> None:
        self.model, self.strength = model, strength
        self.uses = MEMORIES[memory]
        self.config = model.config
        self.own = model.own_phases()
        self.motions = torch.tensor(model.config.motions, device=model.offsets.device)

    def empty(self, seeds: Tensor, instruction: Tensor) -> Memory:
        """The memory of rows that have seen nothing: `instruction` (rows, slot) is what they were told."""
        rows, config, pictures, device = len(seeds), self.config, self.model.pictures, seeds.device
        cell, kept, never = pictures.cell, pictures.dtype, pictures.never
        return {
            "seed": seeds.clone(),
            "step": torch.zeros_like(seeds),
            "pose": torch.zeros(rows, 3, device=device),
            "shown": torch.full((rows, config.patches, *cell), never, dtype=kept, device=device),
            "met": torch.zeros(rows, config.palette * config.recall_met, dtype=torch.bool, device=device),
            "moves": torch.zeros(rows, config.actions, dtype=torch.int8, device=device),
            **nothing_heard(self.model, seeds, instruction),
            **empty_places(rows, config.places * config.recall_place, cell, kept, never, device),
        }

    def rehearse(self, rows: int) -> None:
        """One look of so many rows at nothing, to be compiled or timed."""
        seeds = torch.arange(rows, device=self.motions.device)
        memory = self.empty(seeds, seeds.new_zeros(rows, self.config.slot))
        self.begin(memory, passes=1)

    # --- steps ---

    def step(self, memory: Memory, action: Tensor, words: Tensor | None = None, passes: int = 2) -> Drawn:
        """One step of every row; updates `memory` in place. `words` (rows, slot) are typed directions, zeros for
        none."""
        motion = memory["moves"].gather(1, action[:, None]).squeeze(1).long()
        memory["pose"] = moved(memory["pose"], self.motions[motion])
        return self._draw(memory, action, words, passes)

    def witness(self, memory: Memory, action: Tensor, words: Tensor | None, canvas: Tensor, pose: Tensor) -> Drawn:
        """Take in a true frame, seen from a true pose, instead of drawing one; the readout says what the model makes
        of it."""
        memory["pose"] = pose.clone()
        return self._take_in(memory, action, words, canvas)

    def begin(self, memory: Memory, given: Tensor | None = None, passes: int = 16) -> Drawn:
        """The first frame: dreamt from the seed and the instruction, or read from a `given` canvas.

        A dream has nothing to go by, so it is drawn slowly, in many passes, and patiently.
        """
        action = torch.full_like(memory["seed"], self.config.actions)
        if given is not None:
            return self._take_in(memory, action, None, given)
        return self._draw(memory, action, None, passes, patient=True)

    def _take_in(self, memory: Memory, action: Tensor, words: Tensor | None, canvas: Tensor) -> Drawn:
        scene = self._scene(memory, action, words)
        seen = Look(memory["seed"], memory["step"], number=1, passes=1)  # after the last
        said, made = self._pass(self._frame(canvas, scene, seen), scene.heard, scene.pose)
        return self._commit(memory, canvas, said, made, torch.ones_like(memory["seed"]))

    def _draw(self, memory: Memory, action: Tensor, words: Tensor | None, passes: int, patient: bool = False) -> Drawn:
        scene, pictures = self._scene(memory, action, words), self.model.pictures
        look = Look(memory["seed"], memory["step"], 0, passes, patient, self.strength)
        canvas = pictures.blank(look.seed, look.step)
        said, made, canvas, open_ = self._look(canvas, scene, look)
        looks = torch.ones_like(memory["seed"])
        for _ in range(1, pictures.most_looks(passes, patient)):
            rows, look = open_.nonzero().squeeze(-1), look.following()
            if not len(rows):  # what the first look was sure of needs no second
                break
            again, anew, canvas[rows], open_[rows] = self._look(canvas[rows], scene.of(rows), look.of(rows))
            said.put(rows, again)
            for name, value in anew.items():
                made[name][rows] = value
            looks[rows] += 1
        return self._commit(memory, canvas, said, made, looks)

    def _look(self, canvas: Tensor, scene: Scene, look: Look) -> tuple[Readout, Memory, Tensor, Tensor]:
        """What one look says and makes for memory, the canvas it leaves, and which rows want another."""
        said, made = self._pass(self._frame(canvas, scene, look), scene.heard, scene.pose)
        return said, made, *self.model.pictures.settle(canvas, said.pictures, scene.age > 0, look)

    def _scene(self, memory: Memory, action: Tensor, words: Tensor | None) -> Scene:
        """What the next frame is drawn by; a step begins with it."""
        memory["step"] += 1
        never, shown, pose = self.model.pictures.never, memory["shown"], memory["pose"]
        lasting = "places" in self.uses
        if lasting and self.config.recall_place:
            places = places_in_view(pose, self.model.offsets)
            place, age = recall(memory, places, memory["step"], never)
        else:
            place = torch.full_like(shown, never)
            age = torch.zeros(shown.shape[:2], dtype=torch.int64, device=shown.device)
        met = memory["met"] if lasting else torch.zeros_like(memory["met"])
        spot = shown if "window" in self.uses else torch.full_like(shown, never)
        return Scene(place, age, met, spot, action, pose, hear(self.model, memory, words, self.uses))

    def _frame(self, canvas: Tensor, scene: Scene, look: Look) -> Frame:
        rows, samples = len(canvas), self.config.samples
        silence = self.model.slots.new_zeros(rows, samples) if samples else None
        deaf = self.model.slots.new_zeros(rows) if samples else None
        level = self.model.pictures.level(canvas, look)
        return Frame(canvas, scene.place, scene.age, scene.spot, level, scene.action, silence, deaf, scene.met)

    def _pass(self, frame: Frame, heard: Heard, pose: Tensor) -> tuple[Readout, Memory]:
        """One pass of the trunk; also what it made for memory: keys and values (rows, 2, depth, heads, tokens, head),
        and the matrices after it."""
        x, shared = self.model.embed(frame)
        keys, values = [], []
        matrices: list[Tensor] = []
        for depth, block in enumerate(self.model.blocks):
            past = partial(_as_it_was, Heard(heard.keys[:, depth], heard.values[:, depth], heard.blocked))
            recalled = self._recalling(heard, pose, depth, matrices) if self.config.matrix else None
            x, k, v = self.model.layer(block, x, shared, self.own, past, recalled)
            keys.append(k)
            values.append(v)
        made = {"ring": torch.stack([torch.stack(keys, 1), torch.stack(values, 1)], 1)}
        return self.model.read(x, frame), made | ({"matrix": torch.stack(matrices, 1)} if matrices else {})

    def _recalling(
        self, heard: Heard, pose: Tensor, depth: int, matrices: list[Tensor]
    ) -> Callable[[MatrixMemory, Tensor], Tensor]:
        """Reading a block's matrix memory; what it is after the frame is appended to `matrices`."""
        places, before = self.model.place_phases(pose), heard.matrix[:, depth]

        def recalled(memory: MatrixMemory, x: Tensor) -> Tensor:
            written, kept = memory.write(x, places)
            matrices.append((kept[..., None, None] * before + written).float())
            return memory.read(x, places, before)

        return recalled

    def _commit(self, memory: Memory, canvas: Tensor, said: Readout, made: Memory, looks: Tensor) -> Drawn:
        """Write what was drawn to every kind of memory."""
        pictures = self.model.pictures
        kept = memory["shown"] = pictures.keep(canvas)
        memory["moves"] = said.motion.argmax(-1).to(torch.int8)
        shows = pictures.shows_place(kept)
        if self.config.recall_place:
            places = places_in_view(memory["pose"], self.model.offsets)
            remember(memory, places, kept, shows, memory["step"])
        if self.config.recall_met:
            met, tiles = memory["met"], kept.long()
            memory["met"] = met.scatter(1, tiles, met.gather(1, tiles) | shows)
        leave(self.model, memory, made)
        return Drawn(kept, memory["pose"], said, looks)


def _as_it_was(past: Heard, keys: Tensor, values: Tensor) -> Heard:
    """What a frame hears does not depend on what it says itself."""
    return past
