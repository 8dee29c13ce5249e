"""The transformer that streams a world: pictures, sound, words and actions of one time step are one block of tokens.

Every frame is predicted as clean data (x-prediction) from a noised copy of itself, what its place and its spot in the
picture held before, the ring of past frames, the action that led to it, and what was typed. Holds weights only: caches
are passed in and handed back. Knows nothing of sampling schedules, losses, or where the data comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from wmenv.models.block import Block, Heard, normed
from wmenv.models.config import StreamConfig
from wmenv.models.matrix import MatrixMemory
from wmenv.models.pictures import Pixels, Tiles, make_pictures
from wmenv.models.place import AGES
from wmenv.models.position import ViewerRotary, places_in_view, seen_from, view_offsets

Phases = tuple[Tensor, Tensor]


@dataclass
class Frame:
    """What one block of tokens is made from; all (rows, ...).

    `noised` is the picture in the model's own alphabet (see pictures.py), `place` and `spot` what memory holds for each
    patch, `age` its bucket, `level` (rows, levels) how far the picture is, `action` the one that led here (the count of
    actions stands for none), `sound` PCM in [-1, 1], `hears` whether it is given or to be predicted, and `met` (rows,
    palette) which tiles were ever seen.
    """

    noised: Tensor
    place: Tensor
    age: Tensor
    spot: Tensor
    level: Tensor
    action: Tensor
    sound: Tensor | None = None
    hears: Tensor | None = None
    met: Tensor | None = None


@dataclass
class Readout:
    """What the stream says of a frame. `motion` is (rows, actions, motions): where each next action would take the
    viewer."""

    pictures: Tensor
    reward: Tensor
    end: Tensor
    receipt: Tensor
    motion: Tensor
    sound: Tensor | None

    def put(self, rows: Tensor, other: Readout) -> None:
        """Let these rows say what `other` says."""
        for name, value in vars(other).items():
            if value is not None:
                getattr(self, name)[rows] = value


class Stream(nn.Module):
    """The weights. `embed` makes tokens, `layer` is applied block by block by the callers in streaming.py and
    sequence.py, `read` is the heads."""

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.config = config
        d = config.channels
        self.pictures: Tiles | Pixels = make_pictures(config)
        self.slots = nn.Parameter(torch.randn(config.tokens, d) * 0.02)
        self.age = nn.Embedding(len(AGES) + 2, d)
        self.action = nn.Embedding(config.actions + 1, d)
        self.level = nn.Linear(16 * self.pictures.levels, d)
        self.condition = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, 6 * d))
        self.blocks = nn.ModuleList(Block(d, config.heads, config.hidden, config.matrix) for _ in range(config.depth))
        self.word = nn.Embedding(max(len(config.words) + 2, 1), d)
        self.word_slots = nn.Parameter(torch.randn(config.slot, d) * 0.02)
        self.text_condition = nn.Parameter(torch.zeros(6 * d))
        self.sound_in = nn.Linear(config.samples, d) if config.samples else None
        self.sound_out = nn.Linear(d, config.samples) if config.samples else None
        self.reward = nn.Linear(d, config.reward_bins)
        self.flags = nn.Linear(d, 2)  # end, receipt
        self.motion = nn.Linear(d, config.actions * len(config.motions))
        self.scale = nn.Parameter(torch.ones(d))
        self.rotary = ViewerRotary(d // config.heads, max(config.grid))
        self.compass = ViewerRotary(config.matrix, max(config.grid)) if config.matrix else None
        self.register_buffer("offsets", view_offsets(*config.grid, config.anchor), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.5)
        nn.init.normal_(self.condition[-1].weight, std=0.1 * self.config.channels**-0.5)
        for block in self.blocks:
            if block.matrix is not None:
                block.matrix.start()
        for head in (self.reward, self.flags, self.motion, self.sound_out, self.pictures.head):
            if head is not None:  # a new model says nothing before it has learnt something
                nn.init.zeros_(head.weight)

    # --- tokens in ---

    def embed(self, frame: Frame) -> tuple[Tensor, Tensor]:
        """Tokens (rows, tokens, channels) of a frame and the modulation (rows, 6 * channels) its blocks share."""
        config = self.config
        x = self.pictures.embed(frame.noised)
        if config.recall_place:
            x = x + self.pictures.embed_place(frame.place) + self.age(frame.age)
        if config.recall_spot:
            x = x + self.pictures.embed_spot(frame.spot)
        action = self.action(frame.action)
        parts = [x, action[:, None]]
        if self.sound_in is not None:
            parts.append((self.sound_in(frame.sound) * frame.hears[:, None])[:, None])
        tokens = torch.cat([part.to(x.dtype) for part in parts], 1) + self.slots
        harmonics = torch.cos(torch.pi * frame.level[..., None] * torch.arange(16, device=x.device))
        return tokens, self.condition(action + self.level(harmonics.flatten(1).to(action.dtype)))

    def embed_text(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and modulation of (rows, slot) word numbers."""
        x = self.word(words) + self.word_slots
        return x, self.text_condition.expand(len(words), -1)

    # --- phases ---

    def token_offsets(self) -> Tensor:
        """(tokens, 2) where each token of a frame stands relative to the viewer; those without a place stand at it."""
        extra = self.offsets.new_zeros(self.config.tokens - self.config.patches, 2)
        return torch.cat([self.offsets, extra])

    def own_phases(self) -> tuple[Tensor, Tensor]:
        """Phases of a frame's own tokens."""
        return self.rotary(self.token_offsets(), 0.0)

    def past_phases(self, pose: Tensor, past: Tensor, age: Tensor | float) -> tuple[Tensor, Tensor]:
        """Phases, seen from `pose` (rows, 3), of the tokens of a frame that was seen from `past` (rows, 3)."""
        places = places_in_view(past, self.token_offsets())
        return self.rotary(seen_from(pose, places), age)

    def place_phases(self, pose: Tensor) -> Phases | None:
        """Phases (rows, 1, tokens, key / 2) of where in the world the tokens of a frame seen from `pose` stand; for
        the matrix memory."""
        if self.compass is None:
            return None
        cos, sin = self.compass(places_in_view(pose, self.token_offsets()), 0.0)
        return cos, sin

    # --- tokens through ---

    def layer(
        self,
        block: Block,
        x: Tensor,
        shared: Tensor,
        own: Phases | None,
        heard: Callable[[Tensor, Tensor], Heard | None],
        recalled: Callable[[MatrixMemory, Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One block over (rows, n, channels); `heard(keys, values)` may use this layer's own keys, and `recalled` is
        what its matrix memory answers to the tokens. Returns x, keys, values."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = block.modulate(shared)
        entered = block.enter(x, shift_a, scale_a)
        q, k, v = block.attention.project(entered)
        x = x + gate_a * block.attention.attend(q, k, v, own, heard(k, v))
        if block.matrix is not None and recalled is not None:
            x = x + recalled(block.matrix, entered)
        x = x + gate_m * block.mlp(block.enter(x, shift_m, scale_m))
        return x, k, v

    def read_text(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (rows, depth, heads, slot, head) of typed text: computed once, heard by every later frame."""
        x, shared = self.embed_text(words)
        keys, values = [], []
        for block in self.blocks:
            x, k, v = self.layer(block, x, shared, None, lambda k, v: None)
            keys.append(k)
            values.append(v)
        return torch.stack(keys, 1), torch.stack(values, 1)

    # --- tokens out ---

    def read(self, x: Tensor, frame: Frame) -> Readout:
        """Every head, from the trunk's last (rows, tokens, channels) of a frame."""
        config = self.config
        x = normed(x, self.scale)
        q = x[:, config.patches]
        end, receipt = self.flags(q).unbind(-1)
        motion = rearrange(self.motion(q), "r (a m) -> r a m", a=config.actions)
        sound = self.sound_out(x[:, config.patches + 1]) if self.sound_out is not None else None
        pictures = self.pictures.predict(x[:, : config.patches])
        if config.recall_met:
            met = self.pictures.met_by_now(frame.met, frame.noised)
            pictures = pictures + self.pictures.again * (met[:, None] & (frame.age == 0)[..., None])
        return Readout(pictures, self.reward(q), end, receipt, motion, sound)
