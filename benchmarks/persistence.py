"""How long does a world keep what it showed? Absence, edits, long runs, and what the real environment gets.

Runs the probes of `wmenv.bench` with the waits that persistence is claimed for, on any world by name, and, with
`--without memory=none`, what the same world keeps under another setting. Run: python benchmarks/persistence.py
[--quick] [--world NAME]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from wmenv.bench.headline import headline
from wmenv.bench.probe import Probe
from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.probes.place import Place
from wmenv.bench.probes.prompted import Prompted
from wmenv.bench.probes.soak import Soak
from wmenv.bench.suite import FULL, QUICK, Run, Suite, findings_folder, run_suite
from wmenv.bench.take import Take
from wmenv.config import with_overrides
from wmenv.contract import Start, World
from wmenv.metrics.revisits import Revisits
from wmenv.metrics.thumbnail import halved, thumbnails
from wmenv.runtime import environment_facts
from wmenv.worlds.catalog import load_world

DWELLS = (16, 160, 1000, 10_000)
QUICK_DWELLS = (16, 160)
SELF_CONSISTENCY = 1000  # free-running steps over which natural revisits are scored
ENDURANCE = (1000, 100_000)  # steps at which milliseconds and bytes are compared
STRETCH = 400  # steps timed of each
STICKY = 0.85
SHORT = {"memory=none": "no_memory", "memory=window": "window_only", "memory=places": "places_only"}


def persistence_suite(quick: bool) -> Suite:
    """The probes that persistence rests on, with its own waits."""
    dwells = QUICK_DWELLS if quick else DWELLS
    waits: dict[str, Probe] = {
        "P4": LookAway(dwells),
        "P5": Prompted(60 if quick else 5000),
        "P6": Place(),
        "P10": Soak(400, 50) if quick else Soak(10_000),
    }
    base = QUICK if quick else FULL
    return replace(base, probes=tuple(waits.get(probe.id, probe) for probe in base.probes))


def natural_persistence(world: World, seeds: Sequence[int], start: Start, steps: int) -> dict[str, Any]:
    """Natural revisits while a sticky random viewer roams a wholly generated world, early and late."""
    table, rng = world.spec.actions, np.random.default_rng(0)
    take = Take.opened(world, [start] * len(seeds), seeds)
    watching = [[Revisits(table), Revisits(table)] for _ in seeds]  # of the first half of the time, and of the second
    actions = table.sample(rng, len(take))
    for step in range(1, steps + 1):
        actions = np.where(rng.random(len(take)) < STICKY, actions, table.sample(rng, len(take)))
        take.act(actions)
        small = halved(thumbnails(take.frames))
        poses = None if take.outcome is None else take.outcome.pose
        for row, halves in enumerate(watching):
            pose = None if poses is None else np.asarray(poses[row])
            halves[2 * step > steps].fold(small[row : row + 1], [int(actions[row])], [pose], step, 0.0)
    early, late = ([halves[at].record()["persistence"] for halves in watching] for at in (0, 1))
    return {"early": mean_of(early), "late": mean_of(late), "all": mean_of(early + late), "steps": steps}


def endurance(world: World, seed: int, start: Start, last: int) -> dict[str, Any]:
    """Milliseconds and bytes of a step near the end of a very long run of one row over those near its beginning; the
    row as it was then is stepped by turns with the row as it is now, so that both meet the same machine."""
    table, rng = world.spec.actions, np.random.default_rng(0)
    old = Take.opened(world, [start], [seed])
    early = min(ENDURANCE[0], last // 2)
    for step in range(1, last + 1):
        old.act(table.sample(rng, 1))
        if step == early:
            young = old.fork()
    bytes_ratio, seconds = old.state.nbytes / young.state.nbytes, []
    for _ in range(STRETCH):
        action = table.sample(rng, 1)
        seconds.append([take.act(action).seconds for take in (young, old)])
    first, then = np.median(seconds, axis=0).tolist()
    return {"ms_ratio": then / first, "bytes_ratio": bytes_ratio, "steps": last}


def mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def facts_of(run: Run, probe_id: str) -> dict[str, Any]:
    asked = run.of(probe_id)
    return asked.finding.facts if asked else {}


def summary(run: Run, roaming: dict[str, Any], lasting: dict[str, Any]) -> dict[str, Any]:
    """The figures that the claims are about."""
    away, asked, placed, soak = (facts_of(run, probe_id) for probe_id in ("P4", "P5", "P6", "P10"))
    return {
        **{f"return_j_{dwell}": away.get(f"j_{dwell}") for dwell in DWELLS},
        f"self_consistency_{roaming['steps']}": roaming["all"],
        "self_consistency_early": roaming["early"],
        "self_consistency_late": roaming["late"],
        "keep": placed.get("keep"),
        "revert": placed.get("revert"),
        "halflife_steps": asked.get("half_life_steps"),
        "halflife_watched_steps": asked.get("watched_steps"),
        "leak": asked.get("leak"),
        "soak_z": soak.get("drift_z"),
        "identity": soak.get("identity"),
        f"ms_ratio_{lasting['steps'] // 1000}k": lasting["ms_ratio"],
        f"bytes_ratio_{lasting['steps'] // 1000}k": lasting["bytes_ratio"],
    }


def measure(asked: argparse.Namespace) -> tuple[Run, dict[str, Any]]:
    """The whole suite on the world as it is."""
    world, start = load_world(asked.world, **with_overrides({}, asked.set)), Start(template=asked.template)
    folder = findings_folder(asked.out, asked.world, asked.set) if asked.out else None
    run = _run(asked, world, persistence_suite(asked.quick), "" if asked.set else asked.world, folder)
    seeds = run.stage.seeds
    roaming = natural_persistence(world, seeds, start, _roam(asked))
    lasting = endurance(world, seeds[0], start, 1000 if asked.quick else ENDURANCE[1])
    return run, summary(run, roaming, lasting)


def measure_without(asked: argparse.Namespace, setting: str) -> dict[str, Any]:
    """What the world keeps under another setting: looking away, and roaming."""
    world = load_world(asked.world, **with_overrides({}, [*asked.set, setting]))
    suite = replace(persistence_suite(asked.quick), probes=(LookAway(QUICK_DWELLS),))
    run = _run(asked, world, suite)
    away = facts_of(run, "P4")
    roaming = natural_persistence(world, run.stage.seeds, Start(template=asked.template), _roam(asked))
    figures = {f"return_j_{dwell}": away.get(f"j_{dwell}") for dwell in QUICK_DWELLS}
    return figures | {f"self_consistency_{roaming['steps']}": roaming["all"]}


def _run(asked: argparse.Namespace, world: World, suite: Suite, name: str = "", folder: Path | None = None) -> Run:
    suite = replace(suite, scenes=asked.scenes) if asked.scenes else suite
    run = run_suite(name, world, suite, start=Start(template=asked.template), folder=folder, progress=tell)
    print(file=sys.stderr)
    return run


def _roam(asked: argparse.Namespace) -> int:
    return 200 if asked.quick else SELF_CONSISTENCY


def tell(what: str, share: float, seconds_to_go: float | None) -> None:
    left = "" if seconds_to_go is None else f", {seconds_to_go:.0f} s to go"
    print(f"\r{what:<40} {share:4.0%}{left:<20}", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="minutes: 4 scenes, short waits")
    parser.add_argument("--world", default="pan", help="a world's name or module:factory (default: pan)")
    parser.add_argument("--without", action="append", default=[], metavar="KEY=VALUE", help="a setting to compare with")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the worlds")
    parser.add_argument("--template", help="begin every scene from this template")
    parser.add_argument("--scenes", type=int, help="how many scenes (default: 32, quick 4)")
    parser.add_argument("--out", type=Path, help="keep findings here, so that a stopped run goes on")
    asked = parser.parse_args()
    began = time.monotonic()
    run, figures = measure(asked)
    others = {setting: measure_without(asked, setting) for setting in asked.without}
    table = Table("figure", asked.world, *others)
    for figure, value in figures.items():
        table.add_row(figure, shown(value), *(shown(other.get(figure)) for other in others.values()))
    told: dict[str, Any] = {
        f"{figure}_{SHORT.get(setting, setting)}": value
        for setting, other in others.items()
        for figure, value in other.items()
    }
    Console(width=120).print(table)
    profile = headline(run).record()
    told |= {"seconds": round(time.monotonic() - began, 1), "scenes": len(run.stage.seeds), **environment_facts()}
    print(json.dumps({"benchmark": "persistence", "world": asked.world, **figures, "headline": profile, **told}))


def shown(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
