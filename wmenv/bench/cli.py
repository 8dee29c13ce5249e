"""`wmenv bench`: the suite on the command line. Parses and shows; what is measured is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from wmenv.bench import studies

if TYPE_CHECKING:
    from wmenv.bench.suite import Progress, Suite
    from wmenv.contract import Start

Worlds = Annotated[list[str], typer.Option("--world", help="A world's name or module:factory; may be repeated.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the worlds.")]
Quick = Annotated[bool, typer.Option("--quick", help="Minutes, not hours: few scenes, short waits.")]
Out = Annotated[
    Path, typer.Option(help="Where findings, report and leaderboard are kept; a stopped run goes on there.")
]
Template = Annotated[str | None, typer.Option(help="Begin every scene from this template.")]
Prompts = Annotated[list[str] | None, typer.Option("--prompt", help="A direction that places something; repeatable.")]
Away = Annotated[int | None, typer.Option(min=1, help="How many pans take a view away, if not to be measured.")]
Scenes = Annotated[int | None, typer.Option(min=2, help="How many scenes instead of the suite's own number.")]

bench = typer.Typer(help="Measure how well worlds hold together.", no_args_is_help=True)
bench.command()(studies.transfer)
bench.command()(studies.ranking)


@bench.command()
def persistence(
    world: Worlds,
    quick: Quick = False,
    settings: Settings = None,
    template: Template = None,
    prompt: Prompts = None,
    away: Away = None,
    scenes: Scenes = None,
    out: Out = Path("out/bench"),
) -> None:
    """All probes: control, looking away and back, edits, soak, determinism, snapshots; one report for all worlds."""
    from wmenv.bench.suite import FULL, QUICK

    suite = _sized(QUICK if quick else FULL, scenes)
    _compare(world, suite, settings, out, start=_start(template), prompts=prompt or (), away=away)


@bench.command()
def drift(
    world: Worlds,
    quick: Quick = False,
    settings: Settings = None,
    template: Template = None,
    away: Away = None,
    scenes: Scenes = None,
    out: Out = Path("out/bench"),
) -> None:
    """Only the long ones: does it stay what it is, watched and revisited."""
    from wmenv.bench.suite import DRIFT, DRIFT_QUICK

    suite = _sized(DRIFT_QUICK if quick else DRIFT, scenes)
    _compare(world, suite, settings, out, start=_start(template), away=away)


@bench.command()
def paired(
    world: Worlds,
    against: Annotated[str, typer.Option(help="The real environment that the worlds stand for, as a world.")],
    quick: Quick = False,
    settings: Settings = None,
    real_settings: Annotated[
        list[str] | None, typer.Option("--against-set", metavar="KEY=VALUE", help="A setting of the real one.")
    ] = None,
    template: Template = None,
    out: Annotated[Path, typer.Option(help="Where paired.html and paired.json go.")] = Path("out/bench"),
) -> None:
    """Beside the real environment: the same beginning, the same actions, with a floor and a ceiling."""
    from wmenv.bench.paired.compare import QUICK, TITLES, PairedSpec, compare
    from wmenv.bench.paired.page import write_page
    from wmenv.bench.record import write_json
    from wmenv.config import with_overrides
    from wmenv.worlds.catalog import load_world

    real = load_world(against, **with_overrides({}, real_settings or []))
    worlds = {name: load_world(name, **with_overrides({}, settings or [])) for name in world}
    spec = QUICK if quick else PairedSpec()
    records = [compare(name, loaded, real, spec, template) for name, loaded in worlds.items()]
    write_json(out / "paired.json", records)
    write_page(out / "paired.html", records)
    table = Table("world", *(f"{figure} {title}" for figure, title in TITLES.items()))
    for record in records:
        found = (record["figures"][figure].get("estimate") for figure in TITLES)
        table.add_row(record["name"], *("unsupported" if value is None else f"{value:.2f}" for value in found))
    Console().print(table)
    print(f"{out / 'paired.html'}  {out / 'paired.json'}")


def _compare(
    worlds: list[str],
    suite: Suite,
    settings: list[str] | None,
    out: Path,
    **wishes: Any,
) -> None:
    """Run every world, write the report, show the profile; `wishes` are those of `run_suite`."""
    from wmenv.bench.record import enter, record_of, write_json
    from wmenv.bench.report import write_report
    from wmenv.bench.suite import findings_folder, run_suite
    from wmenv.config import with_overrides
    from wmenv.worlds.catalog import load_world

    records, sheets = [], {}
    for name in worlds:
        loaded = load_world(name, **with_overrides({}, settings or []))
        called = " ".join([name, *(settings or [])])
        with _progress() as progress:
            folder = findings_folder(out / "findings", name, settings or [])
            run = run_suite("" if settings else name, loaded, suite, folder=folder, progress=progress, **wishes)
        run.name = called
        records.append(record_of(run))
        sheets[called] = [sheet for asked in run.asked for sheet in asked.finding.sheets]
        enter(out / "leaderboard.jsonl", records[-1])
    write_json(out / "bench.json", records)
    write_report(out / "report.html", records, sheets)
    _show(records)
    print(f"{out / 'report.html'}  {out / 'bench.json'}  {out / 'leaderboard.jsonl'}")


def _sized(suite: Suite, scenes: int | None) -> Suite:
    """The suite over as many scenes as were asked for."""
    from dataclasses import replace

    return replace(suite, scenes=scenes) if scenes else suite


def _start(template: str | None) -> Start:
    from wmenv.contract import Start

    return Start(template=template)


def _show(records: list[dict]) -> None:
    from wmenv.bench.headline import AXES

    table = Table("world", *AXES, "minimum")
    for record in records:
        axes, minimum = record["headline"]["axes"], record["headline"]["minimum"]
        table.add_row(record["name"], *(_cell(axes[axis]) for axis in AXES), _cell(minimum))
    Console().print(table)


def _cell(axis: dict) -> str:
    if axis["estimate"] is None:
        return "unsupported"
    low, high = axis["ci"]
    return f"{axis['estimate']:.2f} ({low:.2f}-{high:.2f})"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar with what is under way and the time to go."""
    from tqdm import tqdm

    with tqdm(
        total=100, bar_format="{desc:<28} {percentage:3.0f}%|{bar}| {postfix}", leave=False, disable=None
    ) as shown:

        def say(what: str, share: float, seconds_to_go: float | None) -> None:
            shown.n = round(100 * share)
            shown.set_description_str(what, refresh=False)
            shown.set_postfix_str("" if seconds_to_go is None else f"{seconds_to_go:.0f} s to go", refresh=False)
            shown.update(0)

        yield say
