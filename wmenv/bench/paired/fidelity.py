"""G2 and G5: are the pictures those of the real environment, and do they depend on the actions as they should?"""

from __future__ import annotations

from typing import Any

import numpy as np

from wmenv.bench.paired.pair import Film, Pair
from wmenv.metrics.bootstrap import bootstrap
from wmenv.metrics.distance import structure_similarity
from wmenv.metrics.health import band_energies
from wmenv.metrics.thumbnail import LUMA

FAITHFUL_BANDS = (0.9, 1.1)  # band energy against the real environment's, outside which pictures are blurred or harsh
LOOKS = (1, 4, 16)  # steps at which the effect of the actions is measured
MOST_DB = 60.0  # what two equal pictures count as
Figure = dict[str, Any]


def fidelity(pair: Pair, film: Film) -> Figure:
    """G2: how much of the error of the better of a still and a mean is taken away, step by step in the open loop.

    Blur toward the mean lowers the error, so the energy of detail, against the real one's, stands beside it.
    """
    real, baselines = pair.real.frames, pair.baselines
    errors = squared(film.frames, real)
    reference = np.minimum(*(squared(baselines[name].frames, real) for name in ("copy-first-frame", "mean-frame")))
    skill = 1 - errors.mean(axis=1) / np.maximum(reference.mean(axis=1), 1e-9)
    interval = bootstrap(
        np.stack([errors, reference], axis=2).swapaxes(0, 1),
        lambda rows: float(1 - rows[..., 0].mean() / max(rows[..., 1].mean(), 1e-9)),
    )
    bands = band_ratio(film.frames, real)
    labels = {"x_label": "steps", "y_label": "skill"}
    return {
        "estimate": interval.estimate,
        "ci": list(interval[1:]),
        "psnr_db": float(psnr(film.frames, real).mean()),
        "ssim": float(similarity(film.frames, real).mean()),
        "band_ratio": bands,
        "detail_is_true": all(FAITHFUL_BANDS[0] <= band <= FAITHFUL_BANDS[1] for band in bands),
        "curve": {"x": list(range(1, len(skill) + 1)), "y": skill.tolist(), **labels},
    }


def action_gain(pair: Pair, film: Film, other: Film) -> Figure:
    """G5: how much better the true actions explain the real pictures than other actions do, in decibels.

    Large only if actions matter visibly, so a still scene gives little; read it beside P2 and G1.
    """
    gain = psnr(film.frames, pair.real.frames) - psnr(other.frames, pair.real.frames)
    looks = [look for look in LOOKS if look <= len(gain)]
    interval = bootstrap(gain[[look - 1 for look in looks]].mean(axis=0))
    by_step = {f"after_{look}_db": float(gain[look - 1].mean()) for look in looks}
    return {"estimate": interval.estimate, "ci": list(interval[1:]), "unit": "dB", **by_step}


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(steps, rows) mean squared differences after the first frame, which both were given."""
    return np.stack([((x.astype(np.float32) - y) ** 2).mean(axis=(1, 2, 3)) for x, y in zip(a[1:], b[1:], strict=True)])


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(steps, rows) decibels, at most `MOST_DB`."""
    return np.minimum(MOST_DB, 10 * np.log10(255**2 / np.maximum(squared(a, b), 1e-9)))


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(steps, rows) structural similarity of luma."""
    luma = ((film[1:].astype(np.float32) / 255) @ LUMA for film in (a, b))
    return np.stack([structure_similarity(x, y) for x, y in zip(*luma, strict=True)])


def band_ratio(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Fine and coarse detail of `a` against that of `b`, as ratios of energy, over all frames but the first."""
    energies = []
    for film in (a, b):
        luma = (film[1:].reshape(-1, *film.shape[2:])[::7].astype(np.float32) / 255) @ LUMA
        energies.append(np.mean([10 ** np.array(band_energies(picture)) for picture in luma], axis=0))
    return (energies[0] / np.maximum(energies[1], 1e-12)).tolist()
