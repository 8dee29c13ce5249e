"""Image health: sharpness, light, colour, blockiness, and damage, watched for a lasting change since the beginning.

The flag is a two-sided CUSUM against a frozen early window, so slow drift is not learned as normal. New scenery looks
like drift too: the flag says "look here" and is never a score.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from wmenv.metrics import colour
from wmenv.metrics.thumbnail import LUMA

VERSION = "health-2"
CROP = 128  # pixels; larger frames are read in their middle, at full resolution
EARLY = 8  # samples that say what is normal
SLACK, LIMIT, CAP = 2.0, 15.0, 4.0  # in usual deviations: forgiven per sample, raising the flag, counted at most
BANDS = ((1.0, 2.0), (2.0, 4.0))  # sigmas of the two Gaussians whose difference is a band
DARK, BRIGHT = 2, 253  # at or beyond these, a byte is clipped
USUAL_OF = {  # each feature, and the least deviation of it that counts as usual: other rooms look different too
    "band_fine": 0.10,
    "band_coarse": 0.10,
    "luma": 0.03,
    "contrast": 0.03,
    "clipped": 0.10,
    "red_green": 0.02,
    "yellow_blue": 0.02,
    "lean_red_green": 0.20,  # of the few colours of a grey picture, whose means hardly move
    "lean_yellow_blue": 0.20,
    "peakiness": 0.15,
}
FEATURES, USUAL = tuple(USUAL_OF), np.array(list(USUAL_OF.values()))
CONSTANT = 0.5 / 255  # contrast at or below which a frame shows nothing
BLANK = 0.2  # share of samples that show nothing, above which a world is called blank
SERIES = 256  # samples of an episode that are kept; of a longer one every second, every fourth, ...


@functools.lru_cache(maxsize=64)
def _gaussian(size: int, sigma: float) -> np.ndarray:
    """The (size, size) matrix that blurs along one axis, rows summing to 1 so that edges keep their light."""
    apart = np.subtract.outer(np.arange(size), np.arange(size))
    weights = np.exp(-0.5 * (apart / sigma) ** 2)
    weights[weights < 1e-6] = 0.0  # the tails would be subnormal numbers, which are slow
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def blurred(luma: np.ndarray, sigma: float) -> np.ndarray:
    """Luma (H, W) after a Gaussian of `sigma` pixels."""
    height, width = luma.shape
    return _gaussian(height, sigma) @ luma @ _gaussian(width, sigma).T


def band_energies(luma: np.ndarray) -> list[float]:
    """The log energy of each of `BANDS`."""
    by_sigma = {sigma: blurred(luma, sigma) for sigma in {sigma for band in BANDS for sigma in band}}
    return [float(np.log10((by_sigma[a] - by_sigma[b]).var() + 1e-8)) for a, b in BANDS]


def peakiness(luma: np.ndarray) -> float:
    """How unevenly edges are spread over rows and columns; blocks of any size put them all in a few."""
    profiles = (np.abs(luma[:, 1:] - luma[:, :-1]).mean(axis=0), np.abs(luma[1:] - luma[:-1]).mean(axis=1))
    return float(sum(profile.std() / (profile.mean() + 1e-4) for profile in profiles) / 2)


def health(frame: np.ndarray) -> np.ndarray:
    """The `FEATURES` of one (H, W, 3) uint8 frame."""
    top, left = (max(0, (size - CROP) // 2) for size in frame.shape[:2])
    values = frame[top : top + CROP, left : left + CROP]
    pixels = values.astype(np.float32).reshape(-1, 3) / 255
    luma = (pixels @ LUMA).reshape(values.shape[:2])
    red, green, blue = np.full(len(pixels), 1 / len(pixels), np.float32) @ pixels
    clipped = (np.count_nonzero(values <= DARK) + np.count_nonzero(values >= BRIGHT)) / values.size
    level = (luma.mean(), luma.std(), clipped, red - green, (red + green) / 2 - blue)
    return np.array([*band_energies(luma), *level, *colour.lean(values), peakiness(luma)])


class Health:
    """Follows the health of one episode, raises its flag once, and counts frames that show nothing."""

    def __init__(self) -> None:
        self._early: list[np.ndarray] = []
        self._normal = self._usual = np.zeros(len(FEATURES))
        self._sums = np.zeros((2, len(FEATURES)))  # upward and downward CUSUM
        self._least, self._most = np.full((2, len(FEATURES)), [[np.inf], [-np.inf]])
        self._last = np.zeros(len(FEATURES))
        self._samples = self._constant = 0
        self._flag: tuple[int, str] | None = None
        self._series: list[tuple[int, np.ndarray]] = []  # steps and what was sampled there
        self._apart = 1  # samples from one that is kept to the next

    def fold(self, frame: np.ndarray, step: int) -> None:
        """Sample the frame shown at `step`."""
        values = self._last = health(frame)
        self._keep(values, step)
        self._samples += 1
        self._constant += bool(values[FEATURES.index("contrast")] <= CONSTANT)
        self._least, self._most = np.minimum(self._least, values), np.maximum(self._most, values)
        if len(self._early) < EARLY:
            self._learn(values)
        else:
            self._compare(values, step)

    def record(self) -> dict[str, Any]:
        step, feature = self._flag or (None, None)
        seen = self._samples > 0
        nothing: dict[str, float | None] = dict.fromkeys(FEATURES)
        return {
            "samples": self._samples,
            "flag_step": step,
            "flag_feature": feature,
            "range": _named(self._most - self._least) if seen else nothing,
            "end": _named(self._last) if seen else dict(nothing),
            "constant_share": self._constant / self._samples if seen else None,
            "series": self._columns(),
        }

    def _keep(self, values: np.ndarray, step: int) -> None:
        if self._samples % self._apart == 0:
            self._series.append((step, values))
        if len(self._series) == SERIES:
            self._series, self._apart = self._series[::2], 2 * self._apart

    def _columns(self) -> dict[str, list[float]]:
        """The kept samples by feature, beside the steps they are of."""
        columns = np.array([values for _, values in self._series]).reshape(-1, len(FEATURES)).T.round(4).tolist()
        return {"step": [step for step, _ in self._series], **dict(zip(FEATURES, columns, strict=True))}

    def _learn(self, values: np.ndarray) -> None:
        self._early.append(values)
        if len(self._early) == EARLY:
            self._normal = np.median(self._early, axis=0)
            self._usual = np.maximum(np.std(self._early, axis=0), USUAL)

    def _compare(self, values: np.ndarray, step: int) -> None:
        off = np.clip((values - self._normal) / self._usual, -CAP, CAP)
        self._sums = np.maximum(self._sums + np.stack([off, -off]) - SLACK, 0.0)
        worst = self._sums.max(axis=0)
        if self._flag is None and worst.max() > LIMIT:
            self._flag = step, FEATURES[int(worst.argmax())]


def _named(values: np.ndarray) -> dict[str, float | None]:
    return dict(zip(FEATURES, values.round(4).tolist(), strict=True))
