"""Faults of the picture: the world behind it is sound, what it shows decays or is spoiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wmenv.worlds.broken.fault import Fault, Own


@dataclass(frozen=True)
class AlwaysBlurred(Fault):
    """Every picture is blurred from the first on."""

    sigma: float = 2.0

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        return np.stack([blur(frame, self.sigma) for frame in frames])


@dataclass(frozen=True)
class BlurDrift(Fault):
    """Pictures grow more blurred by `per_step` pixels of sigma, up to `most`."""

    per_step: float = 0.02
    most: float = 4.0

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        sigmas = np.minimum(own["clock"] * self.per_step, self.most)
        return np.stack([blur(frame, sigma) for frame, sigma in zip(frames, sigmas, strict=True)])


@dataclass(frozen=True)
class PixelateDrift(Fault):
    """Pictures fall into blocks, one pixel larger `every` so many steps, up to `most`."""

    every: int = 50
    most: int = 8

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        sizes = np.minimum(1 + own["clock"] // self.every, self.most)
        return np.stack([pixelate(frame, int(size)) for frame, size in zip(frames, sizes, strict=True)])


@dataclass(frozen=True)
class HueDrift(Fault):
    """Colours turn around the wheel by `per_step` degrees, up to `most`."""

    per_step: float = 0.5
    most: float = 120.0

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        degrees = np.minimum(own["clock"] * self.per_step, self.most)
        return np.stack([turn_hue(frame, angle) for frame, angle in zip(frames, degrees, strict=True)])


@dataclass(frozen=True)
class Noisy(Fault):
    """Fresh sensor noise of `sigma` grey levels lies over every picture."""

    sigma: float = 6.0

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        return np.stack(
            [
                add_noise(frame, self.sigma, int(seed), int(clock))
                for frame, seed, clock in zip(frames, own["seed"], own["clock"], strict=True)
            ]
        )


def blur(frame: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur; the borders are continued."""
    reach = int(np.ceil(3 * sigma))
    if reach == 0:
        return frame
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    picture = frame.astype(np.float32)
    for axis in (0, 1):
        size = picture.shape[axis]
        padded = np.pad(picture, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        shifted = (padded.take(range(k, k + size), axis) for k in range(2 * reach + 1))
        picture = sum(tap * part for tap, part in zip(taps / taps.sum(), shifted, strict=True))
    return np.rint(picture).astype(np.uint8)


def pixelate(frame: np.ndarray, size: int) -> np.ndarray:
    """Blocks of `size` pixels in the mean colour of what they cover."""
    height, width, _ = frame.shape
    ys, xs = np.arange(0, height, size), np.arange(0, width, size)
    sums = np.add.reduceat(np.add.reduceat(frame.astype(np.float32), ys, axis=0), xs, axis=1)
    rows, columns = np.diff([*ys, height]), np.diff([*xs, width])
    means = np.rint(sums / (rows[:, None, None] * columns[:, None])).astype(np.uint8)
    return means.repeat(rows, axis=0).repeat(columns, axis=1)


def turn_hue(frame: np.ndarray, degrees: float) -> np.ndarray:
    """Colours turned around the axis of greys, which leaves greys as they are."""
    angle = np.deg2rad(degrees)
    third, cross = (1 - np.cos(angle)) / 3, np.sin(angle) / np.sqrt(3)
    turn = np.cos(angle) * np.eye(3) + third + cross * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return np.clip(np.rint(frame @ turn.T), 0, 255).astype(np.uint8)


def add_noise(frame: np.ndarray, sigma: float, seed: int, clock: int) -> np.ndarray:
    noise = np.random.default_rng([11, seed, clock]).standard_normal(frame.shape, np.float32)
    return np.clip(np.rint(frame + sigma * noise), 0, 255).astype(np.uint8)
