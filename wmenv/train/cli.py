"""`wmenv collect`, `wmenv train`, `wmenv eval`: parse, load, one call. What they do is decided elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; repeatable.")]


def collect(
    source: Annotated[str, typer.Argument(help="gridrooms, or any world to be filmed.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the shards; what is there is kept. data/SOURCE")] = None,
    episodes: Annotated[int, typer.Option(min=1)] = 10_000,
    first: Annotated[int, typer.Option(min=0, help="Number of the first episode.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; as many as cores if not said.")] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Of the frames, where a world is filmed.")] = "128x128",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of the world.")] = None,
) -> None:
    """Record episodes of a source to train on."""
    from wmenv.config import with_overrides
    from wmenv.train.collect import Source, collect

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("episodes", total=episodes)
        tell = lambda done, steps: progress.update(task, completed=done, description=f"{steps} steps")
        chosen = Source(source, with_overrides({}, settings or []), _size(size))
        counts = collect(chosen, out or Path("data") / source.replace(":", "."), episodes, first, workers, tell)
    print(json.dumps(counts))


def _size(text: str) -> tuple[int, int]:
    """Height and width, of a text such as 128x128."""
    from wmenv.errors import OptionError

    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise OptionError(f"a size is HxW, such as 128x128, got {text!r}.")
    return int(height), int(width)


def train(
    config: Annotated[Path, typer.Argument(help="A YAML file such as configs/gridrooms-nano.yaml.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    overrides: Overrides = None,
) -> None:
    """Train a stream; it can be stopped at any minute and resumed."""
    from wmenv.train.loop import TrainConfig, train
    from wmenv.train.onlooker import Onlooker

    chosen = TrainConfig.load(config, overrides or ())
    train(chosen, resume, Onlooker(Path(chosen.out)))


def evaluate(
    weights: Annotated[Path | None, typer.Argument(help="A checkpoint; the shipped one if not said.")] = None,
    data: Annotated[Path, typer.Option(help="Held-out episodes; made if they are not there.")] = Path("data/heldout"),
    passes: Annotated[int, typer.Option(min=1, max=16, help="K, the passes per frame.")] = 2,
    quick: Annotated[bool, typer.Option("--quick")] = False,
    by_heart: Annotated[bool, typer.Option(help="First see whether such a model learns one episode by heart.")] = False,
) -> None:
    """Hold a learned GridRooms against the truth, free and directed, and against its gates."""
    from wmenv.train.quality.report import gates, measure, table

    figures = measure(weights, data, passes, quick, by_heart)
    print(table(figures))
    for gate, passed in gates(figures).items():
        print(f"{'passed' if passed else 'missed':8} {gate}")


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    data: Annotated[Path, typer.Argument(help="The data it was trained on.")],
    out: Annotated[Path, typer.Argument(help="Where the world's weights go.")],
) -> None:
    """Make a world of a training run: its averaged weights, with what the source says of itself."""
    from wmenv.train.export import export

    print(export(run, data, out))
