"""`rollout`: from a plan to a finished data set, whatever is already there and however the work is done.

Takes stock of the folder, lets an engine make what is missing, and writes the manifest and the report. Knows no world.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wmenv.contract import World
from wmenv.errors import OptionError, RolloutError
from wmenv.rollout.dataset import Dataset
from wmenv.rollout.desk import Desk
from wmenv.rollout.files import locked, sweep
from wmenv.rollout.local import run_here, run_processes
from wmenv.rollout.plan import Job, Plan
from wmenv.rollout.policies import Policy, policy_name
from wmenv.rollout.progress import Progress
from wmenv.rollout.receipts import (
    SHARDS,
    Receipt,
    grown,
    read_manifest,
    shard_path,
    take_stock,
    write_manifest,
)

BATCH = 16
Engine = Callable[[Job, Desk, Callable[[], None]], None]


def rollout(
    world: World | str | None = None,
    policy: Policy | str | None = None,
    episodes: int | None = None,
    out: str | Path = "out/rollout",
    *,
    batch: int | None = None,
    workers: int = 1,
    ray: bool = False,
    ray_address: str | None = None,
    gpus_per_worker: float = 0.0,
    resume: bool = False,
    record: bool = True,
    report: bool = True,
    progress: bool = True,
    config: str | Path | None = None,
    **settings: Any,
) -> Dataset:
    """Make `episodes` episodes of `policy` in `world`, and keep them in the folder `out`.

    `settings` are those of `Plan`; a YAML file `config` may hold them too. `batch` is how many rows a worker steps at a
    time. One worker works in this process, several in their own; with `ray` they are actors. With `resume`, what `out`
    holds is kept, and what is missing or damaged is made; nothing else need be named then.
    """
    given = _named(world, policy, episodes) | settings
    folder = Path(out)
    with locked(folder):
        plan, batch = _decided(folder, given, config, batch, resume)
        job = Job(plan, folder, batch, record, *(None if isinstance(o, str) else o for o in (world, policy)))
        engine = _engine(workers, ray or ray_address is not None, ray_address, gpus_per_worker)
        data = _make(job, engine, progress)
        if report:
            from wmenv.rollout.report import write_report

            write_report(data)
    return data


def _engine(workers: int, on_ray: bool, address: str | None, gpus: float) -> Engine:
    """How the work is done."""
    if workers < 1:
        raise OptionError(f"a rollout needs at least one worker, got {workers}.")
    if on_ray:
        from wmenv.rollout.ray_engine import run_actors

        return functools.partial(run_actors, workers=workers, address=address, gpus=gpus)
    return run_here if workers == 1 else functools.partial(run_processes, workers=workers)


def _named(world: World | str | None, policy: Policy | str | None, episodes: int | None) -> dict[str, Any]:
    """What a plan says of the things that were given."""
    given = {
        "world": f"{world.spec.name} (object)" if isinstance(world, World) else world,  # no name that could be loaded
        "policy": None if policy is None else policy_name(policy),
        "episodes": episodes,
    }
    return {name: value for name, value in given.items() if value is not None}


def _decided(
    folder: Path, given: Mapping[str, Any], config: str | Path | None, batch: int | None, resume: bool
) -> tuple[Plan, int]:
    """The plan and the batch of a folder, new or begun before."""
    told = read_manifest(folder)
    nothing_seen = told is not None and told["spec"] is None  # no world, or a misspelt policy, stopped it at once
    if told is None or (nothing_seen and (config is not None or "world" in given)):
        if config is None and "world" not in given:
            raise OptionError(f"say which world to roll out; {folder} holds no rollout to go on with.")
        plan = Plan.load(config, **given).with_shards()
        return plan, batch or min(BATCH, plan.episodes)
    before = Plan.model_validate(told["plan"])
    if not resume:
        raise RolloutError(
            f"{folder} already holds a rollout of {before.episodes} episodes. Go on with --resume, or choose another "
            "folder."
        )
    asked = Plan.load(config, **(before.model_dump() if config is None else {}) | dict(given))
    return grown(before, asked), batch or told["batch"]


def _make(job: Job, engine: Engine, shown: bool) -> Dataset:
    """Let the engine make what is missing."""
    plan, folder = job.plan, job.folder
    told = read_manifest(folder)
    sweep(folder / SHARDS)
    receipts = _stock(folder, plan)
    missing = [shard for shard in plan.shards if shard not in receipts]
    desk = Desk(missing, told and told["spec"])
    write_manifest(folder, plan, job.batch, desk.spec, list(receipts.values()))
    bar = Progress(sum(receipt.stop - receipt.first for receipt in receipts.values()), plan.episodes, shown)
    known = desk.spec is not None

    def listen() -> None:
        nonlocal known
        news = desk.news()
        bar.add(news)
        receipts.update((receipt.shard, receipt) for receipt in news.receipts)
        if not known and desk.spec is not None:  # from now on another world is noticed, whoever is killed
            known = True
            write_manifest(folder, plan, job.batch, desk.spec, list(receipts.values()))

    try:
        if missing:
            engine(job, desk, listen)
        listen()
    finally:
        bar.close()
    write_manifest(folder, plan, job.batch, desk.spec, list(receipts.values()))
    return Dataset(folder)


def _stock(folder: Path, plan: Plan) -> dict[int, Receipt]:
    """The shards that are there and whole; damaged ones are named."""
    whole = {}
    for shard, receipt, wrong in take_stock(folder, plan):
        if receipt is not None:
            whole[shard] = receipt
        elif wrong:
            numbers = plan.episodes_of(shard)
            warnings.warn(
                f"{shard_path(folder, shard, plan.format)} is damaged: {wrong}. Its episodes {numbers.start} to "
                f"{numbers.stop - 1} are made again.",
                RuntimeWarning,
                stacklevel=5,
            )
    return whole
