"""One world, many sessions: steps that several clients ask for become one call of the world.

Lives in an event loop and owns the world: every call of it runs in one thread, never in the loop. What it keeps are
values, so sessions can be forked, kept and restored, and a step that is asked for twice is made once. Knows nothing of
sockets; a page, a test and a server stand on it alike.

>>> import asyncio
>>> from wmenv.contract import Start
>>> from wmenv.worlds.pan import PanWorld
>>> async def two_steps():
...     async with Hub(PanWorld()) as hub:
...         with hub.client("somebody") as client:
...             [first] = await hub.open(client, [Start()], [7])
...             await hub.advance(client, [Move(first.session, 1, 0)])
...             [sight] = await hub.advance(client, [Move(first.session, 2, 0)])
...             return sight.step, sight.frames.shape
>>> asyncio.run(two_steps())
(2, (1, 64, 64, 3))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from wmenv.contract import Direction, Instructs, Start, State, World
from wmenv.errors import ActionError, BusyError, DirectionError, ProtocolError, SessionError, StartError, WmenvError
from wmenv.serve.book import Client, Kept, Move, Session, Sight, Wish
from wmenv.serve.fair import FairQueue
from wmenv.serve.gauges import Gauges
from wmenv.serve.limits import Limits
from wmenv.serve.orders import Asked, Job, Steps, make, sight_of
from wmenv.serve.pool import Pool
from wmenv.serve.register import SOON_S, Register

__all__ = ["Client", "Hub", "Kept", "Move", "Session", "Sight"]

GOING = "the server is going away."
HOUSE = None  # whose line the hub's own jobs wait in

T = TypeVar("T")
log = logging.getLogger("wmenv.serve")


class Hub:
    """Sessions of one world. Use it as an asynchronous context; every method belongs to that event loop."""

    def __init__(self, world: World, limits: Limits | None = None) -> None:
        self.world, self.spec = world, world.spec
        self.limits = limits or Limits()
        self.instructs = isinstance(world, Instructs)
        self.boot = secrets.token_hex(8)  # another hub, another boot
        self.gauges = Gauges()
        self._register = Register(self.limits)
        self._pool = Pool(world)
        self._queue: FairQueue[Steps | Job] = FairQueue()
        self._rung = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "wmenv-world")
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Self:
        self.limits = self.limits.for_world(self.spec, await self._in_thread(self._moment_bytes))
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._sweep())]
        return self

    async def __aexit__(self, kind: type | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown()
        for client in self._register.clients.values():
            for session in client.sessions.values():
                self._give_up(session, GOING)
        for done in list(self._jobs):
            done.set_exception(SessionError(f"this cannot be done any more: {GOING}"))

    # --- clients ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def client(self, name: str) -> Iterator[Client]:
        """The client of that name, new or as it was left; nobody's lease on it runs out while this context is open."""
        client = self._register.clients.setdefault(name, Client(name))
        client.here += 1
        try:
            yield client
        finally:
            client.here -= 1
            self._register.touch(client)
            self._forget_if_empty(client)

    def now(self) -> dict[str, float]:
        """How much of everything there is."""
        return self._register.now() | {"queue": len(self._queue)}

    # --- sessions ---------------------------------------------------------------------------------------------------

    async def open(self, client: Client, starts: Sequence[Start], seeds: Sequence[int]) -> list[Sight]:
        """New sessions, and the first frame of each."""
        if len(starts) != len(seeds):
            raise ProtocolError(f"every start has its seed, got {len(starts)} starts and {len(seeds)} seeds.")
        for start in starts:
            self._check_text(start.check(self.spec).prompt or "", StartError)
        sessions = self._register.new_sessions(client, [0] * len(starts))
        names = [session.name for session in sessions]

        def opened() -> list[Sight]:
            outcome = self._pool.open(names, starts, seeds)
            for session in sessions:
                session.nbytes = self._pool.nbytes(session.name)
            return [sight_of(outcome, row, name=name, step=0) for row, name in enumerate(names)]

        with self._undone_if_refused(sessions):
            sights = await self._job(client, len(starts), opened)
        for session, sight in zip(sessions, sights, strict=True):
            session.sight = sight
        self.gauges.counts["opened"] += len(sights)
        return sights

    async def advance(self, client: Client, moves: Sequence[Move]) -> list[Sight]:
        """One step of each session, all of them or none; a step that was asked for before is not made again."""
        sessions = self._register.sessions(client, [move.session for move in moves])
        if len({move.session for move in moves}) < len(moves):
            raise ProtocolError("two moves of one session came together; a request makes one step of each.")
        fresh = [self._register.is_fresh(session, move) for session, move in zip(sessions, moves, strict=True)]
        self.gauges.counts["retried"] += len(moves) - sum(fresh)
        self._ask(client, [pair for pair, new in zip(zip(sessions, moves, strict=True), fresh, strict=True) if new])
        return await self._shown([self._promised(s, move) for s, move in zip(sessions, moves, strict=True)])

    def direct(self, client: Client, session: str, direction: Direction, ticket: str | None = None) -> int:
        """A direction for the next step that nobody has asked for; how many steps were made when it came."""
        [found] = self._register.sessions(client, [session])
        if ticket is not None and ticket in found.tickets:
            return found.tickets[ticket].received_at
        self._check_direction(direction)
        if len(found.wishes) >= self.limits.ahead:
            raise BusyError(f"{len(found.wishes)} directions wait for their steps already.", SOON_S)
        found.remember(Wish(direction, found.step, ticket))
        return found.step

    async def fork(self, client: Client, names: Sequence[str]) -> list[Session]:
        """New sessions with the past of others, as it is after every step that was asked for before."""
        parents = self._register.sessions(client, names)
        sessions = self._register.new_sessions(client, [parent.nbytes for parent in parents])

        def forked() -> None:
            self._pool.add([session.name for session in sessions], self._pool.take(names))
            for session, parent in zip(sessions, parents, strict=True):
                session.step = session.asked = parent.step
                session.sight = parent.sight

        with self._undone_if_refused(sessions):
            await self._job(client, len(names), forked)
        return sessions

    async def snapshot(self, client: Client, names: Sequence[str]) -> dict[str, Kept]:
        """Keep sessions as they are after every step that was asked for before; the ids of what is kept, in order."""
        self.spec.need("snapshots")
        sessions = self._register.sessions(client, names)
        self._register.check_room_for_snapshots(client, sessions)

        def taken() -> list[Kept]:
            states = [self._pool.take([name]) for name in names]
            return [Kept(s, of.step, s.nbytes, of.sight) for s, of in zip(states, sessions, strict=True)]

        kept = {secrets.token_urlsafe(12): one for one in await self._job(client, len(names), taken)}
        client.snapshots.update(kept)
        return kept

    async def restore(self, client: Client, snapshots: Sequence[str]) -> list[Session]:
        """New sessions that go on from snapshots."""
        kept = self._register.snapshots(client, snapshots)
        sessions = self._register.new_sessions(client, [one.nbytes for one in kept])

        def restored() -> None:
            for session, one in zip(sessions, kept, strict=True):
                self._pool.add([session.name], one.state.fork())
                session.step = session.asked = one.step
                session.sight = one.sight

        with self._undone_if_refused(sessions):
            await self._job(client, len(kept), restored)
        return sessions

    async def revive(self, client: Client, data: bytes, step: int = 0) -> list[Session]:
        """New sessions, one for each row in bytes that `export` gave, which were at `step`."""
        self.spec.need("snapshots")
        state: State = await self._job(client, 1, lambda: self.world.revive(data))
        sessions = self._register.new_sessions(client, [state.nbytes // len(state)] * len(state))
        with self._undone_if_refused(sessions):
            await self._job(client, 1, lambda: self._pool.add([session.name for session in sessions], state))
        for session in sessions:
            session.step = session.asked = step
        return sessions

    async def export(
        self, client: Client, sessions: Sequence[str], snapshots: Sequence[str] = (), together: bool = False
    ) -> list[bytes]:
        """The world's own bytes of sessions and snapshots: for each, or of all in one."""
        self.spec.need("snapshots")
        self._register.sessions(client, sessions)
        kept = [one.state for one in self._register.snapshots(client, snapshots)]
        if not sessions and not kept:
            raise ProtocolError("nothing was named that could be exported.")

        def packed() -> list[bytes]:
            if not together:
                return [state.to_bytes() for state in [*(self._pool.take([name]) for name in sessions), *kept]]
            parts = [*([self._pool.take(sessions)] if sessions else []), *kept]
            return [(parts[0] if len(parts) == 1 else type(parts[0]).concat(parts)).to_bytes()]

        return await self._job(client, len(sessions) + len(kept), packed)

    async def describe(self, client: Client, names: Sequence[str]) -> tuple[list[str] | None, list[str] | None]:
        """What is in view of each session, and its task, in words; None where the world has none."""
        self._register.sessions(client, names)
        return await self._job(client, len(names), lambda: self._pool.words(names))

    def status(self, client: Client, names: Sequence[str]) -> list[Session]:
        """The sessions of these names; asking renews their leases."""
        return self._register.sessions(client, names)

    def close(self, client: Client, sessions: Sequence[str] = (), snapshots: Sequence[str] = ()) -> None:
        """Let go of sessions and snapshots; what is not there is passed over."""
        self._register.touch(client)
        for name in snapshots:
            client.snapshots.pop(name, None)
        self._drop([client.sessions[name] for name in sessions if name in client.sessions], "it was closed.")

    # --- steps ------------------------------------------------------------------------------------------------------

    def _ask(self, client: Client, pairs: Sequence[tuple[Session, Move]]) -> None:
        """Check all of these moves, then put all of them into the queue."""
        if not pairs:
            return
        actions = self._checked_actions([move for _, move in pairs])
        for _, move in pairs:
            if move.direction is not None:
                self._check_direction(move.direction)
        asked = [self._asked(session, move, action) for (session, move), action in zip(pairs, actions, strict=True)]
        self._put(client, Steps(asked))

    def _asked(self, session: Session, move: Move, action: np.ndarray) -> Asked:
        """The move on the books, with the direction that comes with it or has waited for it."""
        wish = session.wishes.popleft() if session.wishes and move.direction is None else None
        if move.direction is not None:
            wish = Wish(move.direction, session.step)
        shown = _future()
        session.asked = move.step
        session.waiting[move.step] = (move, shown)
        return Asked(session, move, action, wish, shown, time.perf_counter())

    def _promised(self, session: Session, move: Move) -> asyncio.Future[Sight]:
        """What the move will show, or has shown."""
        if move.step in session.waiting:
            return session.waiting[move.step][1]
        shown = _future()
        shown.set_result(session.sight)
        return shown

    async def _shown(self, futures: Sequence[asyncio.Future[Sight]]) -> list[Sight]:
        """What all of them show; if some cannot, the reason, with every session that is gone."""
        await asyncio.wait(futures)  # which lets the steps go on if nobody listens any more
        problems = [problem for future in futures if (problem := future.exception())]
        gone = [name for problem in problems if isinstance(problem, SessionError) for name in problem.gone]
        if gone:
            raise SessionError(str(problems[0]), gone)
        if problems:
            raise problems[0]
        return [future.result() for future in futures]

    async def _step(self, batch: Sequence[Steps]) -> None:
        orders = [wanted for steps in batch if (wanted := steps.wanted)]
        if not orders:
            return
        results = await self._in_thread(lambda: make(self._pool, orders))
        made = [result for result in results if isinstance(result, Sight)]
        for asked, result in zip(chain(*orders), results, strict=True):
            self._note(asked, result)
        self.gauges.counts["steps"] += len(made)
        if made:
            self.gauges.counts["batches"] += 1
            self.gauges.rows.add(made[0].rows)
            self.gauges.world_ms.add(made[0].world_ms)
        for sight in made:
            self.gauges.waited_ms.add(sight.waited_ms)

    def _note(self, asked: Asked, result: Sight | Exception) -> None:
        """Put the result of a move on the books."""
        session, move = asked.session, asked.move
        if asked.shown.done():
            return  # it was closed while its step was made
        if isinstance(result, Sight):
            session.step, session.made, session.sight = move.step, move, result
            session.touched = time.monotonic()
            del session.waiting[move.step]
            asked.shown.set_result(result)
        else:
            self._refuse(asked, result)

    def _refuse(self, asked: Asked, problem: Exception) -> None:
        """A move could not be made: the session is as it was, or, if the step failed half way, it is gone."""
        self.gauges.counts["failed"] += 1
        if not isinstance(problem, WmenvError):
            log.error("a step of %s failed", self.spec.name, exc_info=problem)
        session = asked.session
        if session.name not in self._pool:
            self._drop([session], "its last step failed half way.")
            return
        asked.shown.set_exception(problem)
        del session.waiting[asked.move.step]
        session.asked = session.step
        for move, shown in session.waiting.values():
            shown.set_exception(ProtocolError(f"step {move.step} cannot be made: one before it was refused."))
        session.waiting.clear()

    # --- checking ---------------------------------------------------------------------------------------------------

    def _check_direction(self, direction: Direction) -> None:
        self._check_text(direction.check(self.spec).text, DirectionError)

    def _check_text(self, text: str, error: type[WmenvError]) -> None:
        if len(text) > self.limits.text:
            raise error(f"a text has at most {self.limits.text} characters, this one has {len(text):,}.")

    def _checked_actions(self, moves: Sequence[Move]) -> np.ndarray:
        try:
            return self.spec.actions.check(np.array([move.action for move in moves]), len(moves))
        except ValueError as problem:
            raise (
                problem
                if isinstance(problem, ActionError)
                else ActionError(f"every action has a number for each of {self.spec.actions.count} fields: {problem}.")
            ) from None

    def _moment_bytes(self) -> int:
        """How many bytes a client brings who restores a young row; it warms the world up, too."""
        if not self.spec.snapshots or "seed" not in self.spec.starts:
            return 0
        state, _ = self.world.open([Start()], [0])
        return len(state.to_bytes())

    # --- the thread -------------------------------------------------------------------------------------------------

    def _put(self, client: Client | None, order: Steps | Job) -> None:
        self._queue.put(client.name if client else HOUSE, order)
        self._rung.set()

    async def _job(self, client: Client, cost: int, call: Callable[[], T]) -> T:
        """Let the world's thread make a call when it is this client's turn."""
        done = _future()
        self._jobs.add(done)
        done.add_done_callback(self._jobs.discard)
        self._put(client, Job(call, done, cost))
        await asyncio.wait([done])  # the job is done even if whoever asked has left
        return done.result()

    async def _work(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            while orders := self._queue.take(self.limits.batch):
                if isinstance(orders[0], Job):
                    await self._run(orders[0])
                else:
                    await self._step([order for order in orders if isinstance(order, Steps)])

    async def _run(self, job: Job) -> None:
        try:
            job.done.set_result(await self._in_thread(job.call))
        except Exception as problem:
            if not isinstance(problem, WmenvError):
                log.error("a call of %s failed", self.spec.name, exc_info=problem)
            job.done.set_exception(problem)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # --- letting go -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _undone_if_refused(self, sessions: Sequence[Session]) -> Iterator[None]:
        """Take sessions back whose rows never came; the leases of the others begin when they have come."""
        for session in sessions:
            session.touched = math.inf
        try:
            yield
        except Exception:
            self._drop(sessions, "it could not begin.")
            raise
        finally:
            for session in sessions:
                session.touched = time.monotonic()

    def _drop(self, sessions: Sequence[Session], why: str) -> None:
        for session in sessions:
            self._give_up(session, why)
            session.client.sessions.pop(session.name, None)
        names = [session.name for session in sessions]
        if names:
            self._put(None, Job(lambda: self._pool.drop(names), _future(), 0))

    def _give_up(self, session: Session, why: str) -> None:
        for _, shown in session.waiting.values():
            shown.set_exception(SessionError(f"session {session.name} is gone: {why}", [session.name]))
        session.waiting.clear()

    def _forget_if_empty(self, client: Client) -> None:
        if not (client.here or client.sessions or client.snapshots):
            self._register.clients.pop(client.name, None)
            self._queue.forget(client.name)

    async def _sweep(self) -> None:
        """Take back what nobody has used for a lease."""
        while True:
            await asyncio.sleep(self.limits.lease_s / 4)
            ago = time.monotonic() - self.limits.lease_s
            for client in list(self._register.clients.values()):
                idle = [s for s in client.sessions.values() if s.touched < ago and not s.waiting]
                self._drop(idle, "its lease is over.")
                self.gauges.counts["expired"] += len(idle)
                if not client.here and client.touched < ago:
                    client.snapshots.clear()
                self._forget_if_empty(client)


def _future() -> asyncio.Future[Any]:
    """A future whose error may stay unread: whoever asked may have left."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
