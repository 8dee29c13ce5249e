"""Workers as Ray actors, on this machine or a cluster: each with its own copy of the world, all at one desk.

The desk is an actor too. What crosses Ray is numbers and receipts; every actor writes its own shards, so all machines
must see the folder under the same name. Knows nothing of episodes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wmenv.errors import MissingExtraError, OptionError, RolloutError, WmenvError
from wmenv.rollout.desk import Desk, News
from wmenv.rollout.local import Told
from wmenv.rollout.plan import Job
from wmenv.rollout.receipts import Receipt
from wmenv.rollout.worker import work

LOOK_S = 0.3  # how often the driver asks for news


@dataclass
class ActorSeat:
    """A seat at a desk that is an actor."""

    desk: Any
    worker: int

    def _ask(self, method: str, *arguments: Any) -> Any:
        import ray

        answer = ray.get(self.desk.ask.remote(method, self.worker, *arguments))
        if isinstance(answer, WmenvError):
            raise answer
        return answer

    def introduce(self, spec: Mapping[str, Any]) -> None:
        self._ask("introduce", spec)

    def claim(self) -> int | None:
        return self._ask("claim")

    def beat(self, steps: int, finished: Sequence[tuple[int, float | None]]) -> None:
        self._ask("beat", steps, finished)

    def hand_in(self, receipt: Receipt) -> None:
        self._ask("hand_in", receipt)


class DeskActor:
    """A desk in a process of its own. Our errors are answers, so that Ray does not wrap them."""

    def __init__(self, shards: list[int], spec: Mapping[str, Any] | None) -> None:
        self._desk = Desk(shards, spec)

    def ask(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._desk, method)(*arguments)
        except WmenvError as problem:
            return problem

    def look(self) -> tuple[News, Mapping[str, Any] | None]:
        """News, and what the world is."""
        return self._desk.news(), self._desk.spec


class WorkerActor:
    """One world, one batch of rows."""

    def work(self, job: Job, desk: Any, worker: int) -> WmenvError | None:
        try:
            work(job, ActorSeat(desk, worker))
        except WmenvError as problem:
            return problem
        return None


class Crew:
    """The actors of one rollout, and the driver's own desk, which hears everything the actors' desk does."""

    def __init__(self, job: Job, desk: Desk, told: Told, workers: int, gpus: float) -> None:
        import ray

        self._ray: Any = ray  # whose types do not know what its decorator makes of a class
        self._desk, self._told = desk, told
        self._job = replace(job, folder=Path(job.folder).absolute())
        shards = list(iter(lambda: desk.claim(0), None))
        self._far = self._ray.remote(num_cpus=0, num_gpus=0)(DeskActor).remote(shards, desk.spec)
        self._worker = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(WorkerActor)
        self._hired = 0
        self._busy: dict[Any, tuple[int, Any]] = {}  # what an actor will return -> its number and the actor
        for _ in range(min(workers, len(shards))):
            self._hire()

    def serve(self) -> None:
        """Wait for the actors, replace those that are lost, and pass on the news."""
        while self._busy:
            done, _ = self._ray.wait(list(self._busy), timeout=LOOK_S)
            self._look()
            for outcome in done:
                self._settle(outcome)
        self._look()

    def dismiss(self) -> None:
        """End the actors that are left."""
        for _, actor in self._busy.values():
            self._ray.kill(actor)
        self._ray.kill(self._far)

    def _hire(self) -> None:
        actor = self._worker.remote()
        self._busy[actor.work.remote(self._job, self._far, self._hired)] = (self._hired, actor)
        self._hired += 1

    def _look(self) -> None:
        """Bring the driver's desk up to date."""
        news, spec = self._ray.get(self._far.look.remote())
        if spec is not None:
            self._desk.introduce(0, spec)
        self._desk.beat(0, news.steps, news.finished)
        for receipt in news.receipts:
            self._desk.hand_in(0, receipt)
        self._told()

    def _settle(self, outcome: Any) -> None:
        """An actor has gone home, or was lost; then others make what it had, and a new one takes its place."""
        worker, _ = self._busy.pop(outcome)
        try:
            problem = self._ray.get(outcome)
        except self._ray.exceptions.RayActorError as lost:
            shards = self._ray.get(self._far.ask.remote("lost", worker, str(lost).splitlines()[0]))
            if isinstance(shards, WmenvError):
                raise shards from lost
            warnings.warn(f"actor {worker} was lost; shards {shards} are made again.", RuntimeWarning, stacklevel=2)
            self._hire()
        except self._ray.exceptions.RayTaskError as failed:
            raise RolloutError(f"an actor failed:\n{failed}") from failed
        else:
            if problem is not None:
                raise problem


def run_actors(job: Job, desk: Desk, told: Told, workers: int, address: str | None, gpus: float) -> None:
    """Do the work in `workers` actors of the cluster at `address`, or of one on this machine."""
    try:
        import ray
    except ImportError as problem:
        raise MissingExtraError("Ray is not installed: pip install 'wmenv[ray]'.") from problem
    ours = not ray.is_initialized()
    if ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody else's business
        try:
            own: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, **own)
        except (ConnectionError, ValueError) as problem:
            raise OptionError(f"no Ray cluster can be reached at {address!r}: {problem}.") from problem
    crew = Crew(job, desk, told, workers, gpus)
    try:
        crew.serve()
    finally:
        crew.dismiss()
        if ours:
            ray.shutdown()
