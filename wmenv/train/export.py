"""From a training run to a world: the averaged weights, with what the source says of itself in the header."""

from __future__ import annotations

from pathlib import Path

from wmenv.errors import CheckpointError
from wmenv.models.checkpoint import load_stream, save_stream
from wmenv.train.collect import read_facts
from wmenv.train.loop import fit_to_data, read
from wmenv.train.odds import set_odds
from wmenv.train.standing import set_stands

KEPT = ("source", "instructions", "spec")
LEARNT = ("step", "strongest")


def export(run: Path, data: Path, out: Path) -> str:
    """Write the weights of `run`, trained on `data`, to `out`; returns their hash."""
    model, facts = load_stream(run / "stream.safetensors")
    source = read_facts(data)
    fitted = fit_to_data(model.config, source)
    free = {"motions", "recall_place"}  # a run whose positions are those of the picture has others
    differ = [name for name, value in fitted if getattr(model.config, name) != value and name not in free]
    if differ:
        raise CheckpointError(f"{run} was not trained on {data}: {', '.join(differ)} differ.")
    config = model.config
    if config.stands or config.recall_met:
        episodes = read(data, config)
        if config.stands:
            set_stands(model, episodes)
        if config.recall_met:
            set_odds(model, episodes)
    return save_stream(
        model, out, {name: facts[name] for name in LEARNT if name in facts} | {name: source[name] for name in KEPT}
    )
