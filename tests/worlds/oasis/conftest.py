"""A small Oasis with the weights that the reference tensors were made with, in files of the released layout."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from wmenv.worlds.oasis.checkpoint import OasisWeights, read_checkpoint
from wmenv.worlds.oasis.config import AutoencoderConfig, OasisConfig, TransformerConfig, VitConfig

SMALL = OasisConfig(
    TransformerConfig(height=6, width=8, hidden=64, depth=2, heads=4, window=4),
    AutoencoderConfig(height=120, width=160, encoder=VitConfig(64, 2, 4), decoder=VitConfig(64, 2, 4)),
)


def weight_scale(name: str, shape: list[int]) -> tuple[float, float]:
    if len(shape) == 1:
        return 0.1, float("norm" in name and name.endswith("weight"))
    return (3 / torch.Size(shape[1:]).numel()) ** 0.5, 0.0


@pytest.fixture(scope="session")
def small_config() -> OasisConfig:
    return SMALL


@pytest.fixture(scope="session")
def golden(reference) -> dict[str, torch.Tensor]:
    return reference("oasis_small")


@pytest.fixture
def released_files(formula_weights, reference_keys, golden, tmp_path) -> Path:
    """A folder with the two files, rotary frequencies stored once as the released one has them."""
    keys = reference_keys("oasis_small")
    transformer = formula_weights(keys["oasis_dit_small"]["shapes"], weight_scale)
    transformer["blocks.0.s_attn.rotary_emb.freqs"] = golden["dit.spatial_rotary.freqs"]
    transformer["blocks.0.t_attn.rotary_emb.freqs"] = golden["dit.temporal_rotary.freqs"]
    save_file(transformer, tmp_path / "oasis500m.safetensors", metadata=keys["oasis_dit_small"]["aliases"])
    save_file(formula_weights(keys["vit_vae_small"]["shapes"], weight_scale), tmp_path / "vit-l-20.safetensors")
    return tmp_path


@pytest.fixture
def small_weights(released_files) -> OasisWeights:
    return read_checkpoint(released_files, config=SMALL)
