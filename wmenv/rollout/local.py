"""Workers on this machine: one in this process, or several in processes of their own.

Each process is on its own pipe, so that one that dies holds up no other. Knows nothing of episodes.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from wmenv.errors import OptionError, RolloutError, WmenvError
from wmenv.rollout.desk import Desk, OwnSeat
from wmenv.rollout.plan import Job
from wmenv.rollout.receipts import Receipt
from wmenv.rollout.worker import work

Told = Callable[[], None]
THREADS = "OMP_NUM_THREADS"


def run_here(job: Job, desk: Desk, told: Told) -> None:
    """Do all the work in this process; `told` is called whenever there is news."""

    class Seat(OwnSeat):
        def beat(self, steps: int, finished: Sequence[tuple[int, float | None]]) -> None:
            super().beat(steps, finished)
            told()

    work(job, Seat(desk))


# --- several processes ----------------------------------------------------------------------------------------------


@dataclass
class PipeSeat:
    """A seat at a desk in another process. When that process is gone, so is the reason to work on."""

    pipe: Connection

    def _ask(self, *message: Any) -> Any:
        try:
            self.pipe.send(message)
            answer = self.pipe.recv()
        except (EOFError, OSError):
            os._exit(1)
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


def labour(job: Job, pipe: Connection, threads: int) -> None:
    """What a worker process does; what stops it is told before it ends."""
    os.environ[THREADS] = str(threads)  # before anything imports torch
    try:
        work(job, PipeSeat(pipe))
        pipe.send(("stop", None))
    except WmenvError as problem:
        pipe.send(("stop", problem))
    except KeyboardInterrupt:
        pass  # the driver has been told by the same key
    except Exception:
        pipe.send(("stop", RolloutError(f"a worker failed:\n{traceback.format_exc()}")))


class Crew:
    """Worker processes at one desk; `told` is called whenever there is news."""

    def __init__(self, job: Job, desk: Desk, told: Told, workers: int) -> None:
        self._job, self._desk, self._told = job, desk, told
        self._spawn = multiprocessing.get_context("spawn")
        self._threads = int(os.environ.get(THREADS, max(1, (os.cpu_count() or 1) // workers)))
        self._hired = 0
        self._workers: dict[Any, tuple[int, Any]] = {}  # pipe -> the worker's number and its process
        for _ in range(min(workers, desk.left)):
            self._hire()

    def serve(self) -> None:
        """Answer whoever asks, until all have gone home."""
        while self._workers:
            for pipe in wait(list(self._workers)):
                self._answer(pipe)
            self._told()

    def dismiss(self) -> None:
        """End all processes that are left."""
        for _, process in self._workers.values():
            process.kill()
            process.join()
        self._workers.clear()

    def _hire(self) -> None:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=labour, args=(self._job, theirs, self._threads), daemon=True)
        try:
            process.start()
        except (TypeError, AttributeError, pickle.PicklingError) as problem:
            raise OptionError(
                f"this world or policy cannot be sent to another process: {problem}. Name it as 'module:name', or use "
                "one worker."
            ) from problem
        theirs.close()
        self._workers[ours] = (self._hired, process)
        self._hired += 1

    def _answer(self, pipe: Any) -> None:
        worker, process = self._workers[pipe]
        try:
            message, *arguments = pipe.recv()
        except (EOFError, OSError):
            return self._replace(pipe)
        if message == "stop":
            (problem,) = arguments
            del self._workers[pipe]
            process.join()
            if problem is not None:
                raise problem
            return None
        self._reply(pipe, worker, message, arguments)
        return None

    def _reply(self, pipe: Any, worker: int, message: str, arguments: list[Any]) -> None:
        try:
            answer = getattr(self._desk, message)(worker, *arguments)
        except WmenvError as problem:
            answer = problem
        try:
            pipe.send(answer)
        except OSError:
            self._replace(pipe)

    def _replace(self, pipe: Any) -> None:
        """A worker has died: others make what it had, and a new one takes its place."""
        worker, process = self._workers.pop(pipe)
        process.join()
        shards = self._desk.lost(worker, f"exit code {process.exitcode}")
        warnings.warn(
            f"worker {worker} died (exit code {process.exitcode}); shards {shards} are made again.",
            RuntimeWarning,
            stacklevel=2,
        )
        if self._desk.unclaimed:
            self._hire()


def run_processes(job: Job, desk: Desk, told: Told, workers: int) -> None:
    """Do the work in `workers` processes."""
    crew = Crew(job, desk, told, workers)
    try:
        crew.serve()
    finally:
        crew.dismiss()
