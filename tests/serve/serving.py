"""Servers for tests: one in a thread of this process, or one in a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from wmenv.contract import World
from wmenv.serve.hub import Hub
from wmenv.serve.limits import Limits
from wmenv.serve.server import Server

ROOT = Path(__file__).parents[2]
STAY_S = 60.0


class Served:
    """A server in another thread, whose loop alone may look at the hub."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.url, self.port, self._hub, self._loop = server.url, server.port, server.hub, loop

    def now(self) -> dict[str, float]:
        """What the hub has and has counted."""

        async def look() -> dict[str, float]:
            return self._hub.now() | self._hub.gauges.counts

        return asyncio.run_coroutine_threadsafe(look(), self._loop).result(STAY_S)


@contextlib.contextmanager
def serving(world: World, token: str | None = None, **limits) -> Iterator[Served]:
    """A server in a thread of this process."""
    up, stop, made = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        async with Hub(world, Limits(**limits)) as hub, Server(hub, port=0, token=token) as server:
            made.append(Served(server, loop))
            up.set()
            await stop.wait()

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(listen())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert up.wait(STAY_S), "the server did not come up"
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STAY_S)
        assert not thread.is_alive(), "the server did not stop"


class Process:
    """`wmenv serve WORLD` in a process of its own."""

    def __init__(self, world: str, port: int = 0, *options: str) -> None:
        command = [sys.executable, "-c", "from wmenv.cli import app; app()", "serve", world, "--port", str(port)]
        ours = os.environ | {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ours)
        line = self._process.stdout.readline()
        assert " at ws://" in line, f"the server said {line!r}"
        self.url = line.split(" at ")[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait(STAY_S)

    def stop(self) -> int:
        """As a service manager does."""
        self._process.terminate()
        return self._process.wait(STAY_S)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *problem: object) -> None:
        self._process.kill()
        self._process.wait(STAY_S)
        self._process.stdout.close()
