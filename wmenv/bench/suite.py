"""Which probes are asked in which order, and the asking: batched over scenes, kept on disk, with progress.

A finished probe is written at once and found again by everything that could change its result, so a run that was
stopped goes on where it was. Knows nothing of what probes mean.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wmenv.bench import bearings as finding_bearings
from wmenv.bench.probe import GATE_FAILED, Finding, Probe, Sheet, unsupported
from wmenv.bench.probes.control import Control
from wmenv.bench.probes.counterfactual import Counterfactual
from wmenv.bench.probes.determinism import Determinism
from wmenv.bench.probes.idle import Idle
from wmenv.bench.probes.interaction import Interaction
from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.probes.observer import Observer
from wmenv.bench.probes.pace import Pace
from wmenv.bench.probes.place import Place
from wmenv.bench.probes.prompted import Prompted
from wmenv.bench.probes.snapshot import Snapshot
from wmenv.bench.probes.soak import Soak
from wmenv.bench.probes.stopping import Stopping
from wmenv.bench.stage import Bearings, Scale, Stage
from wmenv.contract import Start, World
from wmenv.episodes import spec_facts
from wmenv.metrics.distance import Distance, MultiScale
from wmenv.runtime import code_digest

CONTENT = ("P2", "P3", "P4", "P5", "P6", "P10")  # what a world that shows nothing scores 0 in
Progress = Callable[[str, float, float | None], None]  # what is under way, share done, seconds to go


@dataclass(frozen=True)
class Suite:
    """Probes in the order in which they are asked, over so many scenes."""

    probes: tuple[Probe, ...]
    scenes: int
    first_seed: int = 40_000


FULL = Suite(
    (
        Pace(),
        Counterfactual(),
        Control(),
        LookAway((0, 60, 160, 1000)),
        Prompted(400),
        Place(),
        Soak(),
        Determinism(),
        Stopping(),
        Idle(),
        Observer(),
        Snapshot(),
        Interaction(),
    ),
    scenes=32,
)
QUICK = Suite(
    (
        Pace(150),
        Counterfactual(permutations=50),
        Control(60),
        LookAway((0, 40, 160)),
        Prompted(60),
        Place(20),
        Soak(400, 50),
        Determinism(16),
        Stopping(),
        Idle(120),
        Observer(),
        Snapshot(foreign=20),
        Interaction(),
    ),
    scenes=4,
)
DRIFT = Suite((Soak(10_000), Idle(10_000, 200)), scenes=32)
DRIFT_QUICK = Suite((Soak(1000), Idle(1000, 50)), scenes=4)


@dataclass
class Asked:
    """A probe and what it found."""

    probe: Probe
    finding: Finding


@dataclass
class Run:
    """Everything that was found about one world."""

    name: str
    world: str
    stage: Stage
    asked: list[Asked]
    seconds: float
    row_steps: int

    def of(self, probe_id: str) -> Asked | None:
        """The probe of that id, if it was asked."""
        return next((asked for asked in self.asked if asked.probe.id == probe_id), None)


def run_suite(
    name: str,
    world: World,
    suite: Suite = QUICK,
    *,
    start: Start | None = None,
    prompts: Sequence[str] = (),
    away: int | None = None,
    distance: Distance | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Ask every probe of `suite`; with a `folder`, findings are kept there and found again.

    `name` is what the world can be loaded by, or "" where it cannot. `prompts` are directions that place something, for
    a world that suggests none; `away` is how many pans take a view away, where that is known.
    """
    seeds = list(range(suite.first_seed, suite.first_seed + suite.scenes))
    stage = Stage(world, seeds, start or Start(), name, tuple(prompts), away, distance or MultiScale())
    began, taken = time.monotonic(), Odometer()
    stage.meter = taken
    find_bearings(stage, folder)
    probing = time.monotonic()
    planned = [probe.steps(stage) * len(seeds) if probe.lacks(stage) is None else 0 for probe in suite.probes]
    asked = []
    for at, probe in enumerate(suite.probes):
        say = Saying(progress, f"{world.spec.name} {probe.id}", sum(planned[:at]), planned[at], sum(planned), probing)
        taken.listener = say
        say(0)
        asked.append(Asked(probe, ask(probe, stage, folder)))
    if progress:
        progress(world.spec.name, 1.0, 0.0)
    return Run(name or world.spec.name, world.spec.name, stage, asked, time.monotonic() - began, taken.total)


def ask(probe: Probe, stage: Stage, folder: Path | None) -> Finding:
    """What the probe finds, or found before under the same conditions."""
    lacking = probe.lacks(stage)
    if lacking:
        return unsupported(stage.seeds, lacking)
    if stage.scale.degenerate and probe.id in CONTENT:
        reason = "degenerate world: different scenes look no more different than one scene from itself"
        return Finding([{"seed": int(seed), "outcome": GATE_FAILED, "reason": reason} for seed in stage.seeds])
    file = folder / f"{probe.id}-{key_of(stage, probe)}.npz" if folder else None
    if file and file.exists():
        return read(file)
    finding = probe.run(stage)
    if file:
        write(file, finding)
    return finding


def findings_folder(out: Path, name: str, settings: Sequence[str] = ()) -> Path:
    """Where findings about a world with such settings are kept."""
    return out / re.sub(r"[^\w+=.-]", "_", " ".join([name, *settings]))


def find_bearings(stage: Stage, folder: Path | None) -> None:
    """Measure P0 and the bearings, or read them back."""
    file = folder / f"P0-{key_of(stage)}.json" if folder else None
    if file and file.exists():
        kept = json.loads(file.read_text())
        stage.scale = Scale(**kept["scale"])
        known = kept["bearings"]
        by_pan = {name: {int(pan): value for pan, value in known[name].items()} for name in ("away", "strides")}
        stage.bearings = Bearings(known["lag"], known["smooth"], **by_pan)
        return
    stage.scale = finding_bearings.scale_of(stage)
    stage.bearings = finding_bearings.bearings_of(stage)
    if file:
        kept = {"scale": dataclasses.asdict(stage.scale), "bearings": dataclasses.asdict(stage.bearings)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept))


# --- what was found before ------------------------------------------------------------------------------------------


def key_of(stage: Stage, probe: Probe | None = None) -> str:
    """Twelve digits that change with anything that could change the finding."""
    spec = stage.world.spec
    told = [
        probe.spec.hash if probe else f"P0-{finding_bearings.VERSION}",
        stage.name,
        spec_facts(spec),
        code_digest(*_layers(stage.world)),
        list(stage.seeds),
        [stage.start.template, stage.start.prompt],
        list(stage.prompts),
        stage.away,
        [stage.distance.name, stage.distance.version, stage.distance.weights_sha256],
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode()).hexdigest()[:12]


def _layers(world: World) -> list[World]:
    """The world, and those that it is wrapped round."""
    inner = getattr(world, "world", None)
    return [world, *(_layers(inner) if inner is not None else [])]


def write(file: Path, finding: Finding) -> None:
    """Keep a finding, pictures and all; the file appears whole or not at all."""
    sheets = [{"title": sheet.title, "labels": list(sheet.labels), "broke": sheet.broke} for sheet in finding.sheets]
    told = {"scenes": finding.scenes, "facts": finding.facts, "curves": finding.curves, "sheets": sheets}
    pictures = {f"sheet{at}": np.stack(sheet.frames) for at, sheet in enumerate(finding.sheets)}
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".part.npz")
    pictures["told"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez_compressed(half, **pictures)  # type: ignore[arg-type]  # numpy's stub takes the names for its own flag
    half.replace(file)


def read(file: Path) -> Finding:
    """A finding that `write` kept."""
    with np.load(file, allow_pickle=False) as kept:
        told = json.loads(kept["told"].tobytes())
        sheets = [
            Sheet(sheet["title"], list(kept[f"sheet{at}"]), sheet["labels"], sheet["broke"])
            for at, sheet in enumerate(told["sheets"])
        ]
    return Finding(told["scenes"], told["facts"], told["curves"], sheets)


# --- progress -------------------------------------------------------------------------------------------------------


class Odometer:
    """Counts row-steps and tells whoever listens how many the current probe has taken."""

    def __init__(self) -> None:
        self.total = 0
        self.listener: Callable[[int], None] | None = None

    def __call__(self, row_steps: int) -> None:
        self.total += row_steps
        if self.listener:
            self.listener(row_steps)


class Saying:
    """Turns row-steps of one probe into the share of the whole that is done, and the seconds to go."""

    def __init__(
        self, progress: Progress | None, what: str, before: int, planned: int, whole: int, began: float
    ) -> None:
        self._progress, self._what, self._began = progress, what, began
        self._before, self._planned, self._whole, self._done = before, planned, max(whole, 1), 0

    def __call__(self, row_steps: int) -> None:
        self._done += row_steps
        if self._progress:
            share = (self._before + min(self._done, self._planned)) / self._whole
            elapsed = time.monotonic() - self._began
            self._progress(self._what, share, elapsed * (1 - share) / share if share > 0.01 else None)
