"""Health features against pictures made to move one of them, and a flag that drift raises and noise does not."""

import numpy as np
import pytest

from wmenv.metrics.health import EARLY, FEATURES, SERIES, Health, health
from wmenv.worlds.broken.picture import turn_hue


def picture(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 190, (16, 16, 3), np.uint8)
    noise = np.random.default_rng(seed + 1).integers(-9, 10, (64, 64, 3))
    return np.clip(coarse.repeat(4, 0).repeat(4, 1) + noise, 0, 255).astype(np.uint8)


def soft(frame: np.ndarray, times: int) -> np.ndarray:
    values = frame.astype(float)
    for _ in range(times):
        values = (values + sum(np.roll(values, step, axis) for axis in (0, 1) for step in (-1, 1))) / 5
    return values.astype(np.uint8)


def feature(frame: np.ndarray, name: str) -> float:
    return float(health(frame)[FEATURES.index(name)])


def test_level_colour_and_clipping_by_hand():
    half = np.zeros((32, 32, 3), np.uint8)
    half[:, 16:] = (255, 0, 0)
    values = dict(zip(FEATURES, health(half), strict=True))
    assert values["luma"] == pytest.approx(0.299 / 2, abs=1e-3)
    assert values["contrast"] == pytest.approx(0.299 / 2, abs=1e-3)
    assert values["clipped"] == 1
    assert values["red_green"] == pytest.approx(0.5)
    assert values["yellow_blue"] == pytest.approx(0.25)


def test_blur_takes_the_fine_band_first_and_noise_gives_it_back():
    sharp, blurred = picture(), soft(picture(), 6)
    fine, coarse = (feature(sharp, name) - feature(blurred, name) for name in ("band_fine", "band_coarse"))
    assert fine > 0.3
    assert fine > coarse
    noisy = np.clip(sharp + np.random.default_rng(5).normal(0, 25, sharp.shape), 0, 255).astype(np.uint8)
    assert feature(noisy, "band_fine") > feature(sharp, "band_fine")


@pytest.mark.parametrize("block", [4, 5, 7])
def test_blocks_of_any_size_are_peaky(block):
    smooth = soft(picture(), 8)
    index = np.arange(64) // block * block
    assert feature(smooth[index][:, index], "peakiness") > 2 * feature(smooth, "peakiness")


def test_only_the_middle_of_a_large_frame_is_read():
    large = np.zeros((300, 400, 3), np.uint8)
    large[86:214, 136:264] = picture().repeat(2, 0).repeat(2, 1)
    assert (health(large) == health(np.ascontiguousarray(large[86:214, 136:264]))).all()


def follow(frames) -> dict:
    watched = Health()
    for at, frame in enumerate(frames):
        watched.fold(frame, 16 * (at + 1))
    return watched.record()


def test_slow_drift_raises_the_flag_and_says_when_and_what():
    redder = np.array([2, 0, 0])
    frames = [np.clip(picture() + at * redder, 0, 255).astype(np.uint8) for at in range(40)]
    record = follow(frames)
    assert record["flag_feature"] in ("red_green", "yellow_blue", "luma")
    assert 16 * EARLY < record["flag_step"] <= 16 * 40
    assert record["range"]["red_green"] > 0.2


def test_noise_and_variety_raise_none():
    assert follow(picture(seed) for seed in range(60))["flag_step"] is None


def test_a_drift_that_comes_back_stays_in_the_range():
    tide = [np.clip(picture().astype(int) - abs(40 - 2 * at), 0, 255).astype(np.uint8) for at in range(41)]
    record = follow(tide)
    assert record["range"]["luma"] > 0.1


def test_frames_that_show_nothing_are_counted():
    record = follow([picture()] * 10 + [np.zeros((64, 64, 3), np.uint8)] * 30)
    assert record["constant_share"] == 0.75
    assert follow([])["constant_share"] is None


def test_a_hue_that_turns_among_greys_raises_the_flag():
    grey = np.full((56, 56, 3), 110, np.uint8)
    record = follow(painted(grey, 3 * at) for at in range(40))
    assert record["flag_feature"] in ("lean_red_green", "lean_yellow_blue")
    assert follow(painted(grey, 0) for _ in range(40))["flag_step"] is None


def painted(frame: np.ndarray, degrees: float) -> np.ndarray:
    """The frame with one small red mark, whose hue is turned."""
    marked = frame.copy()
    marked[24:28, 24:28] = (200, 40, 40)
    return turn_hue(marked, degrees)


def test_the_series_is_kept_and_thinned_evenly():
    series = follow(picture(at) for at in range(20))["series"]
    assert series["step"] == [16 * (at + 1) for at in range(20)]
    assert series["luma"][3] == pytest.approx(feature(picture(3), "luma"), abs=1e-4)
    assert set(series) == {"step", *FEATURES}
    long = follow([picture(at) for at in range(4)] * (3 * SERIES // 4))["series"]
    assert SERIES // 2 <= len(long["step"]) < SERIES
    assert set(np.diff(long["step"])) == {64}
