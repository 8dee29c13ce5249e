"""What may happen next, and how often: many futures of one moment, and how far two ways of drawing them are apart.

A world that draws in fewer passes must not only draw well, it must leave open what is open: behind a door there is
sometimes a wall and sometimes a room.
"""

from __future__ import annotations

import numpy as np
import torch

from wmenv.models.hearing import Memory
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.tiles import CATALOGUE
from wmenv.train.palette import Palette

KINDS = {kind: number for number, kind in enumerate(sorted(set(CATALOGUE.kind.tolist())))}
KIND = np.array([KINDS[kind] for kind in CATALOGUE.kind.tolist()])
OPEN = 0.9  # a slot that shows one kind more often than this in both is settled, and says nothing of chance


@torch.inference_mode()
def moments(streamer: Streamer, instruction: np.ndarray, seeds: np.ndarray, steps: int) -> list[Memory]:
    """One moment of each of many dreams, some steps in; each as a memory of one row."""
    rng = np.random.default_rng(int(seeds[0]))
    memory = streamer.empty(torch.from_numpy(seeds), torch.from_numpy(np.repeat(instruction[None], len(seeds), 0)))
    streamer.begin(memory)
    for _ in range(steps):
        streamer.step(memory, torch.from_numpy(rng.integers(0, 3, len(seeds))), None, 2)
    return [{name: value[row : row + 1] for name, value in memory.items()} for row in range(len(seeds))]


@torch.inference_mode()
def futures(
    streamer: Streamer, moment: Memory, action: int, count: int, passes: int, first_seed: int = 0
) -> np.ndarray:
    """(count, patches) the kind of every tile in so many next frames, each with its own seed."""
    memory = {name: value.expand(count, *value.shape[1:]).clone() for name, value in moment.items()}
    memory["seed"] = torch.arange(first_seed, first_seed + count)
    drawn = streamer.step(memory, torch.full((count,), action), None, passes)
    return KIND[Palette(streamer.model, CATALOGUE.images).tiles(drawn.shown).numpy()]


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation between the kinds in two sets of futures, averaged over the slots that are open; NaN if none."""
    shares = [np.stack([(kinds == kind).mean(0) for kind in KINDS.values()], -1) for kinds in (one, other)]
    undecided = np.min(shares, 0).max(-1) < OPEN
    apart = 0.5 * np.abs(shares[0] - shares[1]).sum(-1)
    return float(apart[undecided].mean()) if undecided.any() else float("nan")
