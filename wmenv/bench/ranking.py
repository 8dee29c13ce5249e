"""G6: whether a world ranks policies as the real environment does, over policies of graded skill.

The policies are clones of demonstrations, taught by more or by fewer of them and straying more or less often, with
chance and idleness below; trained policies may be added. Every one is tried on the same episodes on both sides, and
what is done is kept.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.bench.demonstrations import Demonstration, demonstrate
from wmenv.bench.learners import Learning, chances_of, clone, learner
from wmenv.bench.tries import Chances, Tries, real_starts, same_starts, tried
from wmenv.contract import World
from wmenv.errors import CheckpointError
from wmenv.metrics.ranking import ranking_record
from wmenv.worlds.catalog import load_world

Record = dict[str, Any]
Say = Callable[[Record], None]

CLONES = (  # how many demonstrations teach a clone, and how often it strays
    (256, 0.0),
    (256, 0.15),
    (256, 0.3),
    (256, 0.45),
    (256, 0.6),
    (256, 0.8),
    (64, 0.0),
    (64, 0.3),
    (16, 0.0),
    (16, 0.3),
)


@dataclass(frozen=True)
class RankingSpec:
    """Which policies are tried in which worlds, and how; `trained` are files that Stable-Baselines3's PPO has saved."""

    world: str = "gridrooms"
    real: str = "gridrooms-source"
    task: str = "fetch"
    clones: tuple[tuple[int, float], ...] = CLONES
    trained: tuple[str, ...] = ()
    passes: int = 20
    episodes: int = 256
    horizon: int = 64
    settings: Mapping[str, Any] = field(default_factory=dict)


QUICK = RankingSpec(
    clones=((16, 0.0), (16, 0.5), (4, 0.0)),
    passes=4,
    episodes=16,
    horizon=16,
)


def rank(spec: RankingSpec, folder: Path, minutes: float = float("inf"), say: Say = lambda record: None) -> Record:
    """Try the policies that were not tried yet, as far as `minutes` go, and compare the two orders."""
    end = time.monotonic() + 60 * minutes
    found = []
    for name in names_of(spec):
        path = folder / f"{spec.task}-{name.replace('/', '_')}-{_digest(spec, name)}.json"
        if not path.exists() and time.monotonic() < end:
            record = try_policy(spec, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record))
            say(record)
        if path.exists():
            found.append(json.loads(path.read_text()))
    return summary(spec, found)


def names_of(spec: RankingSpec) -> list[str]:
    """The policies by name, the least able first."""
    clones = [f"clone-{count}-stray-{stray:g}" for count, stray in spec.clones]
    return ["idle", "random", *reversed(clones), *spec.trained]


def try_policy(spec: RankingSpec, name: str) -> Record:
    """One policy on both sides, episode by episode."""
    real = load_world(spec.real, task=spec.task)
    world = load_world(spec.world, task=spec.task, **spec.settings)
    chances = _policy(spec, name, real)
    outside = tried(chances, real, *real_starts(spec.episodes), spec.horizon, spec.task)
    inside = tried(chances, world, *same_starts(world, real, spec.episodes), spec.horizon, spec.task)
    return {"policy": name, "task": spec.task, "real": _kept(outside), "world": _kept(inside)}


def summary(spec: RankingSpec, found: Sequence[Record]) -> Record:
    """What the orders have in common, and each policy's success on both sides."""
    table = [
        {"policy": one["policy"], "real": one["real"]["success"], "world": one["world"]["success"]} for one in found
    ]
    result: Record = {
        "task": spec.task,
        "policies": len(found),
        "complete": len(found) == len(names_of(spec)),
        "table": table,
        "unearned": float(np.mean([one["world"].get("unearned", 0.0) for one in found])) if found else None,
        "spec": dataclasses.asdict(spec),
    }
    if len(found) < 3:
        return result | dict.fromkeys(("pearson_r", "pearson_r_lo", "kendall_tau_b", "mmrv"))
    real, world = (np.array([one[side]["paid"] for one in found], float) for side in ("real", "world"))
    return result | ranking_record(real, world)


def _policy(spec: RankingSpec, name: str, real: World) -> Chances:
    actions = real.spec.actions
    if name == "random":
        return lambda frames: np.full((len(frames), actions.count), 1 / actions.count)
    if name == "idle":
        still = np.arange(actions.count) == actions.noop
        return lambda frames: np.tile(still.astype(float), (len(frames), 1))
    if name in spec.trained:
        return chances_of(_trained(name))
    count, stray = next(pair for pair in spec.clones if name == f"clone-{pair[0]}-stray-{pair[1]:g}")
    return chances_of(_clone(spec, count), stray)


def _trained(path: str) -> Any:
    from stable_baselines3 import PPO

    try:
        return PPO.load(path, device="cpu")
    except (OSError, ValueError, KeyError) as problem:
        raise CheckpointError(f"{path} is no PPO that can be read: {problem}.") from problem


def _clone(spec: RankingSpec, count: int) -> Any:
    return _cloned(spec.real, spec.task, count, spec.passes)


@functools.lru_cache(maxsize=4)
def _cloned(real: str, task: str, count: int, passes: int) -> Any:
    world = load_world(real, task=task)
    return clone(learner(world, Learning(), seed=0), _demonstrated(real, task, count), seed=0, passes=passes)


@functools.lru_cache(maxsize=4)
def _demonstrated(real: str, task: str, count: int) -> Sequence[Demonstration]:
    return demonstrate(load_world(real, task=task), count)


def _kept(tries: Tries) -> Record:
    return tries.record() | {"paid": tries.paid.astype(int).tolist()}


def _digest(spec: RankingSpec, name: str) -> str:
    """Changes with whatever the result of one policy depends on, what is in its file among it."""
    facts = dataclasses.asdict(spec)
    del facts["clones"], facts["trained"]
    if name in spec.trained and Path(name).is_file():  # else trying it says what is wrong
        facts["file"] = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    facts["provenance"] = dict(load_world(spec.world, task=spec.task, **spec.settings).spec.provenance)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=repr).encode()).hexdigest()[:10]
