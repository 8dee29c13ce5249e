"""Thumbnails, distances, motion: against averages worked out by hand and shifts that are known."""

import numpy as np
import pytest

from wmenv.metrics.distance import MultiScale, ThumbnailL1, ssim
from wmenv.metrics.motion import motion
from wmenv.metrics.thumbnail import LUMA, area_weights, halved, thumbnails


def texture(seed: int = 0, cells: int = 12) -> np.ndarray:
    """A picture of random squares of 8 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def blurred(frame: np.ndarray, times: int) -> np.ndarray:
    picture = frame.astype(float)
    for _ in range(times):
        picture = (picture + sum(np.roll(picture, step, axis) for axis in (0, 1) for step in (-1, 1))) / 5
    return picture.astype(np.uint8)


def test_area_weights_average_whole_and_split_pixels():
    assert (area_weights(4, 2) == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]).all()
    np.testing.assert_allclose(area_weights(56, 36).sum(axis=1), 1, rtol=1e-5)


def test_a_thumbnail_is_the_area_mean_of_luma():
    frame = np.random.default_rng(0).integers(0, 256, (1, 72, 128, 3), np.uint8)
    by_hand = (frame[0] @ LUMA / 255).reshape(36, 2, 64, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(thumbnails(frame)[0], by_hand, atol=1e-5)
    np.testing.assert_allclose(halved(thumbnails(frame))[0], by_hand.reshape(18, 2, 32, 2).mean((1, 3)), atol=1e-5)


@pytest.mark.parametrize(("size", "cells"), [((56, 56), (36, 56)), ((8, 8), (8, 8)), ((720, 1280), (36, 64))])
def test_thumbnails_are_never_enlarged(size, cells):
    assert thumbnails(np.zeros((2, *size, 3), np.uint8)).shape == (2, *cells)


@pytest.mark.parametrize("distance", [ThumbnailL1(), MultiScale()])
def test_a_distance_is_zero_for_equals_and_grows_with_damage(distance):
    frame = texture()
    ladder = np.stack([frame, *(blurred(frame, times) for times in (2, 8, 32)), 255 - frame])
    found = distance(np.stack([frame] * len(ladder)), ladder)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(found) > 0).all()
    assert (distance.name, distance.version, distance.weights_sha256)[2] is None


def test_only_the_probe_distance_sees_a_change_of_hue_alone():
    red, green = np.zeros((2, 1, 32, 32, 3), np.uint8)
    red[..., 0] = 100
    green[..., 1] = round(100 * LUMA[0] / LUMA[1])
    assert ThumbnailL1()(red, green)[0] < 0.002
    assert MultiScale()(red, green)[0] > 0.5


def test_ssim_of_opposite_pictures_is_negative_and_of_equal_ones_is_one():
    luma = thumbnails(texture()[None])
    np.testing.assert_allclose(ssim(luma, luma), 1, rtol=1e-4)
    assert ssim(luma, 1 - luma).mean() < 0


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (2, -3), (-4, 4)])
def test_motion_finds_the_shift_and_explains_everything_with_it(dy, dx):
    scene = np.random.default_rng(1).random((40, 60)).astype(np.float32)
    before, after = scene[10:28, 10:42], scene[10 - dy : 28 - dy, 10 - dx : 42 - dx]
    found = motion(before[None], after[None])
    assert (found.dy[0], found.dx[0]) == (dy, dx)
    assert found.unexplained[0] == pytest.approx(0, abs=1e-4)


def test_no_shift_explains_another_scene():
    one, other = np.random.default_rng(2).random((2, 1, 18, 32)).astype(np.float32)
    assert motion(one, other).unexplained[0] > 0.7


def test_noise_alone_is_not_taken_for_a_shift_that_explains():
    picture = thumbnails(texture()[None])
    noisy = picture + np.random.default_rng(3).normal(0, 0.05, picture.shape).astype(np.float32)
    found = motion(halved(picture), halved(noisy))
    assert (found.dy[0], found.dx[0]) == (0, 0)
