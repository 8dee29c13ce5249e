"""Weights on disk: one safetensors file whose header holds the config, the format version and a hash of the tensors.

Loading is strict and says what differs; a damaged or foreign file is refused by name. Nothing in a file is ever
executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wmenv.config import explain
from wmenv.errors import CheckpointError
from wmenv.models.config import StreamConfig
from wmenv.models.stream import Stream

FORMAT = "wmenv-stream-1"


def save_stream(model: Stream, path: Path, facts: dict | None = None) -> str:
    """Write weights (bf16), config and `facts` to `path`, whole or not at all; returns the hash of the weights."""
    tensors = {name: _small(value) for name, value in model.state_dict().items()}
    digest = _digest(tensors)
    header = {
        "format": FORMAT,
        "config": model.config.model_dump_json(),
        "facts": json.dumps(facts or {}),
        "sha256": digest,
    }
    partial = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, partial, header)
    os.replace(partial, path)
    return digest


def load_stream(path: Path) -> tuple[Stream, dict]:
    """The model in `path`, in float32 and ready to run, and its facts with "sha256" among them."""
    if not Path(path).is_file():
        raise CheckpointError(f"there is no checkpoint at {path}.")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {problem}.") from problem
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is of format {header.get('format')!r}, this is read: {FORMAT!r}.")
    if _digest(tensors) != header["sha256"]:
        raise CheckpointError(f"{path} is damaged: its tensors do not have the hash that its header names.")
    model = Stream(_config(header["config"], path))
    _fill(model, tensors, path)
    return model.eval().requires_grad_(False), {**json.loads(header["facts"]), "sha256": header["sha256"]}


def _config(written: str, path: Path) -> StreamConfig:
    try:
        return StreamConfig.model_validate_json(written)
    except ValidationError as problem:
        raise CheckpointError(
            f"{path} has a config that this version does not read. {explain(StreamConfig, problem)} If a newer wmenv "
            "wrote it, install that one; otherwise export the weights again."
        ) from problem


def _small(value: Tensor) -> Tensor:
    value = value.detach().to("cpu")
    return (value.to(torch.bfloat16) if value.is_floating_point() else value).contiguous()


def _digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        total.update(tensors[name].view(torch.uint8).numpy().tobytes() if tensors[name].numel() else b"")
    return total.hexdigest()


def _fill(model: Stream, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy the tensors in; every name and shape must fit."""
    own = model.state_dict()
    missing, extra = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
    shapes = [
        f"{name}: {tuple(tensors[name].shape)} in the file, {tuple(own[name].shape)} in the model"
        for name in sorted(set(own) & set(tensors))
        if own[name].shape != tensors[name].shape
    ]
    if missing or extra or shapes:
        found = [f"missing {missing}"] * bool(missing) + [f"unknown {extra}"] * bool(extra) + shapes
        raise CheckpointError(f"{path} does not fit its own config: {'; '.join(found)}.")
    model.load_state_dict({name: value.to(own[name].dtype) for name, value in tensors.items()})
