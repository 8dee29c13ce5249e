"""G7: is what is learnt inside a world worth as much outside as what was learnt outside?

For each task and seed one policy is trained in the real environment and one in the world, for equally many steps and
from the same beginnings, and both are tried in the real environment. Cloned demonstrations and chance stand beside
them. Every run is kept when it is done and every training as it goes, so the study can be stopped at any minute.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.bench.demonstrations import HELD_OUT, Demonstration, begun_at, demonstrate, starts_at
from wmenv.bench.learners import Learning, chances_of, clone, keep, learner, train
from wmenv.bench.tries import Chances, same_starts, tried
from wmenv.contract import World
from wmenv.errors import OptionError
from wmenv.metrics.iqm import iqm, stratified
from wmenv.worlds.catalog import load_world

ARMS = ("real", "world", "cloned", "random")
Record = dict[str, Any]
Say = Callable[[Record], None]


@dataclass(frozen=True)
class TransferSpec:
    """What is compared: the worlds by name, the tasks, how many seeds, how PPO learns and how policies are tried.

    A task is its name, tried from the first frame on; or `name@lead`, learnt and tried from real moments that lie at
    most `lead` steps before an expert is done. So a task too long to be learnt in so few steps counts for its end.
    """

    world: str = "gridrooms"
    real: str = "gridrooms-source"
    tasks: tuple[str, ...] = ("reach", "fetch", "unlock@8")
    seeds: int = 5
    learning: Learning = field(default_factory=Learning)
    demonstrations: int = 256
    episodes: int = 256
    horizon: int = 64
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the world, besides its task


QUICK = TransferSpec(
    tasks=("fetch",),
    seeds=2,
    learning=Learning(steps=512, rows=8, steps_per_update=32, batch=64, passes=2, horizon=16, keep_every=1),
    demonstrations=16,
    episodes=16,
    horizon=24,
)


def study(spec: TransferSpec, folder: Path, minutes: float = float("inf"), say: Say = lambda record: None) -> Record:
    """Do the runs that are not done yet, as far as `minutes` go, and sum up what there is."""
    end = time.monotonic() + 60 * minutes
    for task, seed, arm in runs_of(spec):
        if time.monotonic() >= end:
            break
        path = run_path(spec, folder, task, arm, seed)
        if not path.exists():
            record = one_run(spec, path, task, arm, seed)
            path.write_text(json.dumps(record))
            say(record)
    return summary(spec, finished(spec, folder))


def runs_of(spec: TransferSpec) -> Iterator[tuple[str, int, str]]:
    """All runs, seed by seed, so that whatever is done so far is balanced."""
    return ((task, seed, arm) for seed in range(spec.seeds) for task in spec.tasks for arm in ARMS)


def finished(spec: TransferSpec, folder: Path) -> list[Record]:
    """The records of the runs that are done."""
    paths = [run_path(spec, folder, task, arm, seed) for task, seed, arm in runs_of(spec)]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def run_path(spec: TransferSpec, folder: Path, task: str, arm: str, seed: int) -> Path:
    """Where a run is kept: under a name that changes with whatever its result depends on, and with nothing else."""
    facts = dataclasses.asdict(spec)
    del facts["tasks"], facts["seeds"]
    if arm == "world":
        facts["provenance"] = dict(_world(spec, task).spec.provenance)
    else:
        del facts["world"], facts["settings"]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()[:10]
    return folder / f"{task}-{arm}-{seed}-{digest}.json"


# --- one run ---------------------------------------------------------------------------------------------------------


def one_run(spec: TransferSpec, path: Path, task: str, arm: str, seed: int) -> Record:
    """Train or clone one policy, and try it in the real environment; one that learnt in the world, there as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    real = _world(spec, task, real=True)
    kept = path.with_suffix(".zip")
    seconds = 0.0
    if arm in ("real", "world"):
        model, seconds = train(_begun(spec, task, arm == "real"), spec.learning, seed, kept)
    else:
        model = learner(real, spec.learning, seed)
        if arm == "cloned":
            began = time.perf_counter()
            clone(model, _demonstrations(spec.real, task, spec.demonstrations), seed)
            seconds = time.perf_counter() - began
        keep(model, kept)
    chances = chances_of(model, stray=float(arm == "random"))
    record = {"task": task, "arm": arm, "seed": seed, "seconds": seconds, "steps": model.num_timesteps}
    record["real"] = _trial(spec, task, chances, real)
    if arm == "world":
        record["world"] = _trial(spec, task, chances, _world(spec, task))
    return record


def _trial(spec: TransferSpec, task: str, chances: Chances, world: World) -> Record:
    name, lead = read_task(task)
    real = _world(spec, task, real=True)
    if lead is None:
        starts, seeds = same_starts(world, real, spec.episodes)
    else:
        held_out = demonstrate(real, spec.episodes, lead, HELD_OUT)
        starts, seeds = starts_at(world, held_out, real), list(range(spec.episodes))
    return tried(chances, world, starts, seeds, spec.horizon, name).record()


def read_task(task: str) -> tuple[str, int | None]:
    """The name of a task, and how near its end it begins.

    >>> read_task("unlock@8"), read_task("reach")
    (('unlock', 8), ('reach', None))
    """
    name, _, lead = task.partition("@")
    if lead and not (lead.isdecimal() and int(lead)):
        raise OptionError(f"a task is 'name' or 'name@steps', such as 'unlock@8', got {task!r}.")
    return name, int(lead) if lead else None


def _world(spec: TransferSpec, task: str, real: bool = False) -> World:
    name, _ = read_task(task)
    return load_world(spec.real, task=name) if real else load_world(spec.world, task=name, **spec.settings)


@functools.lru_cache(maxsize=1)
def _demonstrations(real: str, task: str, count: int) -> Sequence[Demonstration]:
    name, lead = read_task(task)
    return demonstrate(load_world(real, task=name), count, lead)


def _begun(spec: TransferSpec, task: str, real: bool) -> World:
    """The world that a policy learns in."""
    demonstrations = _demonstrations(spec.real, task, spec.demonstrations)
    return begun_at(_world(spec, task, real), demonstrations, _world(spec, task, real=True))


# --- what it comes to ------------------------------------------------------------------------------------------------


def summary(spec: TransferSpec, records: Sequence[Record]) -> Record:
    """Per task the interquartile means of real success by arm, their ratio with its interval, and the gap."""
    tasks = [_task_summary(task, [one for one in records if one["task"] == task]) for task in spec.tasks]
    ratios = [task["ratio"] for task in tasks if task["ratio"] is not None]
    whole = len(records) == len(list(runs_of(spec)))
    result: Record = {"tasks": tasks, "complete": whole, "runs": len(records)}
    result["min_ratio"] = min(ratios) if len(ratios) == len(tasks) else None
    return result | {"spec": dataclasses.asdict(spec)}


def _task_summary(task: str, records: Sequence[Record]) -> Record:
    by_arm = {arm: [one for one in records if one["arm"] == arm] for arm in ARMS}
    success = {arm: np.array([one["real"]["success"] for one in runs]) for arm, runs in by_arm.items()}
    line: Record = {"name": task, "seeds": {arm: len(runs) for arm, runs in by_arm.items()}}
    line |= {arm: iqm(values) if len(values) else None for arm, values in success.items()}
    line |= {f"{arm}_runs": values.tolist() for arm, values in success.items()}
    line |= {f"{arm}_seconds": _mean(one["seconds"] for one in by_arm[arm]) for arm in ("real", "world")}
    line |= {"ratio": None, "ratio_ci": None, "ratio_above_random": None, "ratio_above_random_ci": None}
    if len(success["world"]) and len(success["real"]):
        ratio, *interval = _finite(stratified([success["world"], success["real"]], _ratio))
        line |= {"ratio": ratio, "ratio_ci": interval}
        if len(success["random"]):
            strata = [success[arm] for arm in ("world", "real", "random")]
            above, *interval = _finite(stratified(strata, _ratio_above))
            line |= {"ratio_above_random": above, "ratio_above_random_ci": interval}
    inside = [one["world"] for one in by_arm["world"]]
    line["inside"] = _mean(one["success"] for one in inside)
    line["exploitation_gap"] = _mean(one["world"]["success"] - one["real"]["success"] for one in by_arm["world"])
    line["unearned"] = _mean(one["unearned"] for one in inside if "unearned" in one)
    return line


def _ratio(strata: Sequence[np.ndarray]) -> float:
    world, real = map(iqm, strata)
    return world / real if real > 0 else float("nan")


def _ratio_above(strata: Sequence[np.ndarray]) -> float:
    world, real, random = map(iqm, strata)
    return (world - random) / (real - random) if real != random else float("nan")


def _finite(values: Sequence[float]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _mean(values: Any) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None
