"""What each part of the training is worth: the same short training again and again, each time without one of them.

`python benchmarks/ablation.py [--steps 1500] [--only NAME ...] [--out out/ablation] [--quick]`. Every row begins from
chance, sees the same batches and is measured by `wmenv eval --quick`. Each training is kept as it goes and each figure
when it is there: stop it at any minute, and the same command goes on. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from wmenv.runtime import environment_facts
from wmenv.train.loop import TrainConfig, train
from wmenv.train.quality.report import measure

CONFIG = Path(__file__).parent.parent / "configs/gridrooms-nano.yaml"
BASE = ["rate=0.002", "batch=32"]  # from chance, as fast as two cores allow
WITHOUT: dict[str, list[str]] = {
    "nothing": [],
    "memory that fades": ["objective.fade=0"],
    "wrong tiles in drafts": ["objective.wrong=0"],
    "senses that may be missing": ["objective.forget=0"],
    "weight on what changed": ["objective.changed=1"],
    "traits": ["traits=false"],
    "passages with directions": ["directed=0"],
    "memory of places": ["model.recall_place=false"],
    "positions in the world": ["anchored=false", "model.recall_place=false"],
}
FIGURES = ("tile_acc_1", "valid_100", "idm_agree", "direction_ok", "reward_mcc", "band_energy_ratio")


def trained(name: str, out: Path, steps: int) -> Path:
    """The checkpoint of a training without `name`; goes on where it was stopped."""
    folder = out / f"{name.replace(' ', '-')}-{steps}"
    config = TrainConfig.load(CONFIG, [*BASE, *WITHOUT[name], f"out={folder}", f"steps={steps}"])
    train(config, resume=(folder / "run.pt").exists())
    return folder / "stream.safetensors"


def figures_of(name: str, out: Path, steps: int, data: Path) -> dict[str, Any]:
    """What a training without `name` comes to on held-out episodes, with the commit it was measured at."""
    kept = out / f"{name.replace(' ', '-')}-{steps}.json"
    if not kept.exists():
        found = measure(trained(name, out, steps), data, quick=True)
        told = {"commit": environment_facts()["commit"], "settings": [*BASE, *WITHOUT[name]]}
        kept.write_text(json.dumps(told | {figure: found[figure] for figure in FIGURES}))
    return json.loads(kept.read_text())


def shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a rehearsal: two rows of four steps, which mean nothing")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", choices=WITHOUT, help="rows of the table, besides 'nothing'")
    parser.add_argument("--data", type=Path, default=Path("data/heldout"))
    parser.add_argument("--out", type=Path, default=Path("out/ablation"))
    asked = parser.parse_args()
    names = ["nothing", *(asked.only or [name for name in WITHOUT if name != "nothing"])]
    names, steps = (names[:2], 4) if asked.quick else (names, asked.steps)
    asked.out.mkdir(parents=True, exist_ok=True)
    table, found = Table("without", *FIGURES), {}
    for name in names:
        found[name] = figures_of(name, asked.out, steps, asked.data)
        table.add_row(name, *(shown(found[name][figure]) for figure in FIGURES))
    Console(width=140).print(table)
    report = {"benchmark": "ablation", "quick": asked.quick, "steps": steps, "base": BASE, "without": found}
    print(json.dumps(report | environment_facts()))


if __name__ == "__main__":
    main()
