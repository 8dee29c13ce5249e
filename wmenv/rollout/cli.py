"""The commands `wmenv rollout` and `wmenv dataset`: parse, one call, and a table of what came out.

Every import of ours is inside the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `wmenv rollout` wrote.")]

dataset = typer.Typer(help="Look at, check and convert what a rollout wrote.", no_args_is_help=True)


def rollout(
    world: Annotated[str | None, typer.Option(help="A name that `wmenv worlds` lists, or module:factory.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="random, wander, idle, module:function, or the .zip of an SB3 model.")
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="How many in all.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the data set.")] = Path("out/rollout"),
    max_steps: Annotated[int | None, typer.Option(help="After how many steps an episode is cut.")] = None,
    seed: Annotated[int | None, typer.Option(help="Episode i has this seed plus i.")] = None,
    direct: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP:TEXT", help="A direction; '20-60:night falls|*' draws both. May be repeated."),
    ] = None,
    template: Annotated[list[str] | None, typer.Option(help="Begin from this template; several take turns.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Begin from this prompt; several take turns.")] = None,
    group: Annotated[int | None, typer.Option(help="So many episodes in a row are futures of one moment.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows that a worker steps at a time.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, or Ray actors.")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Use Ray on this machine.")] = False,
    ray_address: Annotated[str | None, typer.Option(help="Use the Ray cluster at this address, or 'auto'.")] = None,
    gpus_per_worker: Annotated[float, typer.Option(help="Of each Ray actor.")] = 0.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in the folder.")] = False,
    records: Annotated[bool, typer.Option(help="Measure latency and persistence of every episode.")] = True,
    report: Annotated[bool, typer.Option(help="Write report.md at the end.")] = True,
    progress: Annotated[bool, typer.Option(help="Show how far it has come.")] = True,
    config: Annotated[Path | None, typer.Option(help="A YAML file of the plan.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the plan; may be repeated.")
    ] = None,
) -> None:
    """Make numbered episodes: the same on every number of workers, safe to kill, readable by others."""
    from wmenv.config import with_overrides
    from wmenv.rollout.plan import Cue
    from wmenv.rollout.run import rollout as rolled_out

    named: dict[str, Any] = {
        "max_steps": max_steps,
        "seed": seed,
        "directions": direct and [Cue.read(line) for line in direct],
        "templates": template,
        "prompts": prompt,
        "group": group,
    }
    plan = with_overrides({}, settings or []) | {name: value for name, value in named.items() if value is not None}
    data = rolled_out(
        plan.pop("world", world) if world is None else world,
        plan.pop("policy", policy) if policy is None else policy,
        plan.pop("episodes", episodes) if episodes is None else episodes,
        out,
        batch=batch,
        workers=workers,
        ray=ray,
        ray_address=ray_address,
        gpus_per_worker=gpus_per_worker,
        resume=resume,
        record=records,
        report=report,
        progress=progress,
        config=config,
        **plan,
    )
    _show(data)


@dataset.command()
def info(folder: Folder) -> None:
    """Say what a data set holds."""
    from wmenv.rollout.dataset import Dataset

    _show(Dataset(folder))


@dataset.command()
def verify(folder: Folder) -> None:
    """Read every byte again; exit code 2 if a shard is not as it was written."""
    from wmenv.rollout.dataset import Dataset, verified

    print(verified(Dataset(folder)))


@dataset.command()
def preview(
    folder: Folder,
    episode: Annotated[int | None, typer.Option(help="Film this episode as well.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the pictures go; the folder itself if not given.")] = None,
) -> None:
    """Draw a contact sheet of the first episodes, or of one, which is filmed too."""
    from wmenv.rollout.dataset import Dataset
    from wmenv.rollout.preview import preview as drawn

    for path in drawn(Dataset(folder), out or folder, episode):
        print(path)


@dataset.command()
def convert(
    folder: Folder,
    to: Annotated[str, typer.Option(help="minari, lerobot, hdf5, webm, mp4, npz or parquet.")],
    out: Annotated[Path, typer.Option(help="The folder, file or Minari id of what is written.")],
) -> None:
    """Write a data set in a format that others read."""
    from wmenv.rollout.convert import convert as converted
    from wmenv.rollout.dataset import Dataset

    print(converted(Dataset(folder), to, out))


def _show(data: Any) -> None:
    """What a data set holds, as a table."""
    table = Table(show_header=False)
    for name, value in data.facts().items():
        table.add_row(name, str(value))
    Console().print(table)
