"""DIAMOND and Oasis in wmenv against the loops they were published with: the same weights, the same outputs, the time.

Run `python benchmarks/peers.py [--quick]`. Weights are made up, because speed and agreement do not depend on them. Our
side is timed as a user meets it, `World.advance` from actions to pictures on the host; the published side is its plain
step. Times are CPU time on one thread, so that other programs on the machine do not count, the system's included, which
is where fresh memory is paid for. Runs of the two sides alternate, and a speed-up is the median of the ratios of
neighbours. Prints a table, and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from published import PublishedDiamond, PublishedOasis
from safetensors.torch import save_file

from wmenv.contract import Start, no_directions
from wmenv.runtime import environment_facts, use_threads
from wmenv.worlds.diamond.checkpoint import assemble
from wmenv.worlds.diamond.config import RELEASED_ATARI
from wmenv.worlds.diamond.starts import StartBank
from wmenv.worlds.diamond.world import DiamondWorld
from wmenv.worlds.oasis.checkpoint import AUTOENCODER_FILE, TRANSFORMER_FILE
from wmenv.worlds.oasis.config import AutoencoderConfig, OasisConfig, TransformerConfig, VitConfig
from wmenv.worlds.oasis.world import OasisWorld, load

SEED = 0
QUICK_OASIS = OasisConfig(  # the released pictures, latents, window and steps; a narrower and shallower network
    TransformerConfig(hidden=256, depth=2, heads=4),
    AutoencoderConfig(encoder=VitConfig(256, 1, 4), decoder=VitConfig(256, 3, 4)),
)
FULL_OASIS = OasisConfig(
    TransformerConfig(hidden=512, depth=8, heads=8),
    AutoencoderConfig(encoder=VitConfig(512, 1, 8), decoder=VitConfig(512, 6, 8)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="under a minute on a quiet machine: fewer runs, smaller Oasis"
    )
    quick = parser.parse_args().quick
    use_threads(1)
    torch.manual_seed(SEED)
    figures = diamond_figures(rounds=(5, 1) if quick else (15, 5))
    figures |= oasis_figures(QUICK_OASIS if quick else FULL_OASIS, rounds=1 if quick else 5)
    print_table(figures)
    print(json.dumps(figures | {"quick": quick, "threads": 1, **environment_facts()}))


# --- DIAMOND


def diamond_figures(rounds: tuple[int, int]) -> dict[str, float]:
    """Agreement and speed-up at the released sizes, for 1 and 32 rows."""
    published, ours = diamond_pair("float32")
    half = diamond_pair("bfloat16")[1]
    figures = diamond_agreement(published, ours)
    figures |= {f"{name}_bf16": value for name, value in diamond_agreement(published, half).items()}
    for rows, count in zip((1, 32), rounds, strict=True):
        runs = [published_diamond_run(published, ours, rows), diamond_run(ours, rows), diamond_run(half, rows)]
        theirs, single, low = interleaved(runs, count, warm=rows > 1)
        figures |= {
            f"diamond_published_ms_b{rows}": statistics.median(theirs),
            f"diamond_ms_b{rows}": statistics.median(single),
            f"diamond_bf16_ms_b{rows}": statistics.median(low),
            f"diamond_speedup_b{rows}": ratio(theirs, single),
            f"diamond_bf16_speedup_b{rows}": ratio(theirs, low),
        }
    return figures


def diamond_pair(dtype: str) -> tuple[PublishedDiamond, DiamondWorld]:
    """The published network at its released Atari sizes, with weights made here, and our world of the same weights."""
    torch.manual_seed(0)
    published = PublishedDiamond(RELEASED_ATARI).eval()
    enliven(published)
    starts = recorded_noise(RELEASED_ATARI.image_size)
    return published, DiamondWorld(assemble(published.state_dict(), "benchmark"), starts=starts, dtype=dtype)


def diamond_agreement(published: PublishedDiamond, ours: DiamondWorld) -> dict[str, float]:
    """The largest relative error of what the networks say about one step, and how many pixels differ after it."""
    frames, actions, memory = published_buffers(ours, rows=2)
    noise = torch.randn(2, 3, *frames.shape[-2:])
    wanted, logits, *_ = published.step(frames, actions, memory, noise)
    sampler, level = ours.sampler, ours.sampler.levels[0]
    with torch.inference_mode():
        told = torch.tensor([level.c_noise])
        raw = published.denoiser["inner_model"](noise * level.c_in, told, frames.flatten(1, 2) * 2, actions)
        seen = sampler.denoiser.observe(frames, actions, sampler.levels)
        found_raw = sampler.denoiser.predict(noise, level, seen.features, seen.modulations[0])
        step = ours.reward_end.encode(frames[:, -1], actions[:, -1], wanted)
        reward, end, _ = ours.reward_end.judge(step[:, None], (memory[0][0], memory[1][0]))
        frame = sampler.sample(frames, actions, noise[:, None])
    found_logits = torch.cat((reward, end), dim=-1)[:, 0]
    return {
        "diamond_rel_err": max(relative_error(found_raw, raw), relative_error(found_logits, logits)),
        "diamond_moved_pixels": ((frame - wanted).abs() > 1 / 255).float().mean().item(),
    }


def published_diamond_run(published: PublishedDiamond, ours: DiamondWorld, rows: int) -> Callable[[], None]:
    held = [*published_buffers(ours, rows)]

    def run() -> None:
        _, _, *held[:] = published.step(*held)

    return run


def diamond_run(world: DiamondWorld, rows: int) -> Callable[[], None]:
    held = [world.open([Start()] * rows, range(rows))[0]]
    actions = np.zeros(rows, np.int64)

    def run() -> None:
        held[0], _ = world.advance(held[0], actions, no_directions(rows))

    return run


def published_buffers(world: DiamondWorld, rows: int) -> tuple[torch.Tensor, torch.Tensor, tuple]:
    """What the published environment holds for rows that our world has opened."""
    tensors = world.open([Start()] * rows, range(rows))[0].tensors
    frames = tensors["frames"].float().div(255).mul(2).sub(1)
    actions = torch.cat((tensors["past_actions"], torch.ones(rows, 1, dtype=torch.int64)), dim=1)
    return frames, actions, (tensors["hidden"][None], tensors["cell"][None])


def recorded_noise(size: int) -> StartBank:
    rng = np.random.default_rng(SEED)
    return StartBank(rng.integers(0, 256, (32, 4, size, size, 3), np.uint8), rng.integers(0, 18, (32, 3)))


# --- Oasis


def oasis_figures(config: OasisConfig, rounds: int) -> dict[str, float]:
    """Agreement and speed-up for one row whose window is full."""
    published = PublishedOasis(config)
    with TemporaryDirectory() as folder:
        save_file(published.dit.state_dict(), Path(folder) / TRANSFORMER_FILE)
        save_file(published.vae.state_dict(), Path(folder) / AUTOENCODER_FILE)
        world = load(folder, config=config)
    state, context, actions = full_window(world)
    noise = torch.randn(1, *context.shape[2:])
    with torch.inference_mode():
        wanted, _ = published.step(context, actions, noise)
        found = world.sampler.sample(context, actions, noise)
    theirs, ours = interleaved([lambda: published.step(context, actions, noise), oasis_run(world, state)], rounds)
    return {
        "oasis_rel_err": relative_error(found, wanted),
        "oasis_published_ms": statistics.median(theirs),
        "oasis_ms": statistics.median(ours),
        "oasis_speedup": ratio(theirs, ours),
    }


def full_window(world: OasisWorld) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """A row that looks back on as many frames as it can, and what the published loop needs for the same."""
    state, _ = world.open([Start()], [SEED])
    with torch.inference_mode():
        state.tensors["latents"].normal_()
        state.tensors["known"].fill_(world.past)
    actions = torch.zeros(1, world.past + 1, world.spec.actions.count)
    return state, state.tensors["latents"].clone(), actions


def oasis_run(world: OasisWorld, state: Any) -> Callable[[], None]:
    held = [state]
    still = np.zeros((1, world.spec.actions.count), np.float32)

    def run() -> None:
        held[0], _ = world.advance(held[0], still, no_directions(1))

    return run


# --- measuring


@torch.no_grad()
def enliven(model: torch.nn.Module) -> None:
    """Larger random weights than torch begins with, so that every part of the network has a say in the output."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.uniform_(parameter, -1, 1)
            parameter.mul_((3 / parameter[0].numel()) ** 0.5)


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def interleaved(runs: list[Callable[[], Any]], rounds: int, warm: bool = False) -> list[list[float]]:
    """Milliseconds of CPU time of each run in each round; unless all is `warm`, one round before is not counted."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + (not warm)):
        for clocked, run in zip(times, runs, strict=True):
            began = time.process_time()
            run()
            clocked.append((time.process_time() - began) * 1e3)
    return [clocked[-rounds:] for clocked in times]


def ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def print_table(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"{name:<32}{value:>12.3g}")


if __name__ == "__main__":
    main()
