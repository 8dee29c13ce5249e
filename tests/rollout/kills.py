"""Kills rollouts in the middle of their work, as a machine would: drivers and workers, with SIGKILL, at random moments.

Run by the tests and by `benchmarks/rollout.py`; Linux only, since it finds worker processes in /proc.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
DRIVER = "import json, sys, wmenv; wmenv.rollout(**json.loads(sys.argv[1]))"


def start(**settings: Any) -> subprocess.Popen[bytes]:
    """A rollout in a process of its own, which goes on with what is there."""
    told = json.dumps({"resume": True, "progress": False, "report": False, **settings}, default=str)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", DRIVER, told], cwd=ROOT, **quiet)  # type: ignore[call-overload]


def workers_of(driver: int) -> list[int]:
    """The worker processes of a driver; spawn also keeps a tracker, which is left alone."""
    try:
        children = Path(f"/proc/{driver}/task/{driver}/children").read_text().split()
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []


def finish_despite_kills(kills: int, chance: random.Random, out: Path, **settings: Any) -> int:
    """Roll out with that many kills on the way, every other one of a driver; returns how often a driver had to start.

    A kill waits for a shard more than there was at the last one, and then a random moment longer, so that kills fall
    into the work and not all into the starting of Python.
    """
    driver, starts, seen = start(out=out, **settings), 1, 0
    for kill in range(kills):
        shards = seen
        while driver.poll() is None and shards == seen:
            time.sleep(0.005)
            shards = len(list((out / "shards").glob("shard-*.json")))
        seen = shards
        time.sleep(chance.uniform(0.0, 0.15))
        crew = workers_of(driver.pid)
        victim = chance.choice(crew) if crew and kill % 2 else driver.pid
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            assert driver.poll() is None, f"the rollout was over before kill {kill} of {kills}: make it longer"
        if victim == driver.pid:
            driver.communicate()
            driver, starts = start(out=out, **settings), starts + 1
    _, said = driver.communicate()
    assert driver.returncode == 0, said.decode()
    return starts
