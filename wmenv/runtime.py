"""What machine this is, and the one place that knows torch is optional.

Arrays of either kind become host arrays here, and every benchmark and record takes its facts about hardware, versions
and commit from here. Knows nothing of worlds.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

VERSIONED = ("torch", "numpy", "gymnasium")
CPUINFO = Path("/proc/cpuinfo")


def is_tensor(array: Any) -> bool:
    """Whether this is a torch tensor, asked without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def to_host(array: Any) -> np.ndarray:
    """A numpy array passes through; a tensor is copied once, wherever it lives."""
    if not is_tensor(array):
        return np.asarray(array)
    tensor = array.detach()
    host = tensor.cpu()
    return host.numpy().copy() if host is tensor else host.numpy()


def to_tensor(array: Any, beside: Any = None) -> Any:
    """A tensor of the same values, on the device of the tensor `beside` if one is given; copied only if it must be."""
    import torch

    tensor = array if is_tensor(array) else torch.from_numpy(array)
    return tensor.to(beside.device) if is_tensor(beside) else tensor


def use_threads(count: int) -> None:
    """Let torch, and what is started from here, use `count` cores."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    import torch

    torch.set_num_threads(count)


@functools.cache
def half_is_quicker(device: str = "cpu") -> bool:
    """Whether matrix products are quicker there in bfloat16 than in float32. Of the processor, tried once: one that
    does not multiply such numbers itself can take fifty times as long."""
    import torch

    if device != "cpu":
        return True

    def seconds(number: torch.dtype) -> float:
        one = torch.ones(256, 256, dtype=number)
        one @ one
        began = time.perf_counter()
        one @ one
        return time.perf_counter() - began

    return seconds(torch.bfloat16) < seconds(torch.float32)


def one_thread() -> AbstractContextManager[Any]:
    """While it lasts, numpy's matrix products take one thread. Its others would go on spinning for twenty milliseconds
    after each product, on cores that the world wants for its next step."""
    return _blas().limit(limits=1)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def environment_facts() -> dict[str, Any]:
    """Hardware, versions and commit, as JSON-ready values; what is not there is None."""
    return dict(_hardware()) | {"gpu": _gpu()} | dict(_software())


@functools.cache
def _hardware() -> dict[str, Any]:
    info = CPUINFO.read_text() if CPUINFO.exists() else ""
    models = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "amx": "amx_tile" in info,
        "system": platform.platform(terse=True),
    }


@functools.cache
def _software() -> dict[str, Any]:
    return {"python": platform.python_version()} | {name: _version(name) for name in VERSIONED} | {"commit": commit()}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpu() -> str | None:
    """The accelerator's name, if torch is already in use here and sees one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def code_digest(*objects: Any) -> str:
    """Twelve digits that change with wmenv's sources, and with those of the modules that these objects' classes are
    written in."""
    modules = {sys.modules.get(type(one).__module__) for one in objects}
    files = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    written = [_sources(), *sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)]
    return hashlib.sha256(" ".join(written).encode()).hexdigest()[:12]


@functools.cache
def _sources() -> str:
    root = Path(__file__).parent
    parts = [f"{file.relative_to(root)} {file.read_text()}" for file in sorted(root.rglob("*.py"))]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@functools.cache
def commit() -> str | None:
    """The commit this code was checked out at, marked if the tree differs from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
