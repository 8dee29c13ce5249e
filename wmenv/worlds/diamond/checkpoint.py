"""Reads the files that DIAMOND's authors released: one state dict of an Atari agent.

The sizes of the model are read off the shapes, so no configuration has to travel with a file. The agent's policy, when
the file has one, is left alone. Anything that does not fit is a `CheckpointError` that says what.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from wmenv.errors import CheckpointError
from wmenv.worlds.diamond.config import DiamondConfig, StackConfig
from wmenv.worlds.diamond.denoiser import COLOURS, Denoiser
from wmenv.worlds.diamond.layers import residual_blocks
from wmenv.worlds.diamond.reward_end import RewardEnd

Weights = Mapping[str, Tensor]

# our names on the left, the released ones on the right; the first rule of a kind that matches is applied
BLOCK_NAMES = (
    (r"\.skip\.", ".proj."),
    (r"\.first\.", ".conv1."),
    (r"\.second\.", ".conv2."),
    (r"\.attention\.norm\.", ".attn.norm.norm."),
    (r"\.attention\.qkv\.", ".attn.qkv_proj."),
    (r"\.attention\.out\.", ".attn.out_proj."),
)
DENOISER_NAMES = (
    (r"^noise_frequencies$", "noise_emb.weight"),
    (r"^action_table\.", "act_emb.0."),
    (r"^condition\.", "cond_proj."),
    (r"^norm_out\.", "norm_out.norm."),
    (r"^(down|up)\.(\d+)\.resample\.", lambda m: f"unet.{m[1]}samples.{m[2]}.conv."),
    (r"^(down|up)\.(\d+)\.blocks\.(\d+)", lambda m: f"unet.{m[1][0]}_blocks.{m[2]}.resblocks.{m[3]}"),
    (r"^middle\.blocks\.(\d+)", r"unet.mid_blocks.resblocks.\1"),
)
REWARD_END_NAMES = (
    (r"^frames_in\.", "encoder.conv_in."),
    (r"^action_table\.", "act_emb."),
    (r"^stages\.(\d+)\.resample\.", r"encoder.downsamples.\1.conv."),
    (r"^stages\.(\d+)\.blocks\.(\d+)", r"encoder.blocks.\1.resblocks.\2"),
)


@dataclass(frozen=True)
class DiamondWeights:
    """A loaded world model, and the fingerprint of the file that it came from."""

    config: DiamondConfig
    denoiser: Denoiser
    reward_end: RewardEnd
    fingerprint: str

    def __post_init__(self) -> None:
        for model in (self.denoiser, self.reward_end):
            model.eval().requires_grad_(False)


def read_checkpoint(path: str | Path) -> DiamondWeights:
    """The world model in a released file."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no DIAMOND checkpoint at {path}. Give an agent's state dict, such as Breakout.pt.")
    try:
        return assemble(read_state_dict(path), hashlib.sha256(path.read_bytes()).hexdigest())
    except CheckpointError as problem:
        raise CheckpointError(f"{path} does not load as a DIAMOND agent: {problem}") from problem


def read_state_dict(path: Path) -> Weights:
    """The tensors of a file that may hold tensors only."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch, zipfile and pickle raise a dozen kinds for a damaged file
        raise CheckpointError(f"torch cannot read it as plain tensors ({problem}).") from problem
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError("it holds something other than a flat state dict of tensors.")
    return {name.removeprefix("agent."): tensor for name, tensor in content.items()}


def assemble(weights: Weights, fingerprint: str) -> DiamondWeights:
    """The two models that `weights` of the released layout describe."""
    denoiser_part = _below("denoiser.inner_model.", weights)
    reward_part = _below("rew_end_model.", weights)
    config = infer_config(denoiser_part, reward_part)
    denoiser, reward_end = Denoiser(config), RewardEnd(config)
    _fill(denoiser, denoiser_part, DENOISER_NAMES, split_input=True)
    _fill(reward_end, reward_part, REWARD_END_NAMES)
    return DiamondWeights(config, denoiser, reward_end, fingerprint)


def made_up_weights(config: DiamondConfig, seed: int = 0) -> DiamondWeights:
    """A model of that size that has learned nothing, for tests and for timing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoiser, reward_end = Denoiser(config), RewardEnd(config)
        denoiser.noise_frequencies.normal_()
    return DiamondWeights(config, denoiser, reward_end, f"made up from seed {seed}")


def infer_config(denoiser: Weights, reward_end: Weights) -> DiamondConfig:
    """The sizes that the shapes of a checkpoint imply."""
    try:
        condition = denoiser["cond_proj.0.weight"].shape[0]
        gates, features = reward_end["lstm.weight_ih_l0"].shape
        stack = _infer_stack(reward_end, "encoder.blocks", reward_end["act_emb.weight"].shape[1])
        stack = _without_middle(stack)
        side = round((features / stack.channels[-1]) ** 0.5) * stack.shrink
        return DiamondConfig(
            actions=len(denoiser["act_emb.0.weight"]),
            denoiser=_infer_stack(denoiser, "unet.d_blocks", condition),
            reward_end=stack,
            memory=gates // 4,
            history=denoiser["conv_in.weight"].shape[1] // COLOURS - 1,
            image_size=side,
        )
    except (KeyError, IndexError, ValueError) as problem:
        raise CheckpointError(f"it lacks what every DIAMOND agent has: {problem}.") from problem


def _infer_stack(weights: Weights, prefix: str, condition: int) -> StackConfig:
    blocks: dict[int, set[int]] = {}
    for name in weights:
        if found := re.match(rf"{re.escape(prefix)}\.(\d+)\.resblocks\.(\d+)\.conv1\.weight$", name):
            blocks.setdefault(int(found[1]), set()).add(int(found[2]))
    levels = range(len(blocks))
    return StackConfig(
        condition,
        channels=tuple(weights[f"{prefix}.{level}.resblocks.0.conv1.weight"].shape[0] for level in levels),
        depths=tuple(len(blocks[level]) for level in levels),
        attends=tuple(f"{prefix}.{level}.resblocks.0.attn.qkv_proj.weight" in weights for level in levels),
    )


def _without_middle(stack: StackConfig) -> StackConfig:
    """The released encoder counts its middle stage among its blocks."""
    return StackConfig(stack.condition, stack.channels[:-1], stack.depths[:-1], stack.attends[:-1])


def _below(prefix: str, weights: Weights) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _fill(module: nn.Module, weights: dict[str, Tensor], names: tuple, split_input: bool = False) -> None:
    """Load `weights` under released names into `module`; every tensor must be used once and fit."""
    left = dict(weights)
    try:
        filled = _gather_modulation(module, left, names) | (_split_input(left) if split_input else {})
        for name in module.state_dict().keys() - filled.keys():
            filled[name] = left.pop(_released_name(name, names))
        if left:
            raise CheckpointError(f"{len(left)} tensors have no place in the model, {min(left)!r} first.")
        module.load_state_dict(filled)
    except KeyError as missing:
        raise CheckpointError(f"tensor {missing} is missing.") from missing
    except RuntimeError as problem:
        raise CheckpointError(f"a tensor has the wrong shape: {problem}") from problem


def _gather_modulation(module: nn.Module, left: dict[str, Tensor], names: tuple) -> dict[str, Tensor]:
    """The layers that the released model keeps one per norm, as the single one that we have."""
    norms = [f"{_released_name(name, names)}.norm{i}.linear" for name, _ in residual_blocks(module) for i in (1, 2)]
    return {
        f"modulation.{kind}": torch.cat([left.pop(f"{norm}.{kind}") for norm in norms]) for kind in ("weight", "bias")
    }


def _split_input(left: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first convolution in two: the part that sees the history, and the part that sees the noisy frame."""
    weight = left.pop("conv_in.weight")
    return {
        "history_in.weight": weight[:, :-COLOURS],
        "history_in.bias": left.pop("conv_in.bias"),
        "frame_in.weight": weight[:, -COLOURS:],
    }


def _released_name(name: str, names: tuple) -> str:
    for ours, theirs in (*names, *BLOCK_NAMES):
        name = re.sub(ours, theirs, name)
    return name
