"""A run as plain values: what the JSON file, the report and the leaderboard all say, from one place."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wmenv.bench.complaints import complaints
from wmenv.bench.headline import AXES, headline, probe_interval
from wmenv.bench.suite import Asked, Run
from wmenv.metrics.bootstrap import DRAWS
from wmenv.runtime import environment_facts

SCHEMA = "wmenv-bench-1"
Record = dict[str, Any]


def record_of(run: Run, draws: int = DRAWS) -> Record:
    """Everything a run has found, as JSON holds it."""
    stage, spec = run.stage, run.stage.world.spec
    distance = {name: getattr(stage.distance, name) for name in ("name", "version", "weights_sha256")}
    return {
        "schema": SCHEMA,
        "name": run.name,
        "world": run.world,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "headline": headline(run, draws).record(),
        "facts": _facts(run),
        "complaints": [dataclasses.asdict(check) for check in complaints(run)],
        "probes": [_probe(asked, draws) for asked in run.asked],
        "scale": dataclasses.asdict(stage.scale) | {"degenerate": stage.scale.degenerate},
        "bearings": dataclasses.asdict(stage.bearings),
        "distance": distance,
        "scenes": len(stage.seeds),
        "first_seed": int(stage.seeds[0]),
        "start": {"template": stage.start.template, "prompt": stage.start.prompt},
        "cost": {"seconds": round(run.seconds, 1), "row_steps": run.row_steps},
        "provenance": {**environment_facts(), **dict(spec.provenance)},
    }


def _facts(run: Run) -> Record:
    """Plain properties that stand beside the profile and are no part of it."""
    spec = run.stage.world.spec
    facts: Record = {"fps": run.stage.fps, "lag_steps": run.stage.bearings.lag}
    facts["lag_s"] = run.stage.bearings.lag / run.stage.fps
    for probe_id, names in (("P1", ("bitwise", "fresh_process")), ("P9", ("bytes_per_row", "save_ms", "restore_ms"))):
        asked = run.of(probe_id)
        facts |= {name: asked.finding.facts.get(name) for name in names} if asked else {}
    return facts | {"snapshots": spec.snapshots, "seeded": spec.seeded, "floor": run.stage.scale.floor}


def _probe(asked: Asked, draws: int) -> Record:
    spec, finding = asked.probe.spec, asked.finding
    interval = probe_interval(asked, draws)
    reasons = sorted({scene["reason"] for scene in finding.scenes if scene["reason"]})
    return {
        **dataclasses.asdict(spec),
        "hash": spec.hash,
        "question": asked.probe.question,
        "score": None if interval is None else round(interval[0], 4),
        "ci": None if interval is None else [round(bound, 4) for bound in interval[1:]],
        "outcomes": finding.tally,
        "reasons": reasons,
        "facts": finding.facts,
        "curves": finding.curves,
        "scenes": finding.scenes,
    }


def write_json(path: Path, records: list[Record]) -> None:
    """All records of one comparison."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=1, allow_nan=False, default=_plain))


def enter(leaderboard: Path, record: Mapping[str, Any]) -> None:
    """Add a run as one line; the file only grows, and a line holds what two runs need to be compared."""
    axes = record["headline"]["axes"]
    line = {
        "when": record["when"],
        "name": record["name"],
        "minimum": record["headline"]["minimum"],
        **{axis: axes[axis] for axis in AXES},
        "scenes": record["scenes"],
        "first_seed": record["first_seed"],
        "probes": {probe["id"]: probe["hash"] for probe in record["probes"]},
        "distance": record["distance"],
        "provenance": record["provenance"],
    }
    leaderboard.parent.mkdir(parents=True, exist_ok=True)
    with leaderboard.open("a") as file:
        file.write(json.dumps(line, allow_nan=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """What numpy left behind, as JSON's own."""
    return value.item() if hasattr(value, "item") else list(value)
