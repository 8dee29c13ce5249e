"""The loops that DIAMOND and Oasis were published with, written out plainly, for `peers.py` to compare with.

They do what the publications do, in that order and no faster: every denoising step starts from the frames, and the
tensors keep their default layout. Parameters carry the names of the released files, so that the weights made here go
through the loaders of wmenv.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.worlds.diamond.config import DiamondConfig, StackConfig
from wmenv.worlds.diamond.sampler import SamplerConfig as DiamondSampling
from wmenv.worlds.oasis.config import AutoencoderConfig, OasisConfig, TransformerConfig, VitConfig
from wmenv.worlds.oasis.sampler import SamplerConfig as OasisSampling
from wmenv.worlds.oasis.sampler import signal_shares

# --- DIAMOND ------------------------------------------------------------------------------------------------------


class Wrapped(nn.Module):
    """A layer under the name that the released files give it."""

    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layer)
        self.inner = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self, self.inner)(x)


def conv(channels_in: int, channels_out: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, size, stride, size // 2)


def groups(channels: int) -> int:
    return max(1, channels // 32)


class AdaptiveNorm(nn.Module):
    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.linear(condition)[:, :, None, None].chunk(2, dim=1)
        return F.group_norm(x, groups(x.shape[1])) * (1 + scale) + shift


class PixelAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Wrapped("norm", nn.GroupNorm(groups(channels), channels))
        self.qkv_proj, self.out_proj = conv(channels, 3 * channels, 1), conv(channels, channels, 1)
        self.heads = max(1, channels // 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        query, key, value = rearrange(self.qkv_proj(x), "b (n h d) y x -> n b h (y x) d", n=3, h=self.heads)
        weights = F.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), dim=-1)
        return x + self.out_proj(rearrange(weights @ value, "b h (y x) d -> b (h d) y x", y=x.shape[-2]))


class ResBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, condition: int, attends: bool) -> None:
        super().__init__()
        self.proj = conv(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        self.norm1, self.conv1 = AdaptiveNorm(channels_in, condition), conv(channels_in, channels_out)
        self.norm2, self.conv2 = AdaptiveNorm(channels_out, condition), conv(channels_out, channels_out)
        self.attn = PixelAttention(channels_out) if attends else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x, condition)))
        y = self.conv2(F.silu(self.norm2(y, condition)))
        return self.attn(self.proj(x) + y)


def res_blocks(widths: list[tuple[int, int]], condition: int, attends: bool) -> Wrapped:
    return Wrapped("resblocks", nn.ModuleList(ResBlock(*pair, condition, attends) for pair in widths))


def shrinking(stack: StackConfig) -> tuple[list[nn.Module], list[Wrapped]]:
    before = [stack.channels[0], *stack.channels[:-1]]
    downs: list[nn.Module] = [nn.Identity(), *(Wrapped("conv", conv(width, width, stride=2)) for width in before[1:])]
    blocks = [
        res_blocks([(narrow, wide)] + [(wide, wide)] * (depth - 1), stack.condition, attends)
        for narrow, wide, depth, attends in zip(before, stack.channels, stack.depths, stack.attends, strict=True)
    ]
    return downs, blocks


def middle(stack: StackConfig) -> Wrapped:
    return res_blocks([(stack.channels[-1],) * 2] * 2, stack.condition, attends=True)


class UNet(nn.Module):
    def __init__(self, stack: StackConfig) -> None:
        super().__init__()
        downs, blocks = shrinking(stack)
        self.downsamples, self.d_blocks, self.mid_blocks = nn.ModuleList(downs), nn.ModuleList(blocks), middle(stack)
        ups, blocks = [], []
        for level in reversed(range(len(stack.channels))):
            wide, narrow = stack.channels[level], stack.channels[max(0, level - 1)]
            last = level == len(stack.channels) - 1
            ups.append(nn.Identity() if last else Wrapped("conv", conv(wide, wide)))
            widths = [(2 * wide, wide)] * stack.depths[level] + [(wide + narrow, narrow)]
            blocks.append(res_blocks(widths, stack.condition, stack.attends[level]))
        self.upsamples, self.u_blocks = nn.ModuleList(ups), nn.ModuleList(blocks)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        skips = []
        for down, blocks in zip(self.downsamples, self.d_blocks, strict=True):
            x = down(x)
            skips.append(x)
            for block in blocks.resblocks:
                x = block(x, condition)
                skips.append(x)
        for block in self.mid_blocks.resblocks:
            x = block(x, condition)
        for up, blocks in zip(self.upsamples, self.u_blocks, strict=True):
            x = x if isinstance(up, nn.Identity) else up(F.interpolate(x, scale_factor=2.0))
            for block in blocks.resblocks:
                x = block(torch.cat((x, skips.pop()), dim=1), condition)
        return x


class InnerModel(nn.Module):
    def __init__(self, config: DiamondConfig) -> None:
        super().__init__()
        stack = config.denoiser
        width, first = stack.condition, stack.channels[0]
        self.noise_emb = nn.Embedding(1, width // 2)
        self.act_emb = nn.Sequential(nn.Embedding(config.actions, width // config.history), nn.Flatten())
        self.cond_proj = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.conv_in = conv(3 * (config.history + 1), first)
        self.unet = UNet(stack)
        self.norm_out = Wrapped("norm", nn.GroupNorm(groups(first), first))
        self.conv_out = conv(first, 3)

    def forward(self, noisy: Tensor, told: Tensor, frames: Tensor, actions: Tensor) -> Tensor:
        angles = 2 * math.pi * told[:, None] @ self.noise_emb.weight
        noise = torch.cat((angles.cos(), angles.sin()), dim=-1)
        condition = self.cond_proj(noise + self.act_emb(actions))
        x = self.unet(self.conv_in(torch.cat((frames, noisy), dim=1)), condition)
        return self.conv_out(F.silu(self.norm_out(x)))


class RewEndModel(nn.Module):
    def __init__(self, config: DiamondConfig) -> None:
        super().__init__()
        stack = config.reward_end
        downs, blocks = shrinking(stack)
        self.encoder = nn.ModuleDict(
            {
                "conv_in": conv(6, stack.channels[0]),
                "blocks": nn.ModuleList([*blocks, middle(stack)]),
                "downsamples": nn.ModuleList([*downs, nn.Identity()]),
            }
        )
        self.act_emb = nn.Embedding(config.actions, stack.condition)
        features = stack.channels[-1] * (config.image_size // stack.shrink) ** 2
        self.lstm = nn.LSTM(features, config.memory, batch_first=True)
        width = config.memory
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 5, bias=False))

    def forward(self, before: Tensor, action: Tensor, after: Tensor, memory: tuple) -> tuple[Tensor, tuple]:
        x, condition = self.encoder["conv_in"](torch.cat((before, after), dim=1)), self.act_emb(action)
        for down, blocks in zip(self.encoder["downsamples"], self.encoder["blocks"], strict=True):
            x = down(x)
            for block in blocks.resblocks:
                x = block(x, condition)
        x, memory = self.lstm(x.flatten(1)[:, None], memory)
        return self.head(x)[:, 0], memory


class PublishedDiamond(nn.Module):
    """An agent's world model, and one step of the environment that it was trained in."""

    def __init__(self, config: DiamondConfig) -> None:
        super().__init__()
        self.config, self.sampling = config, DiamondSampling()
        self.denoiser = nn.ModuleDict({"inner_model": InnerModel(config)})
        self.rew_end_model = RewEndModel(config)

    def denoise(self, x: Tensor, sigma: Tensor, frames: Tensor, actions: Tensor) -> Tensor:
        spread, sigma = self.config.sigma_data, (sigma**2 + self.config.sigma_offset**2).sqrt()
        c_in, c_skip = 1 / (sigma**2 + spread**2).sqrt(), spread**2 / (sigma**2 + spread**2)
        output = self.denoiser["inner_model"](x * c_in, (sigma.log() / 4)[None], frames / spread, actions)
        clean = c_skip * x + sigma * c_skip.sqrt() * output
        return clean.clamp(-1, 1).add(1).div(2).mul(255).byte().div(255).mul(2).sub(1)

    @torch.no_grad()
    def step(self, frames: Tensor, actions: Tensor, memory: tuple, noise: Tensor | None = None) -> tuple:
        """The next frame, the logits of reward and end, and the buffers as they are then."""
        past = frames.flatten(1, 2)
        x = torch.randn(len(frames), 3, *frames.shape[-2:]) if noise is None else noise
        sigmas = torch.tensor(self.sampling.sigmas)
        for sigma, below in pairwise(sigmas):
            clean = self.denoise(x, sigma, past, actions)
            x = x + (x - clean) / sigma * (below - sigma)
        logits, memory = self.rew_end_model(frames[:, -1], actions[:, -1], x, memory)
        frames, actions = frames.roll(-1, dims=1), actions.roll(-1, dims=1)
        frames[:, -1] = x
        return x, logits, frames, actions, memory


# --- Oasis --------------------------------------------------------------------------------------------------------


def feed_forward(width: int, wide: int, activation: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict({"fc1": nn.Linear(width, wide), "act": activation, "fc2": nn.Linear(wide, width)})


def fed_forward(mlp: nn.ModuleDict, x: Tensor) -> Tensor:
    return mlp["fc2"](mlp["act"](mlp["fc1"](x)))


def turned(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions, with `angles` held twice, once for each feature of a pair."""
    turning, rest = x[..., : angles.shape[-1]], x[..., angles.shape[-1] :]
    left, right = turning[..., 0::2], turning[..., 1::2]
    half = torch.stack((-right, left), dim=-1).flatten(-2)
    return torch.cat((turning * angles.cos() + half * angles.sin(), rest), dim=-1)


def picture_angles(count: int, top: float, height: int, width: int) -> Tensor:
    frequencies = (torch.linspace(1.0, top / 2, count) * math.pi).repeat_interleave(2)
    down, across = (torch.linspace(-1, 1, side)[:, None] * frequencies for side in (height, width))
    return torch.cat(torch.broadcast_tensors(down[:, None], across[None]), dim=-1).flatten(0, 1)


class FrameAttention(nn.Module):
    def __init__(self, config: TransformerConfig, across_time: bool) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(config.hidden, 3 * config.hidden, bias=False)
        self.to_out = nn.Linear(config.hidden, config.hidden)
        self.heads, self.across_time = config.heads, across_time

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        order = "n (b p) h t d" if self.across_time else "n (b t) h p d"
        query, key, value = rearrange(self.to_qkv(x), f"b t p (n h d) -> {order}", n=3, h=self.heads)
        query, key = turned(query, angles), turned(key, angles)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=self.across_time)
        return self.to_out(rearrange(seen, f"{order[2:]} -> b t p (h d)", b=len(x)))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class DitBlock(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.hidden
        for kind in "st":
            self.add_module(f"{kind}_attn", FrameAttention(config, across_time=kind == "t"))
            self.add_module(f"{kind}_mlp", feed_forward(width, int(width * config.mlp_ratio), nn.GELU("tanh")))
            self.add_module(f"{kind}_adaLN_modulation", nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width)))

    def forward(self, x: Tensor, condition: Tensor, angles: dict[str, Tensor]) -> Tensor:
        for kind in "st":
            modulation = getattr(self, f"{kind}_adaLN_modulation")(condition)[:, :, None]
            shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.chunk(6, dim=-1)
            x = x + gate * getattr(self, f"{kind}_attn")(modulated(x, shift, scale), angles[kind])
            x = x + mlp_gate * fed_forward(getattr(self, f"{kind}_mlp"), modulated(x, mlp_shift, mlp_scale))
        return x


class PublishedDit(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config, width = config, config.hidden
        self.x_embedder = Wrapped("proj", nn.Conv2d(config.channels, width, config.patch, config.patch))
        self.t_embedder = Wrapped("mlp", nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width)))
        self.external_cond = nn.Linear(config.action_fields, width)
        self.blocks = nn.ModuleList(DitBlock(config) for _ in range(config.depth))
        self.final_layer = nn.ModuleDict(
            {
                "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width)),
                "linear": nn.Linear(width, config.patch**2 * config.channels),
            }
        )

    def forward(self, x: Tensor, levels: Tensor, actions: Tensor) -> Tensor:
        config, rows, frames = self.config, *x.shape[:2]
        falling = torch.exp(torch.arange(128) * (-math.log(10_000) / 128))
        phases = levels[..., None] * falling
        condition = self.t_embedder(torch.cat((phases.cos(), phases.sin()), dim=-1)) + self.external_cond(actions)
        tokens = rearrange(self.x_embedder(x.flatten(0, 1)), "(b t) d h w -> b t (h w) d", b=rows)
        steps = 10_000 ** -(torch.arange(0, config.head_width, 2) / config.head_width)
        grid = config.height // config.patch, config.width // config.patch
        angles = {
            "s": picture_angles(config.head_width // 4, 256, *grid),
            "t": (torch.arange(frames)[:, None] * steps).repeat_interleave(2, dim=-1),
        }
        for block in self.blocks:
            tokens = block(tokens, condition, angles)
        shift, scale = self.final_layer["adaLN_modulation"](condition)[:, :, None].chunk(2, dim=-1)
        patches = self.final_layer["linear"](modulated(tokens, shift, scale))
        return rearrange(patches, "b t (h w) (p q c) -> b t c (h p) (w q)", h=grid[0], p=config.patch, q=config.patch)


class VitBlock(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.hidden
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp, self.heads = feed_forward(width, 4 * width, nn.GELU()), config.heads

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        qkv = self.attn["qkv"](self.norm1(x))
        query, key, value = rearrange(qkv, "b p (n h d) -> n b h p d", n=3, h=self.heads)
        seen = F.scaled_dot_product_attention(turned(query, angles), turned(key, angles), value)
        x = x + self.attn["proj"](rearrange(seen, "b h p d -> b p (h d)"))
        return x + fed_forward(self.mlp, self.norm2(x))


class PublishedVae(nn.Module):
    """Only its decoder runs here; the encoder is there because the file has one."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config, encoder, decoder = config, config.encoder, config.decoder
        self.patch_embed = Wrapped("proj", nn.Conv2d(3, encoder.hidden, config.patch, config.patch))
        self.encoder = nn.ModuleList(VitBlock(encoder) for _ in range(encoder.depth))
        self.decoder = nn.ModuleList(VitBlock(decoder) for _ in range(decoder.depth))
        self.enc_norm, self.dec_norm = (nn.LayerNorm(vit.hidden, eps=1e-6) for vit in (encoder, decoder))
        self.quant_conv = nn.Linear(encoder.hidden, 2 * config.latent)
        self.post_quant_conv = nn.Linear(config.latent, decoder.hidden)
        self.predictor = nn.Linear(decoder.hidden, 3 * config.patch**2)

    def decode(self, latents: Tensor) -> Tensor:
        config, decoder = self.config, self.config.decoder
        angles = picture_angles(decoder.hidden // decoder.heads // 8, math.prod(config.grid), *config.grid)
        x = self.post_quant_conv(rearrange(latents, "b c h w -> b (h w) c"))
        for block in self.decoder:
            x = block(x, angles)
        patches = self.predictor(self.dec_norm(x))
        size = config.patch
        return rearrange(patches, "b (h w) (c p q) -> b c (h p) (w q)", h=config.grid[0], p=size, q=size)


class PublishedOasis:
    """Both models, and the program's loop for one more frame."""

    def __init__(self, config: OasisConfig) -> None:
        self.dit, self.vae = PublishedDit(config.transformer), PublishedVae(config.autoencoder)
        self.sampling, self.shares = OasisSampling(), signal_shares()

    @torch.no_grad()
    def step(self, context: Tensor, actions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The next latents and their picture, after `context` of window - 1 frames."""
        rows, known = context.shape[:2]
        x = torch.cat((context, noise.clamp(-20, 20)[:, None]), dim=1)
        ladder = self.sampling.ladder
        for level, below in pairwise(ladder):
            levels = torch.full((rows, known + 1), self.sampling.context_level)
            levels[:, -1] = level
            velocity = self.dit(x, levels, actions)
            share = self.shares[levels][..., None, None, None]
            clean = share.sqrt() * x - (1 - share).sqrt() * velocity
            noisy = ((1 / share).sqrt() * x - clean) / (1 / share - 1).sqrt()
            under = self.shares[below] if below >= 0 else torch.tensor(1.0)
            x = torch.cat((x[:, :-1], (under.sqrt() * clean + (1 - under).sqrt() * noisy)[:, -1:]), dim=1)
        return x[:, -1], (self.vae.decode(x[:, -1] / 0.07843137255) + 1) / 2
