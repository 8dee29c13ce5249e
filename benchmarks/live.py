"""From a key press to the changed pixel, in a real browser beside the server, and how many sessions run at once.

Run `python benchmarks/live.py [--quick] [--world gridrooms] [--set KEY=VALUE] [--sessions 8] [--fps 20]`. The server is
a process of its own. A key press is timed in the page: from the moment the browser says that the key went down to the
first animation frame after the picture that answers it was drawn, and only if a pixel of it changed. Then as many
visitors as `--sessions` walk in rooms of their own, and one more reads nothing at all. Prints a table, and last one
JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

from wmenv.runtime import environment_facts
from wmenv.worlds.remote.wire import unpack

GOAL_P50_MS, GOAL_P99_MS, GOAL_MISSES = 60.0, 120.0, 0.01
KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp")
PAUSE_MS = (120, 330)  # between two presses: at random, so that every phase of a slot is hit
STARTING_S = 300.0
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def server(world: str, settings: list[str], rooms: int) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    start = [sys.executable, "-c", "from wmenv.cli import app; app()", "live", world, "--port", str(port)]
    start += [f"--set={setting}" for setting in settings]
    process = subprocess.Popen([*start, "--rule", f"rooms={rooms}"], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + STARTING_S
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None, "the server ended before it began"
            assert time.monotonic() < until, f"the server did not answer within {STARTING_S:g} s"
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


# --- one person, in a browser ----------------------------------------------------------------------------------------


def key_to_pixel(address: str, presses: int, fps: float) -> dict[str, Any]:
    """Milliseconds of every press whose picture changed, and what the page and the world said of themselves."""
    from playwright.sync_api import sync_playwright

    chance = random.Random(0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(bypass_csp=True, viewport={"width": 1100, "height": 800})
        page.goto(f"http://{address}/")
        page.wait_for_function("live.room && live.timeline.current.tip > 20", timeout=1000 * STARTING_S)
        page.fill("#fps", f"{fps:g}")
        page.focus("#stage")
        for _ in range(presses):
            page.keyboard.press(chance.choice(KEYS))
            page.wait_for_timeout(chance.uniform(*PAUSE_MS))
        page.wait_for_timeout(1000)
        found = page.evaluate("({ times: live.instruments.keyToPixel, unchanged: live.instruments.unchanged })")
        browser.close()
    return found


# --- many, without one -----------------------------------------------------------------------------------------------


async def visitor(address: str, seconds: float, fps: float, reads: bool = True) -> list[float]:
    """When each picture came, in seconds, to somebody who walks in a room of their own."""
    came: list[float] = []
    async with connect(f"ws://{address}/live", max_size=None, open_timeout=STARTING_S) as page:
        await page.send(json.dumps({"kind": "hello", "visitor": secrets.token_hex(16), "room": None}))
        while json.loads(await _text(page))["kind"] != "room":
            pass
        await page.send(json.dumps({"kind": "pace", "fps": fps}))
        until = time.perf_counter() + seconds
        if not reads:
            await asyncio.sleep(seconds)
            return came
        number = 0
        while time.perf_counter() < until:
            message, _ = unpack(await page.recv())
            if message["kind"] == "frame":
                came.append(time.perf_counter())
                number += 1
                if number % 7 == 0:
                    await page.send(json.dumps({"kind": "act", "action": number % 3, "id": number}))
    return came


async def _text(page: Any) -> str:
    """The next message without a picture."""
    while isinstance(text := await page.recv(), bytes):
        pass
    return text


async def crowd(address: str, sessions: int, seconds: float, fps: float) -> list[list[float]]:
    walking = [visitor(address, seconds, fps) for _ in range(sessions)]
    *came, _ = await asyncio.gather(*walking, visitor(address, seconds, fps, reads=False))
    return came


def misses(came: list[float], seconds: float, fps: float) -> float:
    """The share of slots, after a second to settle, in which no picture came; all of them where none did."""
    settled = [time for time in came if time > came[0] + 1.0]
    slots = (came[0] + seconds - settled[0]) * fps if settled else 1.0
    return max(0.0, 1 - len(settled) / slots)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer presses, a shorter crowd; under a minute")
    parser.add_argument("--world", default="gridrooms")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the world")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--fps", type=float, default=20.0)
    asked = parser.parse_args()
    if not CHROMIUM:
        print("This needs a Chromium: apt-get install chromium, or say where one is with CHROMIUM=/path/to/it.")
        return
    load, presses, seconds = os.getloadavg()[0], 40 if asked.quick else 400, 8.0 if asked.quick else 60.0
    with server(asked.world, asked.set, asked.sessions + 2) as address:
        page = key_to_pixel(address, presses, asked.fps)
        came = asyncio.run(crowd(address, asked.sessions, seconds, asked.fps))
    times, missed = np.array(page["times"]), [misses(one, seconds, asked.fps) for one in came]
    p50, p95, p99 = np.quantile(times, (0.5, 0.95, 0.99)).round(1).tolist()
    print(f"key to pixel     p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   p99 {p99:6.1f} ms   {len(times)} presses")
    print(f"{len(came)} sessions      slots missed: {min(missed):.1%} to {max(missed):.1%}")
    good = sum(share <= GOAL_MISSES for share in missed)
    report = {
        "benchmark": "live",
        "quick": asked.quick,
        "world": asked.world,
        "settings": asked.set,
        "fps": asked.fps,
        "key_to_pixel_p50_ms": p50,
        "key_to_pixel_p95_ms": p95,
        "key_to_pixel_p99_ms": p99,
        "presses": len(times),
        "presses_unchanged": page["unchanged"],
        "sessions": good,
        "sessions_asked": asked.sessions,
        "worst_miss_rate": round(max(missed), 4),
        "load_before": load,
        "goals_met": {
            "key_to_pixel_p50_ms": p50 <= GOAL_P50_MS,
            "key_to_pixel_p99_ms": p99 <= GOAL_P99_MS,
            "sessions": good == asked.sessions,
        },
        **environment_facts(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
