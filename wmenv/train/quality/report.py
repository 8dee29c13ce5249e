"""All figures of a learned GridRooms from one call, each with what it is and, where episodes are its unit, its
interval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.errors import OptionError
from wmenv.metrics.bootstrap import bootstrap
from wmenv.models.checkpoint import load_stream
from wmenv.models.config import StreamConfig
from wmenv.models.streaming import Streamer
from wmenv.train.collect import Source, collect, first_episodes
from wmenv.train.data import Episodes
from wmenv.train.quality.by_heart import learn_by_heart
from wmenv.train.quality.directed import run_directed
from wmenv.train.quality.forced import calibration, caption_f1, determined_tiles, matthews, onset_f1, run_forced
from wmenv.train.quality.free import (
    band_energy_ratio,
    diversity,
    doors_in_walls,
    goals_met,
    motion_agreement,
    places_known,
    run_free,
    self_consistency,
    tile_shares,
    valid_rate,
)
from wmenv.train.quality.hands import run_hands
from wmenv.train.quality.listening import run_listening
from wmenv.worlds.learned import WEIGHTS

HELD_OUT = 1_000_000  # the number of the first episode that no training run reads


def measure(
    weights: Path | None, data: Path, passes: int = 2, quick: bool = False, by_heart: bool = False
) -> dict[str, Any]:
    """The quality of a checkpoint on held-out episodes and seeds; before, if asked, whether a new model of its size
    learns a single episode `by_heart`."""
    model, facts = load_stream(weights or WEIGHTS / "gridrooms.safetensors")
    episodes, streamer = held_out(data, model.config), Streamer(model)
    figures: dict[str, Any] = {"weights_sha256": facts["sha256"], "passes": passes, "quick": quick}
    if by_heart:
        figures["by_heart_db"] = learn_by_heart(model.config)
    figures |= _forced(streamer, episodes, passes, rows=48 if quick else 256, steps=40 if quick else 200)
    explore = episodes.told("explore")
    figures |= _free(streamer, episodes, explore, passes, rows=16 if quick else 32, steps=200 if quick else 1000)
    figures |= _goals(streamer, episodes.told("reach"), passes, rows=16 if quick else 64)
    figures |= _directed(streamer, explore, passes, rows=32, rounds=2 if quick else 12)
    figures |= _hands(streamer, explore, passes, rows=48, steps=40 if quick else 200)
    return figures | _listened(streamer, episodes, passes, moments=60 if quick else 300)


def held_out(data: Path, config: StreamConfig) -> Episodes:
    """The held-out episodes in `data`, made if they are not there, and completed if that was broken off."""
    if min(first_episodes(data), default=HELD_OUT) < HELD_OUT:
        raise OptionError(f"{data} holds episodes that may have been trained on; held-out ones are from {HELD_OUT} on.")
    collect(Source("gridrooms"), data, 500, first=HELD_OUT)
    episodes = Episodes(data, config.slot)
    if tuple(episodes.facts["words"]) != config.words or len(episodes.facts["images"]) != config.palette:
        raise OptionError(f"these weights know other words or tiles than {data}; they cannot be held against it.")
    return episodes


def _forced(streamer: Streamer, episodes: Episodes, passes: int, rows: int, steps: int) -> dict[str, Any]:
    """Beside the truth. Rare events want many episodes, so the longest are not preferred."""
    chosen = np.random.default_rng(0).permutation(len(episodes.begin))[:rows]
    forced = run_forced(streamer, episodes, chosen, steps, passes)
    alive = forced.alive
    return {
        "tile_acc_1": _with_interval(determined_tiles(forced), _share),
        "pose_acc_1": float(forced.pose_right[alive].mean()),
        "reward_mcc": matthews(forced.reward[alive] > 0.5, forced.true_reward[alive] > 0.5),
        "end_mcc": matthews(forced.end[alive], forced.true_end[alive]),
        "ends_seen": int(forced.true_end[alive].sum()),
        "reward_calibration": calibration(forced.reward_chance[alive], forced.true_reward[alive] > 0.5),
        "end_calibration": calibration(forced.end_chance[alive], forced.true_end[alive]),
        "sound_f1": onset_f1(forced),
        "caption_f1": caption_f1(forced),
        "action_shuffle_ratio": float(forced.loss_shuffled[alive].mean() / forced.loss[alive].mean()),
    }


def _free(
    streamer: Streamer, episodes: Episodes, told: np.ndarray, passes: int, rows: int, steps: int
) -> dict[str, Any]:
    seeds = np.arange(7_000, 7_000 + rows)
    free = run_free(streamer, told, seeds, steps, passes)
    quiet = run_free(streamer, told, seeds + rows, steps, passes, hands=0.0)
    agreement = self_consistency(quiet)
    doors = doors_in_walls(free)
    marks = [steps // 10, steps // 2, steps]
    return {
        "valid_100": _with_interval(valid_rate(free, 100)),
        f"valid_{steps}": _with_interval(valid_rate(free, steps)),
        "idm_agree": motion_agreement(free),
        "diversity_50": diversity(free, 50),
        "band_energy_ratio": band_energy_ratio(free, episodes, steps),
        f"self_consistency_{steps}": _with_interval(np.nanmean(agreement[:, -steps // 10 :], axis=1)),
        "self_consistency_by_tenth": [
            round(float(np.nanmean(agreement[:, k * steps // 10 : (k + 1) * steps // 10])), 4) for k in range(10)
        ],
        "doors_in_walls": _with_interval(doors[doors[:, 1] > 0], _share),
        "places_known": {mark: float(np.median(places_known(quiet, mark))) for mark in marks},
        "tile_shares": {"dreamt": tile_shares(free.tiles[:, steps // 2 :]), "real": tile_shares(episodes.tiles)},
    }


def _goals(streamer: Streamer, told: np.ndarray, passes: int, rows: int) -> dict[str, Any]:
    """Of dreams in which a goal is to be reached: in how many one is seen within 100 steps; of these, in how many just
    one."""
    goals = goals_met(run_free(streamer, told, np.arange(8_000, 8_000 + rows), 100, passes))
    met = goals[goals > 0]
    return {"goal_met": float((goals > 0).mean()), "one_goal": float((met == 1).mean()) if len(met) else None}


def _directed(streamer: Streamer, told: np.ndarray, passes: int, rows: int, rounds: int) -> dict[str, Any]:
    seeds = np.arange(9_000, 9_000 + rows)
    figures: dict[str, Any] = {}
    for held_out, name in ((False, "direction_ok"), (True, "direction_heldout_ok")):
        found = run_directed(streamer, told, seeds, rounds, passes, held_out)
        can = found.possible
        figures[name] = _by_dream(found.effect[can], found.row[can])
        figures[name.replace("_ok", "_by_event")] = _by_event(found.event[can], found.effect[can])
        if not held_out:
            figures["untouched"] = _by_dream(found.untouched, found.row)
            several = ~np.isnan(found.alike)
            figures["alike_untouched"] = _by_dream(found.alike[several], found.row[several])
            figures["refused_when_it_should"] = float((~found.applied[~can]).mean())
            figures["accepted_when_it_should"] = float(found.applied[can].mean())
    return figures


def _hands(streamer: Streamer, told: np.ndarray, passes: int, rows: int, steps: int) -> dict[str, Any]:
    found = run_hands(streamer, told, np.arange(100, 100 + rows), steps, passes)
    counts = {str(event): int((found.event == event).sum()) for event in np.unique(found.event)}
    return {"hands_right": _by_event(found.event, found.right), "hands_moments": counts}


def _listened(streamer: Streamer, episodes: Episodes, passes: int, moments: int) -> dict[str, Any]:
    found = run_listening(streamer, episodes, moments, passes)
    goes_on = found.effect & ~found.over
    return {
        "sound_recognised": float(found.recognised.mean()),
        "sound_refused_when_it_should": float(found.refused.mean()),
        "handled_ok": _with_interval(found.effect.astype(float)),
        "handled_by_event": _by_event(found.event, found.effect),
        "handled_and_stays": _with_interval(found.last[goes_on].astype(float)),
        "handled_and_stays_by_event": _by_event(found.event[goes_on], found.last[goes_on]),
        "handled_untouched": _with_interval(found.untouched),
    }


def _by_event(events: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """The share that is right, event by event."""
    return {str(event): round(float(right[events == event].mean()), 3) for event in np.unique(events)}


def _share(counts: np.ndarray) -> float:
    """Of (right, all) counts of some episodes, the share that is right."""
    right, total = counts.sum(0)
    return float(right / total)


def _by_dream(values: np.ndarray, row: np.ndarray) -> dict[str, float] | None:
    """The mean over sentences, with the interval over the dreams they were said in: those of one dream are no
    independent witnesses."""
    counts = np.array([(values[row == one].sum(), (row == one).sum()) for one in np.unique(row)])
    found = _with_interval(counts, _share)
    return found and found | {"n": len(values)}


def _with_interval(values: np.ndarray, statistic: Callable[[np.ndarray], float] = np.mean) -> dict[str, float] | None:
    """A statistic over episodes, their mean if not said, with its 95 % bootstrap interval; None of none."""
    if not len(values):
        return None
    found = bootstrap(values, statistic)
    return {
        "mean": round(found.estimate, 5),
        "low": round(found.low, 5),
        "high": round(found.high, 5),
        "n": len(values),
    }


def gates(figures: dict[str, Any]) -> dict[str, bool]:
    """The stages that a training must reach before the next is worth its time, and whether it has."""
    first = {"G0 one episode by heart: dB >= 35": figures["by_heart_db"] >= 35} if "by_heart_db" in figures else {}
    return first | {
        "G1 one step: determined tiles right >= 0.98": figures["tile_acc_1"]["mean"] >= 0.98,
        "G2 a hundred steps free: lawful tiles >= 0.95": figures["valid_100"]["mean"] >= 0.95,
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people, one a line."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict) and "mean" in value:
            value = f"{value['mean']:.4f}  [{value['low']:.4f}, {value['high']:.4f}]  n={value['n']}"
        lines.append(f"{name:28} {value if not isinstance(value, float) else round(value, 4)}")
    return "\n".join(lines)
