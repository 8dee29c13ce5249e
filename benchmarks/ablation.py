"""What each part of the training is worth: the same short training again and again, each time without one of them.

`python benchmarks/ablation.py [--pixels] [--steps 1500] [--only NAME ...] [--out out/ablation] [--quick]`. Every row of
the table sees the same batches, but for those that change how they are drawn. Worlds of tiles begin from chance and are
measured by `wmenv eval --quick`; worlds of pixels begin from the shipped trunk and are measured in 1, 2 and 16 looks.
Each training is kept as it goes and each figure when it is there: stop it at any minute, and the same command goes on.
Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import response
from rich.console import Console
from rich.table import Table

from wmenv.models.checkpoint import load_stream
from wmenv.models.streaming import Streamer
from wmenv.runtime import environment_facts
from wmenv.train.collect import Source, collect
from wmenv.train.loop import TrainConfig, train
from wmenv.train.quality.report import held_out, measure

CONFIGS = Path(__file__).parent.parent / "configs"
LOOKS = (1, 2, 16)


@dataclass(frozen=True)
class Study:
    """A training, what is left out of it row by row, and what is looked at afterwards."""

    config: str
    base: list[str]
    without: dict[str, list[str]]
    figures: tuple[str, ...]
    measure: Callable[[Path, Path], dict[str, Any]]


def by_looks(weights: Path, data: Path) -> dict[str, Any]:
    """How a world of pixels draws in few looks and in many."""
    model, _ = load_stream(weights)
    streamer, episodes = Streamer(model), held_out(data, model.config)
    told = episodes.told("explore")
    chance = response.Chance(streamer, told, scenes=6, count=128)
    found = {k: response.figures_of(streamer, episodes, told, chance, k, quick=True) for k in LOOKS}
    return {f"{name}_{k}": found[k][name] for k in LOOKS for name in ("tile_acc", "db", "tv")}


TILES = Study(
    "gridrooms-nano",
    ["rate=0.002", "batch=32"],  # from chance, as fast as two cores allow
    {
        "nothing": [],
        "memory that fades": ["objective.fade=0"],
        "wrong tiles in drafts": ["objective.wrong=0"],
        "senses that may be missing": ["objective.forget=0"],
        "weight on what changed": ["objective.changed=1"],
        "traits": ["traits=false"],
        "passages with directions": ["directed=0"],
        "memory of places": ["model.recall_place=false", "model.recall_met=false"],
        "positions in the world": ["anchored=false", "model.recall_place=false", "model.recall_met=false"],
        "a past that is only the truth": ["objective.resampled=0.25"],
        "a past that was never lived through": ["objective.resampled=0.25", "objective.sweeps=4"],
    },
    ("tile_acc_1", "valid_100", "idm_agree", "direction_ok", "reward_mcc", "band_energy_ratio"),
    lambda weights, data: measure(weights, data, quick=True),
)
PIXELS = Study(
    "gridrooms-pixels",
    ["batch=16"],
    {
        "nothing": [],
        "jumps": ["objective.folded=0"],
        "jumps that the model teaches itself": ["objective.alpha=1"],
        "x-prediction (but v)": ["model.predicts=v"],
        "guidance": ["objective.guided=0"],
        "roughened memory": ["objective.grain=0"],
    },
    tuple(f"{name}_{k}" for name in ("tile_acc", "db", "tv") for k in LOOKS),
    by_looks,
)


def trained(study: Study, name: str, asked: argparse.Namespace) -> Path:
    """The checkpoint of a training without `name`; goes on where it was stopped."""
    folder = asked.out / f"{study.config}-{asked.steps}" / name.replace(" ", "-")
    changes = [*study.base, *study.without[name], f"data={asked.data}", f"out={folder}", f"steps={asked.steps}"]
    config = TrainConfig.load(CONFIGS / f"{study.config}.yaml", changes)
    train(config, resume=(folder / "run.pt").exists())
    return folder / "stream.safetensors"


def figures_of(study: Study, name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """What a training without `name` comes to on held-out episodes, with the commit it was measured at."""
    kept = asked.out / f"{study.config}-{asked.steps}" / f"{name.replace(' ', '-')}.json"
    settings = [*study.base, *study.without[name], f"data={asked.data}", f"heldout={asked.heldout}"]
    if not kept.exists() or json.loads(kept.read_text())["settings"] != settings:
        found = study.measure(trained(study, name, asked), asked.heldout)
        told = {"commit": environment_facts()["commit"], "settings": settings}
        kept.write_text(json.dumps(told | {figure: found[figure] for figure in study.figures}))
    return json.loads(kept.read_text())


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a rehearsal: two rows of four steps, which mean nothing")
    parser.add_argument("--pixels", action="store_true", help="of the training of a world of pixels")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", help="rows of the table, besides 'nothing'")
    parser.add_argument("--data", type=Path, default=Path("data/gridrooms"), help="made if it is not there")
    parser.add_argument("--heldout", type=Path, default=Path("data/heldout"), help="made if it is not there")
    parser.add_argument("--out", type=Path, default=Path("out/ablation"))
    asked = parser.parse_args()
    study = PIXELS if asked.pixels else TILES
    if unknown := set(asked.only or ()) - set(study.without):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are: {', '.join(study.without)}.")
    names = ["nothing", *(asked.only or [name for name in study.without if name != "nothing"])]
    if asked.quick:
        names, asked.steps, asked.data = names[:2], 4, asked.out / "episodes"
    if not asked.data.exists():
        collect(Source("gridrooms"), asked.data, 100 if asked.quick else 10_000)
    table, found = Table("without", *study.figures), {}
    for name in names:
        found[name] = figures_of(study, name, asked)
        table.add_row(name, *(shown(found[name][figure]) for figure in study.figures))
    Console(width=140).print(table)
    report = {"benchmark": "ablation", "quick": asked.quick, "steps": asked.steps, "base": study.base, "without": found}
    print(json.dumps(report | environment_facts()))


if __name__ == "__main__":
    main()
