"""A small DIAMOND agent with the weights that the reference tensors were made with."""

from pathlib import Path

import pytest
import torch

from wmenv.worlds.diamond.checkpoint import DiamondWeights, assemble

EMBEDDING_SCALE = 1.7320508  # to these digits, or the last bit of the weights differs


def weight_scale(name: str, shape: list[int]) -> tuple[float, float]:
    if name.endswith("noise_emb.weight"):
        return EMBEDDING_SCALE, 0.0
    if len(shape) == 1:
        return 0.1, float(name.endswith("norm.weight"))
    return (EMBEDDING_SCALE if "act_emb" in name else (3 / torch.Size(shape[1:]).numel()) ** 0.5), 0.0


@pytest.fixture(scope="session")
def small_state_dict(formula_weights, reference_keys) -> dict[str, torch.Tensor]:
    return formula_weights(reference_keys("diamond_small"), weight_scale)


@pytest.fixture(scope="session")
def atari_state_dict(formula_weights, reference_keys) -> dict[str, torch.Tensor]:
    return formula_weights(reference_keys("diamond_atari"), weight_scale)


@pytest.fixture
def small_weights(small_state_dict) -> DiamondWeights:
    return assemble(small_state_dict, "formula")


@pytest.fixture
def small_checkpoint(small_state_dict, tmp_path) -> Path:
    """A file of the released layout, policy included."""
    path = tmp_path / "Pong.pt"
    torch.save({**small_state_dict, "actor_critic.critic_linear.weight": torch.zeros(1, 48)}, path)
    return path


@pytest.fixture(scope="session")
def golden(reference) -> dict[str, torch.Tensor]:
    return reference("diamond_small")


@pytest.fixture(scope="session")
def as_floats():
    """Stored bytes back on the grid in [-1, 1] that the model works on."""
    return lambda frames_u8: frames_u8 / 255 * 2 - 1
