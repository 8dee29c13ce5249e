"""What the watch says of small films whose story is known: panning, snapping back, cutting, flickering, frozen."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from wmenv.contract import ActionTable
from wmenv.metrics.governor import FixedStride
from wmenv.metrics.watch import WINDOW, FrameWatch, is_noop

TABLE = ActionTable(("left", "right", "stay"), noop=2, inverse={0: 1, 1: 0}, pans=(0, 1))
SIDE = 64


@functools.cache
def scene(seed: int = 0) -> np.ndarray:
    """A wide smooth texture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (SIDE // 8, 400, 3)).astype(float)
    wide = coarse.repeat(8, axis=0).repeat(8, axis=1)
    for axis in (0, 1):
        wide = (wide + np.roll(wide, 4, axis) + np.roll(wide, -4, axis)) / 3
    return wide.astype(np.uint8)


class Panorama:
    """A window on a scene that actions move by four pixels."""

    def __init__(self, seed: int = 0) -> None:
        self.scene, self.start = scene(seed), 1600
        self.at = self.start

    def step(self, action: int) -> np.ndarray:
        self.at += {0: -4, 1: 4, 2: 0}[action]
        return self.show()

    def show(self) -> np.ndarray:
        return self.scene[:, self.at : self.at + SIDE]


def sticky(steps: int, seed: int = 0) -> list[int]:
    rng, action, taken = np.random.default_rng(seed), 1, []
    for _ in range(steps):
        if rng.random() > 0.85:
            action = int(rng.integers(3))
        taken.append(action)
    return taken


def watch(frames: list[np.ndarray], actions: list[int]) -> dict:
    """The record of one film: the first frame, then one per action."""
    eye = FrameWatch(TABLE, 1, FixedStride())
    eye.open([0], frames[0][None])
    for action, frame in zip(actions, frames[1:], strict=True):
        eye.look(np.array([True]), np.array([action]), frame[None])
    return eye.record(0)


def film(actions: list[int], seed: int = 0) -> list[np.ndarray]:
    world = Panorama(seed)
    return [world.show(), *(world.step(action) for action in actions)]


def test_a_sound_world_obeys_and_nothing_else():
    actions = sticky(300)
    record = watch(film(actions), actions)
    assert record["omega2"] > 0.9
    assert record["effect_lag_steps"] == 0
    assert record["unique_share"] > 0.9
    assert record["reverts"]["events"] == record["cuts"]["events"] == 0
    assert record["reverts"]["exposed_steps"] > 200
    assert record["flicker"] == 0
    assert record["watched_steps"] == 300


def test_a_frozen_film_looks_good_nowhere():
    actions = sticky(300)
    record = watch([film([])[0]] * 301, actions)
    assert record["omega2"] == 0
    assert record["unique_share"] == 0
    assert record["reverts"]["exposed_steps"] == 0
    assert record["reverts"]["per_1000"] is None, "who never leaves cannot claim never to snap back"


def test_lag_is_told_from_deafness():
    actions = sticky(300)
    frames = film(actions)
    record = watch([frames[0]] * 6 + frames[1:-5], actions)
    assert record["effect_lag_steps"] == 5
    assert record["omega2"] > 0.9


def test_a_snap_home_from_afar_is_a_revert_and_walking_home_is_not():
    away = [1] * 60
    there = film(away)
    snap = watch([*there, there[0], *[there[0]] * 20], [*away, *[2] * 21])
    walked = [*away, *[0] * 60, *[2] * 20]
    assert snap["reverts"]["events"] == 1
    assert watch(film(walked), walked)["reverts"]["events"] == 0


def test_turning_the_whole_view_is_no_revert_and_no_cut_but_unseen():
    pictures = [film([], seed)[0] for seed in range(4)]
    turns = [[0, 1][(t // 7) % 2] for t in range(300)]
    facing = np.cumsum([0, *(1 if turn else -1 for turn in turns)]) % 4
    record = watch([pictures[side] for side in facing], turns)
    assert record["reverts"]["exposed_steps"] == record["cuts"]["exposed_steps"] == 0


def test_cuts_are_counted_where_moves_are_smooth():
    actions = [1] * 120
    frames = film(actions)
    elsewhere = [190 + frame // 4 for frame in film(actions, seed=5)]
    record = watch(frames[:80] + elsewhere[80:100] + frames[100:], actions)
    assert record["cuts"]["events"] == 2


def test_flicker_is_the_tremble_at_rest():
    still = film([])[0]
    dark = (still * 0.8).astype(np.uint8)
    record = watch([still, dark] * 50 + [still], [2] * 100)
    step = float(np.abs(still.astype(float) - dark).mean()) / 255
    assert record["flicker"] == pytest.approx(2 * step, rel=0.03), "x - 2y + x is twice the difference"


def test_repeated_frames_are_not_unique():
    actions = [1] * 200
    frames = film(actions)
    doubled = [frames[t // 2 * 2] for t in range(201)]
    assert watch(doubled, actions)["unique_share"] == pytest.approx(0.5, abs=0.02)


def test_an_onset_is_the_first_jump_after_the_direction():
    frames = film([2] * 60)
    changed = [frame.copy() for frame in frames]
    for frame in changed[43:]:
        frame[10:40, 10:40] = 255
    eye = FrameWatch(TABLE, 1, FixedStride())
    eye.open([0], changed[0][None])
    for step, frame in enumerate(changed[1:], start=1):
        eye.look(np.array([True]), np.array([2]), frame[None])
        if step == 40:
            onset = eye.expect(0)
    eye.record(0)
    assert (onset.asked, onset.began) == (40, 43)


def test_rows_are_watched_alone_whatever_runs_beside_them():
    plans = [sticky(150, seed) for seed in range(3)]
    films = [film(plan, seed) for seed, plan in enumerate(plans)]
    eye = FrameWatch(TABLE, 3, FixedStride())
    eye.open([0, 1, 2], np.stack([frames[0] for frames in films]))
    for t in range(150):
        active = np.array([True, t < 100, True])
        eye.look(active, np.array([plan[t] for plan in plans]), np.stack([frames[t + 1] for frames in films]))
    assert_alike(eye.record(0), watch(films[0], plans[0]))
    assert_alike(eye.record(1), watch(films[1][:101], plans[1][:100]))


def assert_alike(one: Any, other: Any) -> None:
    """The same, but for the last bits of sums that some processors form in another order beside other rows."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_alike(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for here, there in zip(one, other, strict=True):
            assert_alike(here, there)
    else:
        assert one == (pytest.approx(other, rel=1e-6) if isinstance(other, float) else other)


def test_a_stride_watches_windows_and_says_how_much():
    actions = sticky(4 * WINDOW)
    eye = FrameWatch(TABLE, 1, FixedStride(2))
    frames = film(actions)
    eye.open([0], frames[0][None])
    for action, frame in zip(actions, frames[1:], strict=True):
        eye.look(np.array([True]), np.array([action]), frame[None])
    record = eye.record(0)
    assert 2 * WINDOW - 3 <= record["watched_steps"] <= 2 * WINDOW
    assert record["omega2"] > 0.8


def test_with_room_for_one_the_rows_take_turns():
    eye = FrameWatch(TABLE, 3, FixedStride(3))
    frames = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    watched = []
    for _ in range(6):
        eye.open([0, 1, 2], frames)
        eye.look(np.ones(3, bool), np.array([2, 2, 2]), frames)
        watched.append(tuple(eye.record(row)["watched_steps"] for row in range(3)))
    assert all(sum(counts) == 1 for counts in watched)
    assert (np.sum(watched, 0) == 2).all(), "as often each"


def test_health_is_sampled_however_often_something_is_directed():
    eye = FrameWatch(TABLE, 1, FixedStride())
    actions = sticky(48)
    frames = film(actions)
    eye.open([0], frames[0][None])
    for step, (action, frame) in enumerate(zip(actions, frames[1:], strict=True)):
        eye.look(np.array([True]), np.array([action]), frame[None])
        if step % 5 == 0:
            eye.expect(0)
    assert eye.record(0)["health"]["samples"] == 3


def test_the_watch_keeps_and_alters_nothing():
    actions = sticky(60)
    frames = film(actions)
    before = [frame.copy() for frame in frames]
    eye = FrameWatch(TABLE, 1, FixedStride())
    shared = np.array(frames[0][None])
    eye.open([0], shared)
    for action, frame in zip(actions, frames[1:], strict=True):
        shared[:] = frame  # an environment may reuse its buffer
        eye.look(np.array([True]), np.array([action]), shared)
        assert (shared[0] == frame).all()
        shared[:] = 77
    assert eye.record(0) == watch(before, actions)


def test_no_ops_of_every_kind():
    box = ActionTable(("x", "y"), noop=(0.0, 0.0), kind="box", low=(-1, -1), high=(1, 1))
    assert is_noop(TABLE, np.array([0, 2])).tolist() == [False, True]
    assert is_noop(box, np.array([[0, 0], [0, 0.5]], np.float32)).tolist() == [True, False]
    assert is_noop(ActionTable(("a", "b")), np.array([0, 1])).tolist() == [False, False]
