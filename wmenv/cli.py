"""The command line: parse, load, one call. What a command does lives in the module that it calls.

Every import of ours is inside the command that needs it, so that `wmenv --help` answers at once. A `WmenvError` becomes
one red line and exit code 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from typer.core import TyperGroup

import wmenv
from wmenv.bench.cli import bench
from wmenv.contract import WorldSpec
from wmenv.errors import WmenvError
from wmenv.live.cli import live
from wmenv.rollout.cli import dataset, rollout
from wmenv.serve.cli import serve
from wmenv.train import cli as training

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of every error.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key; may be repeated.")]
EnvId = Annotated[str, typer.Argument(metavar="ID", help="A registered id such as wmenv/Pan-v0, or a world's name.")]
Out = Annotated[Path, typer.Option(help="The folder for what is written.")]

CONFIGS = {  # folder within configs/ -> the model that its files fill
    ".": "wmenv.train.loop:TrainConfig",
    "record": "wmenv.record:RecordConfig",
}
MOST_COLUMNS = 4  # episodes whose figures fit beside each other on a screen


class _Commands(TyperGroup):
    """The commands, with our own errors shown as one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WmenvError as problem:
            if ctx.params["debug"]:
                raise
            Console(stderr=True).print(Text(str(problem), style="red"), soft_wrap=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    help="Generated worlds as Gymnasium environments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"wmenv {wmenv.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""


@app.command()
def worlds() -> None:
    """List the worlds that this machine knows, and what each can do."""
    from wmenv.worlds.catalog import load_world, world_names

    table = Table(Column("name", no_wrap=True), "frame", "fps", "actions", "abilities", "starts from")
    lacking = []
    for name in sorted(world_names()):
        try:
            table.add_row(name, *_described(load_world(name).spec))
        except Exception as problem:  # of a package that announces a world, too; the others are to be listed
            lacking.append(f"{name}: {problem}")
    Console().print(table)
    print("\n".join(lacking))


def _described(spec: WorldSpec) -> list[str]:
    """What the table says of one world."""
    abilities = {
        "reward": spec.reward,
        "ends": spec.terminates,
        "directions": spec.directions,
        "words": spec.words,
        "sound": spec.audio,
        "hears": spec.hears,
        "pose": spec.pose,
        "snapshots": spec.snapshots,
    }
    has = ", ".join(ability for ability, present in abilities.items() if present)
    frame = f"{spec.height}x{spec.width}"
    return [frame, f"{spec.fps:g}", ", ".join(spec.actions.names), has, ", ".join(sorted(spec.starts))]


@app.command()
def check(
    world: Annotated[str, typer.Argument(help="A name that `wmenv worlds` lists, or module:factory.")],
    settings: Settings = None,
    steps: Annotated[int, typer.Option(min=2, help="How long each trial run is.")] = 8,
) -> None:
    """Ask a world, anybody's, for every clause of the contract; exit code 2 if it breaks one."""
    from wmenv.config import with_overrides
    from wmenv.testing import check_world
    from wmenv.worlds.catalog import load_world

    report = check_world(load_world(world, **with_overrides({}, settings or [])), steps=steps)
    print(report)
    report.raise_if_broken()


@app.command()
def play(
    env_id: EnvId,
    script: Annotated[
        str | None, typer.Option(help="Moves instead of keys: 'forward*10,left,direct:night falls'.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show an OpenCV window instead of the terminal.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Let the world run on at its own pace between keys.")] = False,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="Film and record the episodes into this folder.")] = None,
    settings: Settings = None,
) -> None:
    """Play an environment by hand, or follow a script without a screen; `--set` is for its world."""
    from wmenv import play as playing
    from wmenv.config import with_overrides
    from wmenv.record import open_env, recording

    env = open_env(env_id, with_overrides({}, settings or []), realtime=live)
    folder = out or (Path("out/play") if script is not None else None)
    with recording(env, folder) as records:
        if script is not None:
            moves = playing.read_script(script, env.world.spec.actions)
            playing.play_episode(env, playing.follow(moves), seed=seed)
        else:
            _play_by_hand(env, env_id, window, live, seed)
    _print_records(records, folder)


def _play_by_hand(env: Any, title: str, window: bool, live: bool, seed: int) -> None:
    """Episode after episode until the person stops."""
    from wmenv import play as playing
    from wmenv.terminal import Terminal
    from wmenv.window import Window

    with Window(title) if window else Terminal() as console:
        hands = playing.Hands(console, env, live)
        while playing.play_episode(env, hands, seed=seed):
            seed += 1


@app.command()
def record(
    env_id: Annotated[str | None, typer.Argument(metavar="ID", help="A registered id, or a world's name.")] = None,
    episodes: Annotated[int | None, typer.Option(help="How many.")] = None,
    policy: Annotated[str | None, typer.Option(help="random, wander, idle, or module:factory.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder for records and films.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of the first episode.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file like those in configs/record/.")] = None,
    settings: Settings = None,
) -> None:
    """Play episodes and keep their records, films and contact sheets."""
    from wmenv.record import RecordConfig
    from wmenv.record import record as recorded

    named = {"env": env_id, "episodes": episodes, "policy": policy, "out": out, "seed": seed}
    given = {key: value for key, value in named.items() if value is not None}
    chosen = RecordConfig.load(config, settings or [], **given)
    _print_records(recorded(chosen), chosen.out)


@app.command()
def demo(out: Out = Path("out/demo")) -> None:
    """Play a world for twelve seconds of its time; print the record, and keep it beside a film and a contact sheet."""
    from wmenv.record import demo as played

    record, files = played(out)
    _print_records([record], out)
    for file in files:
        print(file)


def _print_records(records: Sequence[Any], folder: Path | None) -> None:
    """The headline of each episode as a column, and where the rest is."""
    from wmenv.record import headline

    if records:
        shown = [headline(record) for record in records[-MOST_COLUMNS:]]
        table = Table("", *(f"episode {len(records) - len(shown) + place}" for place in range(1, len(shown) + 1)))
        for figure in shown[0]:
            table.add_row(figure, *(column[figure] for column in shown))
        Console().print(table)
    if folder is not None:
        print(f"{len(records)} recorded in {folder}")


app.add_typer(bench, name="bench")
app.command()(rollout)
app.command()(live)
app.add_typer(dataset, name="dataset")
app.command()(serve)
app.command()(training.collect)
app.command()(training.train)
app.command("eval")(training.evaluate)
app.command()(training.export)
