"""A checkpoint is whole and ours, or it is refused by name."""

import json

import pytest
import torch
from safetensors.torch import save_file

from wmenv.errors import CheckpointError
from wmenv.models.checkpoint import FORMAT, load_stream, save_stream


@pytest.fixture
def saved(tiny_stream, tmp_path):
    path = tmp_path / "stream.safetensors"
    return path, save_stream(tiny_stream, path, {"source": "toy"})


def test_what_was_saved_comes_back_in_bf16_precision(saved, tiny_stream):
    path, digest = saved
    model, facts = load_stream(path)
    assert facts == {"source": "toy", "sha256": digest}
    assert model.config == tiny_stream.config
    for name, value in tiny_stream.state_dict().items():
        same = value.to(torch.bfloat16).float() if value.is_floating_point() else value
        assert torch.equal(model.state_dict()[name], same)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_stream(tmp_path / "nowhere.safetensors")


def test_a_flipped_bit_is_noticed(saved):
    path, _ = saved
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="hash"):
        load_stream(path)


@pytest.mark.parametrize("junk", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{bad json"])
def test_junk_is_refused(tmp_path, junk):
    path = tmp_path / "junk.safetensors"
    path.write_bytes(junk)
    with pytest.raises(CheckpointError, match="damaged"):
        load_stream(path)


def test_a_foreign_format_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, {"format": "somebody-else"})
    with pytest.raises(CheckpointError, match=FORMAT):
        load_stream(path)


def test_a_config_that_does_not_fit_says_what_differs(saved, tiny_stream, tmp_path):
    from wmenv.models.checkpoint import _digest, _small

    tensors = {name: _small(value) for name, value in tiny_stream.state_dict().items() if name != "reward.bias"}
    header = {"format": FORMAT, "config": tiny_stream.config.model_dump_json(), "facts": json.dumps({})}
    path = tmp_path / "short.safetensors"
    save_file(tensors, path, header | {"sha256": _digest(tensors)})
    with pytest.raises(CheckpointError, match=r"missing \['reward.bias'\]"):
        load_stream(path)
