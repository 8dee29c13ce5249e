"""`import wmenv` is light and does one thing: it makes the ids known to Gymnasium."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

PROBE = """
import json, sys, time
import gymnasium
began = time.process_time()
import wmenv
seconds = time.process_time() - began
ids = sorted(name for name in gymnasium.registry if name.startswith("wmenv/"))
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules), "ids": ids}))
"""
HEAVY = {"torch", "cv2", "stable_baselines3", "minigrid", "pygame", "safetensors", "pydantic", "typer", "matplotlib"}


def fresh_import() -> dict:
    """What a new process sees when it imports wmenv, and the CPU time that adds to importing Gymnasium, which on a slow
    machine takes most of a second itself."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_is_quick_and_leaves_the_heavy_libraries_alone():
    fresh_import()  # writes the byte code, which later imports find
    reports = [fresh_import() for _ in range(5)]
    assert statistics.median(report["seconds"] for report in reports) < 0.15
    assert not HEAVY & set(reports[0]["modules"])


def test_import_registers_the_ids():
    assert "wmenv/GridRoomsSource-v0" in fresh_import()["ids"]
