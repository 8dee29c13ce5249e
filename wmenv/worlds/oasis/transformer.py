"""Oasis' transformer: predicts the velocity of one noisy frame of latents, given the frames before it.

Blocks alternate attention within a frame and, causally, across frames. Because a frame only looks back, what the
context says to later frames (`Memory`) can be computed once and reused in every denoising step of the frame after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.worlds.oasis.config import TransformerConfig
from wmenv.worlds.oasis.rotary import grid_angles, pixel_frequencies, rotate, time_angles, time_frequencies

LEVEL_FEATURES = 256
LEVEL_PERIOD = 10_000
GRID_TOP = 256
NORM_EPS = 1e-6

Memory = Sequence[tuple[Tensor, Tensor]]  # per block: keys and values (rows * places, heads, window, head width)


def level_features(levels: Tensor) -> Tensor:
    """Sinusoids of (rows, frames) noise levels."""
    half = LEVEL_FEATURES // 2
    falling = torch.exp(torch.arange(half, device=levels.device) * (-math.log(LEVEL_PERIOD) / half))
    angles = levels[..., None].float() * falling
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """`x` (rows, frames, places, hidden) normed, then scaled and shifted per frame."""
    normed = F.layer_norm(x, x.shape[-1:], eps=NORM_EPS)
    return torch.addcmul(shift[:, :, None], normed, 1 + scale[:, :, None])


class Attention(nn.Module):
    """Projections around an attention; subclasses say who looks at whom."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden, bias=False)
        self.out = nn.Linear(config.hidden, config.hidden)


class SpaceAttention(Attention):
    """Every place of a frame looks at every place of the same frame."""

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        rows = len(x)
        query, key, value = rearrange(self.qkv(x), "b t p (n h d) -> n (b t) h p d", n=3, h=self.heads)
        seen = F.scaled_dot_product_attention(rotate(query, angles), rotate(key, angles), value)
        return self.out(rearrange(seen, "(b t) h p d -> b t p (h d)", b=rows))


class TimeAttention(Attention):
    """Every place looks at itself in its own and earlier frames, which `memory` remembers."""

    def forward(self, x: Tensor, angles: Tensor, memory: tuple[Tensor, Tensor], begin: int) -> Tensor:
        rows, frames = x.shape[:2]
        query, key, value = rearrange(self.qkv(x), "b t p (n h d) -> n (b p) h t d", n=3, h=self.heads)
        keys, values = (kept[:, :, : begin + frames] for kept in memory)
        keys[:, :, begin:] = rotate(key, angles)
        values[:, :, begin:] = value
        causal = frames > 1  # one frame may look at all that is remembered
        seen = F.scaled_dot_product_attention(rotate(query, angles), keys, values, is_causal=causal)
        return self.out(rearrange(seen, "(b p) h t d -> b t p (h d)", b=rows))


class Half(nn.Module):
    """Attention of one kind and a feed-forward, both under the frame's condition."""

    def __init__(self, attention: Attention, config: TransformerConfig) -> None:
        super().__init__()
        wide = int(config.hidden * config.mlp_ratio)
        self.attention = attention
        self.mlp = nn.Sequential(
            nn.Linear(config.hidden, wide), nn.GELU(approximate="tanh"), nn.Linear(wide, config.hidden)
        )
        self.modulation = nn.Linear(config.hidden, 6 * config.hidden)

    def forward(self, x: Tensor, condition: Tensor, *looking: object) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(condition).chunk(6, dim=-1)
        x = torch.addcmul(x, gate[:, :, None], self.attention(modulate(x, shift, scale), *looking))
        return torch.addcmul(x, mlp_gate[:, :, None], self.mlp(modulate(x, mlp_shift, mlp_scale)))


class Block(nn.Module):
    """Within frames, then across them."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.space = Half(SpaceAttention(config), config)
        self.time = Half(TimeAttention(config), config)

    def forward(
        self, x: Tensor, condition: Tensor, places: Tensor, times: Tensor, memory: tuple[Tensor, Tensor], begin: int
    ) -> Tensor:
        return self.time(self.space(x, condition, places), condition, times, memory, begin)


class Transformer(nn.Module):
    """Latents are (rows, frames, channels, height, width); levels (rows, frames); actions (rows, frames, fields)."""

    space_frequencies: Tensor
    time_frequencies: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_in = nn.Conv2d(config.channels, config.hidden, config.patch, config.patch)
        self.level_in = nn.Sequential(
            nn.Linear(LEVEL_FEATURES, config.hidden), nn.SiLU(), nn.Linear(config.hidden, config.hidden)
        )
        self.action_in = nn.Linear(config.action_fields, config.hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.modulation_out = nn.Linear(config.hidden, 2 * config.hidden)
        self.patch_out = nn.Linear(config.hidden, config.patch**2 * config.channels)
        for name, frequencies in self.untrained_frequencies().items():
            self.register_buffer(name, frequencies)

    def untrained_frequencies(self) -> dict[str, Tensor]:
        """The rotary frequencies by formula, for a file that keeps none."""
        return {
            "space_frequencies": pixel_frequencies(self.config.head_width // 4, GRID_TOP),
            "time_frequencies": time_frequencies(self.config.head_width),
        }

    def blank_memory(self, rows: int) -> Memory:
        """Room for a window of frames; slots are written before they are read."""
        config, like = self.config, self.patch_in.weight
        shape = (rows * config.places, config.heads, config.window, config.head_width)
        return [(like.new_empty(shape), like.new_empty(shape)) for _ in self.blocks]

    @torch.inference_mode()
    def forward(self, latents: Tensor, levels: Tensor, actions: Tensor, memory: Memory, begin: int = 0) -> Tensor:
        """The velocity of each frame; the frames are numbers `begin`, `begin` + 1, ... of the window."""
        x, condition = self.remember(latents, levels, actions, memory, begin)
        shift, scale = self.modulation_out(F.silu(condition)).chunk(2, dim=-1)
        patches = self.patch_out(modulate(x, shift, scale))
        rows = self.config.height // self.config.patch
        size = self.config.patch
        unfolded = rearrange(patches, "b t (h w) (p q c) -> b t c (h p) (w q)", h=rows, p=size, q=size)
        return unfolded.to(latents.dtype)

    @torch.inference_mode()
    def remember(
        self, latents: Tensor, levels: Tensor, actions: Tensor, memory: Memory, begin: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Write what these frames say to later ones into `memory`; their tokens and conditions."""
        frames = latents.shape[1]
        assert frames == 1 or begin == 0, f"{frames} frames at once are a context, and begin at 0, not at {begin}"
        x, condition = self.embed(latents, levels, actions)
        looking = F.silu(condition)
        places = grid_angles(self.space_frequencies, *(side // self.config.patch for side in latents.shape[-2:]))
        times = time_angles(self.time_frequencies, begin, begin + frames)
        for block, kept in zip(self.blocks, memory, strict=True):
            x = block(x, looking, places, times, kept, begin)
        return x, condition

    def embed(self, latents: Tensor, levels: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (rows, frames, places, hidden) and the condition of each frame (rows, frames, hidden)."""
        dtype = self.patch_in.weight.dtype
        patches = self.patch_in(latents.flatten(0, 1).to(dtype))
        tokens = rearrange(patches, "(b t) d h w -> b t (h w) d", b=len(latents))
        return tokens, self.level_in(level_features(levels).to(dtype)) + self.action_in(actions.to(dtype))
