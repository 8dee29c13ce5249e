"""Weights that anyone can rebuild: a published formula over tensor names, so that no test has to store a checkpoint."""

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

DATA = Path(__file__).parent.parent / "data"


def unit_values(name: str, shape: list[int]) -> torch.Tensor:
    """Numbers in [-1, 1) that depend on the tensor's name and shape alone."""
    phase = (zlib.crc32(name.encode()) % 65536) / 65536
    waves = np.sin(np.arange(1, math.prod(shape) + 1) * 12.9898 + phase * 78.233) * 43758.5453
    return torch.from_numpy((waves - np.floor(waves)) * 2 - 1).reshape(shape)


@pytest.fixture(scope="session")
def formula_weights() -> Callable[..., dict[str, torch.Tensor]]:
    """Weights of the given shapes; `scale_of(name, shape)` gives the scale and the offset of one tensor."""

    def build(shapes: dict[str, list[int]], scale_of: Callable) -> dict[str, torch.Tensor]:
        weights = {}
        for name, shape in shapes.items():
            scale, offset = scale_of(name, shape)
            weights[name] = (unit_values(name, shape) * scale + offset).float()
        return weights

    return build


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, torch.Tensor]]:
    """Tensors that the unmodified published code made in float32 on a CPU, by file name."""
    return lambda name: load_file(DATA / f"{name}.safetensors")


@pytest.fixture(scope="session")
def reference_keys() -> Callable[[str], dict]:
    """The names and shapes in the published state dict."""
    return lambda name: json.loads((DATA / f"{name}.keys.json").read_text())


@pytest.fixture(scope="session")
def relative_error() -> Callable[[torch.Tensor, torch.Tensor], float]:
    """The largest difference, as a share of the largest reference value."""
    return lambda found, wanted: ((found - wanted).abs().max() / wanted.abs().max()).item()
