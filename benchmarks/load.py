"""What a served world carries: sessions at once, fairness between clients, what the refused see, and a kill in mid-run.

Run `python benchmarks/load.py [--world NAME] [--quick]`; everything happens on 127.0.0.1 and takes a bounded time. The
load is open: every session wants its steps at the world's pace whatever the server does, and how late a step is counts
from the time it was wanted. The capacity is the most sessions of which 99 % of the steps came within one frame; what
fails is tried once more, since the machine may have been busy. Then the server is killed with SIGKILL and started again
under clients that count their steps. Server and load share the machine. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from wmenv.contract import Actions, ActionTable, ArrayState, Directions, Outcome, Start, WorldSpec
from wmenv.runtime import environment_facts
from wmenv.worlds.remote.wire import PROTOCOL, pack, unpack
from wmenv.worlds.remote.world import RemoteWorld

LEVELS = (1, 2, 4, 8, 16, 32, 64)
MISSES = 0.01
TRIES = 2
AHEAD = 4  # steps of a session on their way at once, which is what a server allows
CROWD, SINGLES = 32, 4  # sessions of the client that wants everything, and clients that want one
TICKERS, TICKS_PER_S = 4, 50
ROOM = 3  # sessions of the server that refuses the next one
START_S = 300.0


class Ticker:
    """Each row counts its steps and shows the count: a step that is lost or made twice can be read off its picture."""

    spec = WorldSpec("ticker", 8, 8, fps=TICKS_PER_S, actions=ActionTable(("tick",), noop=0), snapshots="copy")

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[ArrayState, Outcome]:
        state = ArrayState("ticker", {"count": np.zeros(len(seeds), np.int64)})
        return state, self._show(state)

    def advance(self, state: ArrayState, actions: Actions, directions: Directions) -> tuple[ArrayState, Outcome]:
        state = ArrayState("ticker", {"count": state.consume().arrays["count"] + 1})
        return state, self._show(state)

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, "ticker")

    def _show(self, state: ArrayState) -> Outcome:
        frames = np.zeros((len(state), 8, 8, 3), np.uint8)
        for byte in range(3):
            frames[:, 0, 0, byte] = state.arrays["count"] >> (8 * byte) & 255
        return Outcome(frames=frames)


def count_in(frame: np.ndarray) -> int:
    """The count that a picture of the ticker shows."""
    return sum(int(value) << (8 * byte) for byte, value in enumerate(frame[0, 0]))


# --- the server -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(world: str, port: int = 0, **limits: float) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`wmenv serve WORLD` in a process of its own: its address, and the process."""
    command = [sys.executable, "-c", "from wmenv.cli import app; app()", "serve", world, "--port", str(port)]
    command += [word for name, value in limits.items() for word in ("--set", f"{name}={value}")]
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path[1:]])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
    assert process.stdout is not None
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        said = process.stdout.readline()
        watchdog.cancel()
        if " at ws://127.0.0.1:" not in said:
            raise SystemExit(f"the server did not start: {said!r}")
        yield said.split(" at ")[1].strip(), process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


class Client:
    """A connection that asks and hears, many requests at once."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hearing = asyncio.create_task(self._hear())
        self.hello: dict[str, Any] = {}

    async def ask(self, **message: Any) -> dict[str, Any]:
        """The answer to a request."""
        number = len(self._asked)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(pack({**message, "id": number}))
        return await answer

    async def step(self, session: str, number: int) -> dict[str, Any]:
        """One step, with its picture as a page would have it."""
        return await self.ask(op="advance", codec="jpeg", moves=[{"session": session, "step": number, "action": 0}])

    async def _hear(self) -> None:
        async for data in self._socket:
            message, _ = unpack(data)
            self._asked[message["re"]].set_result(message)

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, url: str) -> Any:
        async with connect(url, compression=None, max_size=None, proxy=None) as socket:
            client = cls(socket)
            client.hello = await client.ask(op="hello", protocol=PROTOCOL, client=secrets.token_hex(16))
            try:
                yield client
            finally:
                client._hearing.cancel()


async def open_sessions(client: Client, count: int) -> list[str]:
    answer = await client.ask(op="open", starts=[{}] * count, seeds=list(range(count)), codec="none")
    return [shown["session"] for shown in answer["shown"]]


# --- open load ------------------------------------------------------------------------------------------------------


@dataclass
class Level:
    """What became of the steps that some number of sessions wanted."""

    sessions: int
    late_ms: list[float] = field(default_factory=list)  # from the time a step was wanted; inf if it never came
    wrong: int = 0  # answers that were not the step that was asked for
    slot_ms: float = 0.0

    @property
    def misses(self) -> float:
        return float(np.mean(np.array(self.late_ms) > self.slot_ms))

    def quantile(self, q: float) -> float | None:
        value = float(np.quantile(self.late_ms, q, method="higher"))
        return round(value, 2) if np.isfinite(value) else None

    def facts(self) -> dict[str, Any]:
        names = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
        quantiles = {name: self.quantile(q) for name, q in names.items()}
        return {"sessions": self.sessions, "misses": round(self.misses, 4), "steps": len(self.late_ms)} | quantiles


async def at_level(url: str, sessions: int, seconds: float) -> Level:
    """Let that many sessions, each of a client of its own, want their steps for that long."""
    level = Level(sessions)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client.of(url)) for _ in range(sessions)]
        world = clients[0].hello["world"]
        slot_s = world["frames_per_step"] / world["fps"]
        level.slot_ms = slot_s * 1e3
        names = [(await open_sessions(client, 1))[0] for client in clients]
        await asyncio.gather(*(client.step(name, 1) for client, name in zip(clients, names, strict=True)))  # warm-up
        begin, phases = time.perf_counter() + 0.1, np.random.default_rng(sessions).uniform(0, slot_s, sessions)
        runs = [
            wanting(client, name, begin + phase, slot_s, int(seconds / slot_s), level)
            for client, name, phase in zip(clients, names, phases, strict=True)
        ]
        await asyncio.gather(*runs)
    return level


async def wanting(client: Client, session: str, begin: float, slot_s: float, steps: int, level: Level) -> None:
    """Want a step in every slot; what could not be sent in time is sent late, and counts from when it was wanted."""
    gate, given_up = asyncio.Semaphore(AHEAD), begin + (steps + 20) * slot_s

    async def one(number: int, wanted: float) -> None:
        try:
            answer = await asyncio.wait_for(client.step(session, number + 2), given_up - time.perf_counter())
            level.wrong += "error" in answer or answer["shown"][0]["step"] != number + 2
            level.late_ms.append((time.perf_counter() - wanted) * 1e3)
        except TimeoutError:
            level.late_ms.append(np.inf)
        finally:
            gate.release()

    async with asyncio.TaskGroup() as answers:
        for number in range(steps):
            wanted = begin + number * slot_s
            await asyncio.sleep(max(0.0, wanted - time.perf_counter()))
            await gate.acquire()
            answers.create_task(one(number, wanted))


def find_capacity(url: str, seconds: float, refine: bool) -> tuple[int, dict[int, Level]]:
    """The most sessions that were served in time, and every level that was tried."""
    found: dict[int, Level] = {}

    def holds(sessions: int) -> bool:
        for _ in range(TRIES):
            level = found[sessions] = asyncio.run(at_level(url, sessions, seconds))
            show(level)
            if level.misses <= MISSES:
                return True
        return False

    good, bad = 0, None
    for sessions in LEVELS:
        if not holds(sessions):
            bad = sessions
            break
        good = sessions
    while refine and bad is not None and bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good, found


def show(level: Level) -> None:
    p50, p99 = (level.quantile(q) or np.inf for q in (0.5, 0.99))
    print(f"{level.sessions:9d} {level.misses:8.2%} {p50:9.1f} {p99:9.1f}", flush=True)


# --- fairness and refusal -------------------------------------------------------------------------------------------


async def fairness(url: str, seconds: float) -> dict[str, Any]:
    """One client wants all it can get with many sessions, others want one session each; who gets how much."""
    made: dict[int, list[float]] = {}
    until = time.perf_counter() + seconds

    async def want(client: Client, place: int, session: str) -> None:
        number = 0
        while (asked := time.perf_counter()) < until:
            number += 1
            await client.step(session, number)
            made.setdefault(place, []).append((time.perf_counter() - asked) * 1e3)

    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client.of(url)) for _ in range(SINGLES + 1)]
        held = [await open_sessions(client, CROWD if place == 0 else 1) for place, client in enumerate(clients)]
        until = time.perf_counter() + seconds
        wants = [want(clients[place], place, name) for place, names in enumerate(held) for name in names]
        await asyncio.gather(*wants)
    single = np.array([len(made[place]) for place in range(1, SINGLES + 1)])
    return {
        "crowd_steps_per_session": round(len(made[0]) / CROWD, 1),
        "single_steps": single.tolist(),
        "jain_of_singles": round(float(single.sum() ** 2 / (len(single) * (single**2).sum())), 4),
        "crowd_p99_ms": round(float(np.quantile(made[0], 0.99)), 2),
        "single_p99_ms": round(float(np.quantile(np.concatenate([made[p] for p in range(1, SINGLES + 1)]), 0.99)), 2),
    }


async def refused(url: str) -> dict[str, Any]:
    """What the one sees for whom there is no room, and how soon."""
    async with Client.of(url) as client:
        await open_sessions(client, ROOM)
        asked = time.perf_counter()
        answer = await client.ask(op="open", starts=[{}], seeds=[0], codec="none")
        return {**answer["error"], "after_ms": round((time.perf_counter() - asked) * 1e3, 2)}


# --- a kill in mid-run ----------------------------------------------------------------------------------------------


def killed_in_mid_run(steps: int) -> dict[str, Any]:
    """Clients count on while their server is killed and started again; what they lost, and what they saw twice."""
    with served("load:Ticker") as (url, process):
        counts: list[list[int]] = [[] for _ in range(TICKERS)]
        gaps = [0.0] * TICKERS
        clients = [
            threading.Thread(target=count_on, args=(url, place, steps, counts, gaps)) for place in range(TICKERS)
        ]
        for client in clients:
            client.start()
        while min(map(len, counts)) < steps // 3:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with served("load:Ticker", int(url.rsplit(":", 1)[1])):
            for client in clients:
                client.join()
    wanted = list(range(1, steps + 1))
    return {
        "lost": sum(len(set(wanted) - set(seen)) for seen in counts),
        "doubled": sum(len(seen) - len(set(seen)) + len(set(seen) - set(wanted)) for seen in counts),
        "in_order": all(seen == sorted(seen) for seen in counts),
        "clients": TICKERS,
        "steps_each": steps,
        "longest_gap_s": round(max(gaps), 2),
    }


def count_on(url: str, place: int, steps: int, counts: list[list[int]], gaps: list[float]) -> None:
    """One client with one row, at the world's pace; what it is shown goes into `counts[place]`."""
    world = RemoteWorld(url, patience_s=START_S, keep_every=64)
    state, _ = world.open([Start()], [place])
    due = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        state, outcome = world.advance(state, np.array([0]), [None])
        gaps[place] = max(gaps[place], time.perf_counter() - asked)
        counts[place].append(count_in(outcome.frames[0]))
        due = max(due + 1 / TICKS_PER_S, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    world.close()


# --- all of it ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", default="gridrooms", help="a name that `wmenv worlds` lists, or module:factory")
    parser.add_argument("--quick", action="store_true", help="shorter and coarser; under a minute")
    asked = parser.parse_args()
    seconds, load = 3.0 if asked.quick else 15.0, os.getloadavg()[0]
    print(f"{asked.world} on 127.0.0.1\n{'sessions':>9} {'missed':>8} {'p50 ms':>9} {'p99 ms':>9}", flush=True)
    with served(asked.world) as (url, _):
        capacity, levels = find_capacity(url, seconds, refine=not asked.quick)
        shares = asyncio.run(fairness(url, seconds))
    with served(asked.world, sessions=ROOM) as (url, _):
        refusal = asyncio.run(refused(url))
    kill = killed_in_mid_run(steps=120 if asked.quick else 600)
    print(f"refused: {refusal['message']}")
    print(f"killed in mid-run: {kill['lost']} lost, {kill['doubled']} doubled, {kill['longest_gap_s']} s away")
    at_capacity = levels.get(capacity)
    result = {
        "benchmark": "load",
        "quick": asked.quick,
        "world": asked.world,
        "capacity": capacity,
        "p99_ms_at_capacity": at_capacity.quantile(0.99) if at_capacity else None,
        "slot_ms": next(iter(levels.values())).slot_ms,
        "seconds_a_level": seconds,
        "levels": [levels[sessions].facts() for sessions in sorted(levels)],
        "lost": kill.pop("lost"),
        "doubled": kill.pop("doubled") + sum(level.wrong for level in levels.values()),
        "kill": kill,
        "fairness": shares,
        "refused": refusal,
        "load_before": load,
        **environment_facts(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
