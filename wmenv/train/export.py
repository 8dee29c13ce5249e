"""From a training run to a world: the averaged weights, with what the source says of itself in the header."""

from __future__ import annotations

from pathlib import Path

from wmenv.models.checkpoint import load_stream, save_stream
from wmenv.train.collect import read_facts

KEPT = ("source", "instructions", "spec")


def export(run: Path, data: Path, out: Path) -> str:
    """Write the weights of `run`, trained on `data`, to `out`; returns their hash."""
    model, facts = load_stream(run / "stream.safetensors")
    source = read_facts(data)
    return save_stream(model, out, {"step": facts["step"], **{name: source[name] for name in KEPT}})
