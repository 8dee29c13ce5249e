"""What a step costs as pictures grow, and what routing history saves there: 128 to 1080 lines, weights by chance.

`python benchmarks/resolution.py [--quick] [--passes 2] [--bf16]`. Speed does not depend on what the weights are; these
have learnt nothing, and their pictures are noise. For `configs/obstacles-128.yaml` and each `configs/pixels-*.yaml`,
all with a full bank of key frames: milliseconds per step hearing the routed frames, and hearing the whole bank; the
work of a step, and the share of this machine's rate of matrix products that it reaches. A table, then a JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from throughput import matrix_rate

from wmenv.models.config import StreamConfig
from wmenv.models.cost import row_bytes, step_flops
from wmenv.models.stream import Stream
from wmenv.models.streaming import Streamer
from wmenv.runtime import environment_facts
from wmenv.train.loop import TrainConfig

CONFIGS = Path(__file__).parent.parent / "configs"
SIZES = {"128": "obstacles-128", "360p": "pixels-360p", "720p": "pixels-720p", "1080p": "pixels-1080p"}
BANK = {"bank": 16, "routed": 4}


@torch.inference_mode()
def milliseconds(config: StreamConfig, passes: int, steps: int, number: torch.dtype) -> list[float]:
    """How long each of so many steps took, with every slot of the bank taken."""
    torch.manual_seed(0)
    streamer = Streamer(Stream(config).eval().to(number))
    memory = streamer.empty(torch.zeros(1, dtype=torch.int64), torch.zeros(1, config.slot, dtype=torch.int64))
    streamer.begin(memory, passes=1)
    memory["bank_since"] = torch.arange(1, config.bank + 1, dtype=torch.int32)[None]
    taken = []
    for step in range(steps + 1):
        began = time.perf_counter()
        streamer.step(memory, torch.full((1,), step % config.actions), None, passes)
        taken.append(1000 * (time.perf_counter() - began))
    return taken[1:]  # the first meets the machine cold


def figures_of(name: str, passes: int, steps: int, number: torch.dtype, peak: float) -> dict[str, Any]:
    """Everything about one size."""
    model = TrainConfig.load(CONFIGS / f"{SIZES[name]}.yaml").model
    config = model.model_copy(update=BANK | {"recall_place": False})
    whole = config.model_copy(update={"routed": config.bank})
    routed, dense = (float(np.median(milliseconds(c, passes, steps, number))) for c in (config, whole))
    gflop = step_flops(config, passes) / 1e9
    return {
        "frame": f"{config.width}x{config.height}",
        "tokens": config.tokens,
        "parameters_m": round(sum(p.numel() for p in Stream(config).parameters()) / 1e6, 1),
        "ms": round(routed, 1),
        "ms_whole_bank": round(dense, 1),
        "speedup": round(dense / routed, 2),
        "gflop": round(gflop, 1),
        "share_of_peak": round(gflop / routed * 1000 / peak, 3),
        "state_mb": round(row_bytes(config, number.itemsize) / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the two smaller sizes, three steps")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    asked = parser.parse_args()
    number = torch.bfloat16 if asked.bf16 else torch.float32
    peak = matrix_rate(0.5 if asked.quick else 3.0)[str(number).removeprefix("torch.")]
    sizes = list(SIZES)[: 2 if asked.quick else None]
    found = {name: figures_of(name, asked.passes, 3 if asked.quick else 15, number, peak) for name in sizes}
    table = Table("size", *found[sizes[0]])
    for name, figures in found.items():
        table.add_row(name, *map(str, figures.values()))
    Console(width=140).print(table)
    report = {"benchmark": "resolution", "quick": asked.quick, "passes": asked.passes, "trained": False}
    report |= {"number": str(number), "peak_gflops": round(peak, 1), "sizes": found, "threads": torch.get_num_threads()}
    print(json.dumps(report | environment_facts()))


if __name__ == "__main__":
    main()
