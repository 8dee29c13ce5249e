"""The arithmetic of the probes, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wmenv.bench.paired.events import events, matched, matthews
from wmenv.bench.paired.exploitability import inverted_pairs
from wmenv.bench.paired.pair import Film, Pair
from wmenv.bench.paired.uncertainty import auroc
from wmenv.bench.probe import GATE_FAILED, SCORED, ProbeSpec
from wmenv.bench.probes.control import told_by_others, told_by_return
from wmenv.bench.probes.counterfactual import separation
from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.probes.pace import lateness
from wmenv.bench.probes.prompted import Prompted, changes, first_run
from wmenv.bench.probes.soak import Soak, sustained
from wmenv.bench.stage import Scale
from wmenv.bench.take import reduced
from wmenv.metrics.distance import MultiScale
from wmenv.metrics.retrieval import REACH, aligned, best_shift, nearest

ACTIONS = np.array([0, 0, 1, 1])


def pictures(count: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 12, 12, 3), np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


# --- distances and retrieval ---


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-1, 1)])
def test_a_shift_within_reach_is_forgiven(shift):
    frames = pictures(3)
    moved = np.roll(frames, shift, axis=(1, 2))
    assert aligned(MultiScale(), frames, moved).max() < 1e-6
    dy, dx = best_shift(*(f.mean(axis=-1) for f in (frames, moved)))
    assert (dy - REACH, dx - REACH) == (pytest.approx([shift[0]] * 3), pytest.approx([shift[1]] * 3))


def test_a_picture_is_nearest_to_itself():
    frames = pictures(4)
    which, apart = nearest(MultiScale(), frames, [np.roll(frames, 1, axis=0), frames])
    assert which.tolist() == [1] * 4
    assert (apart[1] < apart[0]).all()


def test_large_pictures_are_averaged_and_small_ones_left():
    assert reduced(np.full((2, 360, 640, 3), 7, np.uint8)).shape == (2, 72, 128, 3)
    small = pictures(1)
    assert reduced(small) is small


@pytest.mark.parametrize(("floor", "ceiling", "degenerate"), [(0.0, 0.5, False), (0.3, 0.5, True), (0.0, 0.01, True)])
def test_a_world_whose_scenes_are_all_alike_is_degenerate(floor, ceiling, degenerate):
    assert Scale(floor, ceiling).degenerate is degenerate


# --- control ---


def test_separation_splits_ties():
    assert separation(np.zeros((4, 4)), ACTIONS) == 0.5
    apart = (ACTIONS[:, None] != ACTIONS).astype(float)
    assert separation(apart, ACTIONS) == 1.0


def test_actions_are_told_by_what_they_did_elsewhere():
    labels = np.array([0, 1, 0, 1])
    features = np.tile(labels[:, None, None].astype(float), (1, 5, 2))
    assert told_by_others(labels, features).tolist() == [1.0] * 5
    assert told_by_others(labels, np.zeros((4, 5, 2))).tolist() == [0.5] * 5


def test_actions_are_told_by_what_undoes_them():
    views, inverses = np.array([0, 1, 2]), np.array([1, 0, 2])
    apart = np.ones((3, 3))
    apart[[1, 0, 2], [0, 1, 2]] = 0.0
    assert told_by_return(apart, views, inverses) == 1.0
    assert told_by_return(np.ones((3, 3)), views, inverses) == pytest.approx(1 / 3)
    assert told_by_return(np.roll(apart, 1, axis=0), views, inverses) == 0.0


# --- times ---


def test_a_stall_is_charged_to_every_step_that_it_pushes_back():
    late = lateness(np.array([1.0] * 3 + [4.5] + [0.5] * 8), slot=1.0)
    assert late[:3].tolist() == [1.0, 1.0, 1.0]
    assert (late > 1.0).sum() == 7


def test_an_onset_takes_two_looks_in_a_row():
    assert first_run(np.array([True, False, False])) is None
    assert first_run(np.array([False, True, True, False])) == 1


def test_the_most_that_was_held_is_no_single_peak():
    assert sustained(np.array([0.0, 9.0, 0.0, 3.0, 4.0])) == 3.0


def test_chance_is_not_taken_for_a_change():
    plain, other = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 40, np.uint8)
    told = plain.copy()
    told[0, 0, 0] = 200
    told[0, 1, 1] = 60
    assert changes(told, plain, plain).sum() == 2
    assert changes(told, plain, other).sum() == 1


# --- scores from rows ---


def test_a_failed_gate_counts_nothing_and_is_not_left_out():
    kept = {"outcome": SCORED, "hits": [1, 1], "false": [0, 0], "went": 1.0}
    stuck = {"outcome": GATE_FAILED}
    assert LookAway((0, 9)).score([kept] * 4) == 1.0
    assert LookAway((0, 9)).score([kept, kept, stuck, stuck]) == 0.25  # J of a half, gone half of the time
    assert LookAway((0, 9)).score([stuck] * 4) == 0.0
    assert Soak().score([stuck] * 4) == 0.0
    assert Prompted().score([stuck] * 4) == 0.0


def test_hits_without_a_return_cancel_those_with_it():
    always = {"outcome": SCORED, "hits": [1], "false": [1], "went": 1.0}
    assert LookAway((0,)).score([always] * 4) == 0.0


def test_the_worst_absence_counts():
    rare_reset = {"outcome": SCORED, "hits": [1, 1, 0], "false": [0, 0, 0], "went": 1.0}
    assert LookAway((0, 60, 160)).score([rare_reset] * 4) == 0.0


def test_a_change_that_colours_everything_is_not_local():
    scene = {"outcome": SCORED, "follow": 1, "lasted": 199, "ended": False, "leak": 0.05}
    assert Prompted(200).score([scene] * 4) == 1.0
    assert Prompted(200).score([{**scene, "leak": 0.9}] * 4) == 0.0
    assert Prompted(200).score([{**scene, "lasted": 20, "ended": True}] * 4) == pytest.approx(20 / 199)


def test_the_hash_changes_with_every_setting():
    plain = ProbeSpec("P4", "look away", 1, {"dwells": (0,)})
    others = [ProbeSpec("P4", "look away", 2, {"dwells": (0,)}), ProbeSpec("P4", "look away", 1, {"dwells": (1,)})]
    assert len({spec.hash for spec in (plain, *others)}) == 3
    assert plain.hash == ProbeSpec("P4", "look away", 1, {"dwells": (0,)}).hash


# --- events and doubts ---


def test_events_match_within_two_steps_and_each_only_once():
    real = np.array([0, 0, 1, 0, 0, 0, 1, 0, 0, 0]) > 0
    assert matched(real, np.roll(real, 1)) == (2, 0, 0, 8)
    assert matched(real, np.roll(real, 3) & False) == (0, 2, 0, 8)
    assert matched(real, np.arange(10) == 4) == (1, 1, 0, 8)


def test_never_rewarding_correlates_with_nothing():
    reward = np.zeros((20, 2))
    reward[5] = 1.0
    film, never = (Film(np.zeros((21, 2, 1, 1, 3), np.uint8), reward=values) for values in (reward, np.zeros((20, 2))))
    pair = Pair(film, never, never, film, np.zeros((20, 2)), "the same seed", [0, 1], [], [])
    assert events(pair, film)["estimate"] == 1.0
    assert events(pair, never)["estimate"] == 0.0
    assert events(pair, never)["return_error"] == 1.0
    assert matthews(0, 5, 0, 95) == 0.0


def test_constant_doubt_tells_nothing():
    wrong = np.array([True, False, True, False])
    assert auroc(wrong, np.ones(4)) == 0.5
    assert auroc(wrong, wrong.astype(float)) == 1.0


def test_policies_ranked_the_other_way_are_found():
    rng = np.random.default_rng(0)
    returns = np.array([[0.0], [5.0], [10.0]]) + 0.1 * rng.standard_normal((3, 20))
    assert inverted_pairs(returns, returns)["inverted_share"] == 0.0
    assert inverted_pairs(returns, returns[::-1])["inverted_share"] == 1.0
