"""Oasis' autoencoder: pictures to latents and back, one latent per patch of 20 by 20 pixels.

Two vision transformers around a narrow layer. Pictures are float in [-1, 1], (n, 3, height, width).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.worlds.oasis.config import AutoencoderConfig, VitConfig
from wmenv.worlds.oasis.rotary import grid_angles, pixel_frequencies, rotate

NORM_EPS = 1e-6
COLOURS = 3


class VitBlock(nn.Module):
    """Attention over all patches, then a feed-forward."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        wide = 4 * config.hidden
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.hidden, eps=NORM_EPS)
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden)
        self.out = nn.Linear(config.hidden, config.hidden)
        self.mlp_norm = nn.LayerNorm(config.hidden, eps=NORM_EPS)
        self.mlp = nn.Sequential(nn.Linear(config.hidden, wide), nn.GELU(), nn.Linear(wide, config.hidden))

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        query, key, value = rearrange(self.qkv(self.norm(x)), "b p (n h d) -> n b h p d", n=3, h=self.heads)
        seen = F.scaled_dot_product_attention(rotate(query, angles), rotate(key, angles), value)
        x = x + self.out(rearrange(seen, "b h p d -> b p (h d)"))
        return x + self.mlp(self.mlp_norm(x))


class Vit(nn.Module):
    """Blocks over a grid of patches, and a norm."""

    def __init__(self, config: VitConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(VitBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.hidden, eps=NORM_EPS)
        self.pairs = config.hidden // config.heads // 8  # a quarter of the pairs turns for each axis
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        angles = self.angles().to(x.device)
        for block in self.blocks:
            x = block(x, angles)
        return self.norm(x)

    def angles(self) -> Tensor:
        """How far each patch's features are turned."""
        return grid_angles(pixel_frequencies(self.pairs, top=math.prod(self.grid)), *self.grid)


class Autoencoder(nn.Module):
    """Encoder, bottleneck and decoder. Latents are (n, channels, grid height, grid width)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_in = nn.Conv2d(COLOURS, config.encoder.hidden, config.patch, config.patch)
        self.encoder = Vit(config.encoder, config.grid)
        self.narrow = nn.Linear(config.encoder.hidden, 2 * config.latent)  # mean and log variance
        self.widen = nn.Linear(config.latent, config.decoder.hidden)
        self.decoder = Vit(config.decoder, config.grid)
        self.patch_out = nn.Linear(config.decoder.hidden, COLOURS * config.patch**2)

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """The mean latents of pictures."""
        tokens = rearrange(self.patch_in(pictures.to(self.narrow.weight.dtype)), "b d h w -> b (h w) d")
        mean, _ = self.narrow(self.encoder(tokens)).chunk(2, dim=-1)
        return rearrange(mean, "b (h w) c -> b c h w", h=self.config.grid[0]).to(pictures.dtype)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """The pictures of latents."""
        tokens = rearrange(latents.to(self.narrow.weight.dtype), "b c h w -> b (h w) c")
        patches = self.patch_out(self.decoder(self.widen(tokens)))
        height, size = self.config.grid[0], self.config.patch
        pictures = rearrange(patches, "b (h w) (c p q) -> b c (h p) (w q)", h=height, p=size, q=size)
        return pictures.to(latents.dtype)
