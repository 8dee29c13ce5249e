"""Reads the two safetensors files of the released Oasis model.

Anything that does not fit the sizes asked for is a `CheckpointError` that says what.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from wmenv.errors import CheckpointError
from wmenv.worlds.oasis.autoencoder import Autoencoder
from wmenv.worlds.oasis.config import RELEASED_500M, OasisConfig
from wmenv.worlds.oasis.transformer import Transformer

TRANSFORMER_FILE = "oasis500m.safetensors"
AUTOENCODER_FILE = "vit-l-20.safetensors"
READ_AT_ONCE = 1 << 24

# our names on the left, the released ones on the right; every rule that matches is applied, in order
TRANSFORMER_NAMES = (
    (r"^patch_in\.", "x_embedder.proj."),
    (r"^level_in\.", "t_embedder.mlp."),
    (r"^action_in\.", "external_cond."),
    (r"^modulation_out\.", "final_layer.adaLN_modulation.1."),
    (r"^patch_out\.", "final_layer.linear."),
    (r"\.(s|t)(?:pace|ime)\.attention\.", r".\1_attn.to_"),
    (r"\.(s|t)(?:pace|ime)\.modulation\.", r".\1_adaLN_modulation.1."),
    (r"\.(s|t)(?:pace|ime)\.mlp\.0\.", r".\1_mlp.fc1."),
    (r"\.(s|t)(?:pace|ime)\.mlp\.2\.", r".\1_mlp.fc2."),
)
AUTOENCODER_NAMES = (
    (r"^patch_in\.", "patch_embed.proj."),
    (r"^narrow\.", "quant_conv."),
    (r"^widen\.", "post_quant_conv."),
    (r"^patch_out\.", "predictor."),
    (r"^(enc|dec)oder\.norm\.", r"\1_norm."),
    (r"^(enc|dec)oder\.blocks\.", r"\1oder."),
    (r"\.mlp_norm\.", ".norm2."),
    (r"\.norm\.", ".norm1."),
    (r"\.qkv\.", ".attn.qkv."),
    (r"\.out\.", ".attn.proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)
FREQUENCY_NAMES = {  # rotary frequencies are shared by all blocks, and a file keeps them once, under any of their names
    "space_frequencies": r"(^spatial_rotary_emb|\.s_attn\.rotary_emb)\.freqs$",
    "time_frequencies": r"(^temporal_rotary_emb|\.t_attn\.rotary_emb)\.freqs$",
}


@dataclass(frozen=True)
class OasisWeights:
    """Both loaded models, and the fingerprint of the files that they came from."""

    config: OasisConfig
    transformer: Transformer
    autoencoder: Autoencoder
    fingerprint: str

    def __post_init__(self) -> None:
        for model in (self.transformer, self.autoencoder):
            model.eval().requires_grad_(False)


def read_checkpoint(
    path: str | Path, autoencoder: str | Path | None = None, config: OasisConfig = RELEASED_500M
) -> OasisWeights:
    """The model in a folder with the two released files, or in the transformer's file with the other one beside it."""
    path = Path(path)
    first = path / TRANSFORMER_FILE if path.is_dir() else path
    second = Path(autoencoder) if autoencoder is not None else first.parent / AUTOENCODER_FILE
    with torch.device("meta"):  # no memory and no random numbers for weights that are about to be replaced
        transformer, decoder = Transformer(config.transformer), Autoencoder(config.autoencoder)
    _load(transformer, first, TRANSFORMER_NAMES)
    _load(decoder, second, AUTOENCODER_NAMES)
    return OasisWeights(config, transformer, decoder, _fingerprint((first, second)))


def made_up_weights(config: OasisConfig, seed: int = 0) -> OasisWeights:
    """A model of that size that has learned nothing, for tests and for timing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer, autoencoder = Transformer(config.transformer), Autoencoder(config.autoencoder)
    return OasisWeights(config, transformer, autoencoder, f"made up from seed {seed}")


def _load(model: nn.Module, path: Path, names: Sequence[tuple[str, str]]) -> None:
    if not path.is_file():
        raise CheckpointError(
            f"no Oasis file at {path}. Give a folder with {TRANSFORMER_FILE} and {AUTOENCODER_FILE}, or both paths."
        )
    try:
        weights = load_file(path)
    except Exception as problem:  # safetensors raises its own kind, and others for a damaged file
        raise CheckpointError(f"{path} cannot be read as safetensors: {problem}.") from problem
    try:
        model.load_state_dict(_translated(model, weights, names), assign=True)
    except (CheckpointError, RuntimeError) as problem:
        raise CheckpointError(f"{path} does not fit the model asked for: {problem}") from problem


def _translated(model: nn.Module, weights: dict[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """`weights` under our names; every tensor must be used."""
    found = _frequencies(model, weights) if isinstance(model, Transformer) else {}
    for name in model.state_dict().keys() - found.keys():
        try:
            found[name] = weights.pop(_released_name(name, names)).float()
        except KeyError as missing:
            raise CheckpointError(f"tensor {missing} is missing.") from missing
    if weights:
        raise CheckpointError(f"{len(weights)} tensors have no place in the model, {min(weights)!r} first.")
    return found


def _frequencies(model: Transformer, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The rotary frequencies, taken out of `weights` if they are there."""
    found = model.untrained_frequencies()
    for name, pattern in FREQUENCY_NAMES.items():
        for key in [key for key in weights if re.search(pattern, key)]:
            found[name] = weights.pop(key).float()
    return found


def _released_name(name: str, names: Sequence[tuple[str, str]]) -> str:
    for ours, theirs in names:
        name = re.sub(ours, theirs, name)
    return name


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(READ_AT_ONCE):
                digest.update(block)
    return digest.hexdigest()
