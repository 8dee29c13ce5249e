"""`wmenv bench transfer` and `wmenv bench ranking`: long studies of policies, which can be stopped and go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Worlds = Annotated[str, typer.Option("--world", help="The world that is examined, by name.")]
Real = Annotated[str, typer.Option("--against", help="The real environment that it stands for, as a world.")]
Minutes = Annotated[float, typer.Option(help="Begin nothing new after so long; the next call goes on.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the world.")]
Quick = Annotated[bool, typer.Option("--quick", help="A rehearsal in under a minute; its figures mean nothing.")]
FOREVER = 1e9


def transfer(
    world: Worlds = "gridrooms",
    against: Real = "gridrooms-source",
    task: Annotated[list[str] | None, typer.Option("--task", help="A task; may be repeated.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Runs per task and arm.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Environment steps per training.")] = None,
    settings: Settings = None,
    quick: Quick = False,
    minutes: Minutes = FOREVER,
    out: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("out/transfer"),
) -> None:
    """Train PPO inside and outside for equally many steps; try both outside."""
    from wmenv.bench.record import write_json
    from wmenv.bench.transfer import QUICK, TransferSpec, study
    from wmenv.config import with_overrides

    spec = QUICK if quick else TransferSpec()
    learning = replace(spec.learning, steps=steps) if steps else spec.learning
    spec = replace(
        spec,
        world=world,
        real=against,
        tasks=tuple(task or spec.tasks),
        seeds=seeds or spec.seeds,
        learning=learning,
        settings=with_overrides({}, settings or []),
    )
    found = study(spec, out, minutes, say=_say_run)
    write_json(out / "transfer.json", [found])
    table = Table("task", "real", "world", "ratio", "above random", "cloned", "random", "inside", "unearned")
    for line in found["tasks"]:
        cells = ("real", "world", "ratio", "ratio_above_random", "cloned", "random", "inside", "unearned")
        table.add_row(line["name"], *(_cell(line[key], line.get(f"{key}_ci")) for key in cells))
    _show(table, found, out / "transfer.json")


def ranking(
    world: Worlds = "gridrooms",
    against: Real = "gridrooms-source",
    task: Annotated[str, typer.Option(help="The task.")] = "fetch",
    policy: Annotated[list[Path] | None, typer.Option("--policy", help="A PPO that was saved; repeatable.")] = None,
    settings: Settings = None,
    quick: Quick = False,
    minutes: Minutes = FOREVER,
    out: Annotated[Path, typer.Option(help="Where results are kept.")] = Path("out/ranking"),
) -> None:
    """Try policies of graded skill inside and outside; compare the two orders."""
    from wmenv.bench.ranking import QUICK, RankingSpec, rank
    from wmenv.bench.record import write_json
    from wmenv.config import with_overrides

    spec = QUICK if quick else RankingSpec()
    trained = tuple(str(path) for path in policy or ())
    spec = replace(
        spec, world=world, real=against, task=task, trained=trained, settings=with_overrides({}, settings or [])
    )
    found = rank(spec, out, minutes, say=_say_policy)
    write_json(out / "ranking.json", [found])
    table = Table("policy", "real", "world")
    for line in sorted(found["table"], key=lambda one: one["real"]):
        table.add_row(line["policy"], _cell(line["real"]), _cell(line["world"]))
    _show(table, found, out / "ranking.json")
    figures = {key: found[key] for key in ("pearson_r", "pearson_r_lo", "kendall_tau_b", "mmrv")}
    print("  ".join(f"{key} {_cell(value)}" for key, value in figures.items()))


def _say_run(record: dict[str, Any]) -> None:
    real = record["real"]["success"]
    print(f"{record['task']} {record['arm']} seed {record['seed']}: {real:.3f} outside, {record['seconds']:.0f} s")


def _say_policy(record: dict[str, Any]) -> None:
    print(f"{record['policy']}: {record['real']['success']:.3f} outside, {record['world']['success']:.3f} inside")


def _show(table: Table, found: dict[str, Any], path: Path) -> None:
    Console().print(table)
    print(path if found["complete"] else f"{path}: not complete; the same command goes on")


def _cell(value: float | None, interval: list[float | None] | None = None) -> str:
    if value is None:
        return "-"
    bounds = f" ({interval[0]:.2f}-{interval[1]:.2f})" if interval and None not in interval else ""
    return f"{value:.2f}{bounds}"
