"""P0 and the bearings: how far apart pictures are here, how late actions show, and how many pans take the view away.

Everything later is measured in these terms, so they are found first and printed beside every score. A world may lie
about neither: a noisy one has a high floor, which is published; a late one is waited for, and its lag is a stated fact.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from wmenv.bench.stage import Bearings, Scale, Stage
from wmenv.metrics.changes import UNEXPLAINED
from wmenv.metrics.motion import Motion, motion
from wmenv.metrics.responsiveness import MAX_LAG, responsiveness
from wmenv.metrics.thumbnail import halved, thumbnails

VERSION = 1
LISTEN = 96  # steps of random pans from which the lag is read
TRIED = 6  # pans in a row whose shift is measured
JUMPS_AWAY = 2  # where one pan shows another picture at once, two are surely enough
MOST_AWAY = 64
UNKNOWN_AWAY = 16  # pans, for a world in which nothing moves
MOVED = 0.015  # of the view; a median shift below this is none
QUIET = 4  # no-ops looked at for the floor


def scale_of(stage: Stage) -> Scale:
    """P0: the floor from two continuations of one no-op step (or of the first action, where nothing does
    nothing), the ceiling from the first frames of different scenes."""
    first = stage.open()
    opening = first.view
    apart = np.concatenate([stage.apart(opening, other) for other in stage.others(opening)] or [np.zeros(1)])
    still = stage.world.spec.actions.still(len(first))
    take = first.act(still).act(still)
    if "moment" in stage.world.spec.starts:
        twins = take.reseeded([seed + 1 for seed in stage.seeds]), take.reseeded([seed + 2 for seed in stage.seeds])
        floors = stage.apart(*(twin.act(still).view for twin in twins))
        how = "two re-seeded continuations of a no-op"
    else:
        views = [take.view, *(take.act(still).view for _ in range(QUIET))]
        floors = np.concatenate([stage.apart(a, b) for a, b in itertools.pairwise(views)])
        how = "consecutive no-op frames, since this world cannot be re-seeded in mid-stream"
    return Scale(float(np.median(floors)), float(np.median(apart)), how)


def bearings_of(stage: Stage) -> Bearings:
    """How late and how far each pan shows."""
    if not stage.pans:
        return Bearings(0, True, {}, {})
    lag = lag_of(stage)
    height, width = halved(thumbnails(stage.blank)).shape[1:]
    strides, jumps = {}, []
    for pan in stage.pans:
        moved = moves_of(stage, pan, lag)
        strides[pan] = float(np.median(np.hypot(moved.dy / height, moved.dx / width)))
        jumps.append(float(np.mean(moved.unexplained > UNEXPLAINED)))
    smooth = float(np.mean(jumps)) <= 0.5
    return Bearings(lag, smooth, {pan: times_away(stage, strides[pan], smooth) for pan in stage.pans}, strides)


def lag_of(stage: Stage) -> int:
    """Steps from an action to its effect, by the lag at which random pans explain the motion best; 0 if they do not."""
    rng = np.random.default_rng(0)
    take = stage.open()
    views = np.array(stage.views)
    actions = views[rng.integers(len(views), size=(LISTEN, len(take)))]
    small = [thumbnails(take.view)]
    for step in actions:
        small.append(thumbnails(take.act(step).view))
    lags = [lag_of_row(actions[:, row], np.stack([thumbs[row] for thumbs in small])) for row in range(len(take))]
    known = [lag for lag in lags if lag is not None]
    return round(float(np.median(known))) if 2 * len(known) > len(lags) else 0


def lag_of_row(actions: np.ndarray, thumbs: np.ndarray) -> int | None:
    """The lag of one row from its actions and thumbnails, None if it does not respond."""
    moved = motion(halved(thumbs[:-1]), halved(thumbs[1:]))
    change = np.abs(thumbs[1:] - thumbs[:-1]).mean(axis=(1, 2))
    found = responsiveness(actions, np.stack([moved.dy, moved.dx, change], axis=1))
    return None if found is None else found.lag


def moves_of(stage: Stage, pan: int, lag: int) -> Motion:
    """The motion of every step and scene while panning one way."""
    take = stage.open()
    take.repeat(pan, lag + 1, stage.noop)
    small = [halved(thumbnails(take.view))]
    for _ in range(TRIED):
        small.append(halved(thumbnails(take.act(pan).view)))
    moves = [motion(a, b) for a, b in itertools.pairwise(small)]
    return Motion(*(np.concatenate(part) for part in zip(*moves, strict=True)))


def times_away(stage: Stage, stride: float, smooth: bool) -> int:
    """How many pans, each by so large a share of the view, take all of it away."""
    if stage.away is not None:
        return stage.away
    if not smooth:
        return JUMPS_AWAY
    if stride < MOVED:
        return UNKNOWN_AWAY
    return min(MOST_AWAY, math.ceil(1 / stride) + 1)


assert MAX_LAG <= LISTEN // 4, "too few steps to find the longest lag"
