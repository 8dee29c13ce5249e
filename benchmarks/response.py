"""What fewer passes cost: quality, chance and speed of the learned world at K = 1, 2, 3, 4 and 16, from one checkpoint.

`python benchmarks/response.py [--quick] [--weights FILE]`. Quality is that of `quality.py`; chance is how far the next
frames drawn from one moment under many seeds are from those drawn in 16 passes (total variation over kinds of tiles,
where anything is open), beside how far two draws of 16 passes are from each other. Of weights that were taught to
follow more strongly also how often typed sentences take effect when they do, in one look and by looking further; of a
world that keeps key frames, what of it is found again after looking away when all of them are heard, those of the same
view, and the newest. A table, then a JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import resolution
import torch
from rich.console import Console
from rich.table import Table
from throughput import matrix_rate

from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.suite import Suite, run_suite
from wmenv.contract import Start
from wmenv.metrics.bootstrap import bootstrap
from wmenv.models.checkpoint import load_stream
from wmenv.models.config import StreamConfig
from wmenv.models.stream import Stream
from wmenv.models.streaming import Streamer
from wmenv.runtime import environment_facts
from wmenv.train.data import Episodes
from wmenv.train.quality.directed import Directed, run_beside
from wmenv.train.quality.forced import Forced, decibels, determined_tiles, run_forced
from wmenv.train.quality.free import run_free, self_consistency, valid_rate
from wmenv.train.quality.guidance import TwoLooks
from wmenv.train.quality.law import determined
from wmenv.train.quality.outcomes import distance, futures, moments
from wmenv.train.quality.report import held_out
from wmenv.worlds.learned import WEIGHTS, LearnedWorld

PASSES = (1, 2, 3, 4, 16)
STRENGTHS = (1.0, 1.5, 2.0)
MOVES = (0, 2)  # to the left, and ahead: both show something new


def known_decibels(forced: Forced) -> float:
    """Peak signal-to-noise ratio of predicted frames on the tiles that the past decides, where nothing was typed."""
    wrong, sure = 0.0, 0
    for error, true, known, here in zip(
        forced.error, forced.true, forced.known, forced.alive & ~forced.typed, strict=True
    ):
        decided = determined(true[here], known[here])
        wrong, sure = wrong + float(error[here][decided].sum()), sure + int(decided.sum())
    return decibels(wrong, sure)


def steps_per_second(streamer: Streamer, told: np.ndarray, passes: int, rows: int, steps: int) -> float:
    """Row steps a second, once the first frames are drawn."""
    rng = np.random.default_rng(0)
    with torch.inference_mode():
        memory = streamer.empty(torch.arange(rows), torch.from_numpy(np.repeat(told[None], rows, 0)))
        streamer.begin(memory)
        streamer.step(memory, torch.zeros(rows, dtype=torch.int64), None, passes)
        began = time.perf_counter()
        for _ in range(steps):
            streamer.step(memory, torch.from_numpy(rng.integers(0, 3, rows)), None, passes)
    return rows * steps / (time.perf_counter() - began)


class Chance:
    """The next frames that may follow a few moments, as 16 passes draw them, to hold others against."""

    def __init__(self, streamer: Streamer, told: np.ndarray, scenes: int, count: int) -> None:
        self._streamer, self._count = streamer, count
        self._starts = moments(streamer, told, np.arange(300, 300 + scenes), steps=5)
        self._slow = self._drawn(16, first_seed=0)

    def apart(self, passes: int) -> float:
        """Total variation from what 16 passes draw, under other seeds."""
        found = self._drawn(passes, first_seed=10_000)
        return float(np.nanmean([distance(a, b) for a, b in zip(found, self._slow, strict=True)]))

    def _drawn(self, passes: int, first_seed: int) -> list[np.ndarray]:
        return [
            futures(self._streamer, start, action, self._count, passes, first_seed)
            for start in self._starts
            for action in MOVES
        ]


def figures_of(
    streamer: Streamer, episodes: Episodes, told: np.ndarray, chance: Chance, passes: int, quick: bool
) -> dict[str, Any]:
    """Everything about one K."""
    chosen = np.random.default_rng(0).permutation(len(episodes.begin))[: 16 if quick else 128]
    forced = run_forced(streamer, episodes, chosen, 20 if quick else 100, passes)
    right, total = determined_tiles(forced).sum(0)
    rows, steps = (8, 60) if quick else (32, 200)
    free = run_free(streamer, told, np.arange(7_000, 7_000 + rows), steps, passes)
    return {
        "tile_acc": float(right / total),
        "db": known_decibels(forced),
        "blur": float(forced.blur[forced.alive].mean()),
        "valid": float(valid_rate(free, steps).mean()),
        "tv": chance.apart(passes),
        "row_steps_per_s": steps_per_second(streamer, told, passes, rows, steps // 4),
    }


def guidance(model: Stream, told: np.ndarray, quick: bool) -> dict[str, Any]:
    """How often typed sentences take effect at each strength, folded into one look and by looking twice, and the one
    over the other, with its interval over dreams. All hear the same sentences at the same moments."""
    rows, rounds = (8, 2) if quick else (64, 8)
    streamers = {f"folded_{s:g}": Streamer(model, strength=s) for s in STRENGTHS}
    streamers |= {f"explicit_{s:g}": TwoLooks(model, s) for s in STRENGTHS[1:]}  # at 1 they are the same
    seen = run_beside(list(streamers.values()), told, np.arange(9_000, 9_000 + rows), rounds, 2)
    by_name = dict(zip(streamers, seen, strict=True))
    found: dict[str, Any] = {"directions": int(seen[0].possible.sum())}
    for name, one in by_name.items():
        found[name], found[f"{name}_untouched"] = float(one.effect[one.possible].mean()), float(one.untouched.mean())
    for s in STRENGTHS[1:]:
        pair = np.stack([effects_by_dream(by_name[f"{how}_{s:g}"], rows) for how in ("folded", "explicit")], 1)
        ratio = bootstrap(pair, lambda counts: float(counts[:, 0].sum() / max(counts[:, 1].sum(), 1)))
        found[f"folded_over_explicit_{s:g}"] = [ratio.estimate, ratio.low, ratio.high]
    return {
        "guidance_gap": max(abs(found[f"folded_over_explicit_{s:g}"][0] - 1) for s in STRENGTHS[1:]),
        "guidance": found,
    }


def effects_by_dream(seen: Directed, rows: int) -> np.ndarray:
    """(rows,) how many sentences took effect in each dream."""
    return np.bincount(seen.row[seen.possible & seen.effect], minlength=rows)


def revisited(weights: Path, told: np.ndarray, how: dict[str, Any], rows: int, steps: int) -> float:
    """The share of what a stroller sees again by key frames alone, in the later half of so many steps, that is as it
    was at first sight."""
    model, _ = load_stream(weights)
    model.config = StreamConfig.model_validate(model.config.model_dump() | how)
    free = run_free(Streamer(model, "bank"), told, np.arange(5_000, 5_000 + rows), steps, passes=2, hands=0.0)
    return float(np.nanmean(self_consistency(free)[:, steps // 2 :]))


def sparsity(weights: Path, bank: int, told: np.ndarray, quick: bool) -> dict[str, Any]:
    """How much is found again by key frames alone, having looked away (J after 16 and 160 steps of absence) and having
    strolled, where many views were seen between; and what routing saves where a frame has a thousand tokens. Dense is
    to hear all key frames, of which training heard the routed only."""
    heard = {"dense": {"routed": bank}, "routed": {}, "recent": {"routing": "recent"}}
    suite, start = Suite((LookAway((16, 160)),), 4 if quick else 32), Start(template="explore")
    found: dict[str, Any] = {}
    for name, how in heard.items():
        world = LearnedWorld(weights, task="explore", memory="bank", **how)
        asked = run_suite(name, world, suite, start=start).of("P4")
        facts = asked.finding.facts if asked else {}
        found[name] = {f"j_{dwell}": facts.get(f"j_{dwell}") for dwell in (16, 160)}
        found[name]["strolled"] = revisited(weights, told, how, *((4, 40) if quick else (32, 200)))
    pairs = [(found["routed"][j], found["dense"][j]) for j in ("j_16", "j_160")]
    kept = [routed / dense for routed, dense in pairs if routed is not None and dense is not None and dense > 0]
    large = resolution.figures_of("1080p", 2, 1 if quick else 5, torch.float32, matrix_rate(0.5)["float32"])
    return {
        "sparse_keep": min(kept, default=None),
        "sparse_keep_strolling": found["routed"]["strolled"] / found["dense"]["strolled"],
        "recency_keep_strolling": found["recent"]["strolled"] / found["dense"]["strolled"],
        "sparse_speedup": large["speedup"],
        "sparse": found,
        "sparse_size": large,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "gridrooms.safetensors")
    parser.add_argument("--data", type=Path, default=Path("data/heldout"))
    asked = parser.parse_args()
    model, facts = load_stream(asked.weights)
    if model.config.bank and "spec" not in facts:
        parser.error(f"{asked.weights} holds bare weights; `wmenv export` makes a world of them, which looks away.")
    episodes, streamer = held_out(asked.data, model.config), Streamer(model)
    told = episodes.told("explore")
    chance = Chance(streamer, told, *((3, 64) if asked.quick else (12, 400)))
    by_passes = {k: figures_of(streamer, episodes, told, chance, k, asked.quick) for k in PASSES}
    table = Table("K", *by_passes[1])
    for passes, values in by_passes.items():
        table.add_row(str(passes), *(f"{value:.4f}" if value < 10 else f"{value:.1f}" for value in values.values()))
    Console(width=120).print(table)
    best = by_passes[16]
    figures = {
        **{f"db_gap_k{k}_k16": best["db"] - by_passes[k]["db"] for k in PASSES[:-1]},
        **{f"tile_gap_k{k}_k16": best["tile_acc"] - by_passes[k]["tile_acc"] for k in PASSES[:-1]},
        **{f"tv_k{k}": by_passes[k]["tv"] for k in PASSES[:-1]},
        "tv_of_two_k16": best["tv"],
        "by_passes": by_passes,
        **(guidance(model, told, asked.quick) if facts.get("strongest", 1) >= max(STRENGTHS) else {}),
        **(sparsity(asked.weights, model.config.bank, told, asked.quick) if model.config.bank else {}),
        "weights_sha256": facts["sha256"],
    }
    print(json.dumps({"benchmark": "response", "quick": asked.quick, **figures, **environment_facts()}))


if __name__ == "__main__":
    main()
