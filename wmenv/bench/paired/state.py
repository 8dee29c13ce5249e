"""G1, G3 and G9: is the state that a world shows the true one, for how long, and also where nobody was looking?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from wmenv.bench.paired.decoders import Decoder, Tiles
from wmenv.bench.paired.pair import Film, Pair
from wmenv.metrics.bootstrap import bootstrap
from wmenv.metrics.survival import kaplan_meier

WRONG = 0.3  # of the error between unrelated episodes, at which a state no longer counts as valid
HELD = 3  # steps for which it must be that wrong
ABSENCES = ((4, 16), (16, 64), (64, 10**9))  # steps out of view
Figure = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """How right a film is (steps, rows), and what chance and the real environment reach at each step (steps, 1)."""

    right: np.ndarray
    chance: np.ndarray
    ceiling: np.ndarray
    state: str

    @classmethod
    def of(cls, pair: Pair, film: Film, decoder: Decoder) -> Self:
        """Read a film with a decoder."""
        real = pair.real.frames
        stranger, again = (decoder.right(frames, real)[1:] for frames in (np.roll(real, 1, axis=1), pair.again.frames))
        chance, ceiling = (shares.mean(axis=1, keepdims=True) for shares in (stranger, again))
        return cls(decoder.right(film.frames, real)[1:], chance, ceiling, decoder.name)

    @property
    def skill(self) -> np.ndarray:
        """(steps, rows) what is right beyond chance, of what could be."""
        return (self.right - self.chance) / np.maximum(self.ceiling - self.chance, 1e-9)

    @property
    def wrong(self) -> np.ndarray:
        """(steps, rows) whether the state is clearly nearer to a stranger's than it should be."""
        return (1 - self.right) / np.maximum(1 - self.chance, 1e-9) > WRONG


def decoded_state(reading: Reading) -> Figure:
    """G1: the share of the state that is right, less what an unrelated episode gets right, of what can be got.

    Resists blur toward the mean, which decodes to nothing in particular; the same decoder reads real and shown frames.
    """
    interval = bootstrap(reading.skill.T)
    by_step = reading.skill.mean(axis=1).tolist()
    curve = {"x": list(range(1, len(by_step) + 1)), "y": by_step, "x_label": "steps", "y_label": "skill"}
    return {"estimate": interval.estimate, "ci": list(interval[1:]), "state": reading.state, "curve": curve}


def valid_horizon(reading: Reading, actions: np.ndarray) -> Figure:
    """G3: for how many steps the state stays nearer to the truth than an unrelated episode is, by a clear margin.

    Easy actions make it long, so the entropy of the actions stands beside it.
    """
    steps, rows = reading.right.shape
    lasted, ended = zip(*(_first_held(reading.wrong[:, row]) for row in range(rows)), strict=True)
    curve = kaplan_meier(np.array(lasted, float), np.array(ended))
    interval = bootstrap(np.array(lasted, float))
    return {
        "median_steps": curve.median,
        "estimate": curve.restricted_mean(steps) / steps,
        "ci": [bound / steps for bound in interval[1:]],
        "watched_steps": steps,
        "action_entropy": entropy(actions),
        "curve": {
            "x": [0.0, *curve.times.tolist(), float(steps)],
            "y": [1.0, *curve.shares.tolist(), curve.at(steps)],
            "x_label": "steps",
            "y_label": "still valid",
            "stairs": True,
        },
    }


def hidden_state(pair: Pair, film: Film, decoder: Decoder) -> Figure:
    """G9: is a thing that was out of view for long shown again as it truly is when its place comes back into view?

    Needs tiles and true poses. Things only, since floor and walls are guessed too easily. By absence the
    share is less what another episode shows there.
    """
    if not isinstance(decoder, Tiles) or pair.real.pose is None:
        return {"unsupported": "needs a real environment whose tiles and poses are known (GridRooms)"}
    truth, shown = decoder.states(pair.real.frames)[1:], decoder.states(film.frames)[1:]
    returns = _returns(truth, pair.real.pose)
    figure: Figure = {}
    hits: list[float] = []
    for low, high in ABSENCES:
        found = [(step, row, slot) for step, row, slot, gone in returns if low <= gone < high]
        if found:
            steps, rows, slots = (np.array(part) for part in zip(*found, strict=True))
            right = shown[steps, rows, slots] == truth[steps, rows, slots]
            guess = np.roll(truth, 1, axis=1)[steps, rows, slots] == truth[steps, rows, slots]
            share = float((right.mean() - guess.mean()) / max(1 - guess.mean(), 1e-9))
            figure[f"absent_{low}_steps"] = {"skill": share, "returns": len(found)}
            hits += right.astype(float).tolist()
    if not hits:
        return {"unsupported": "no thing came back into view in these episodes"}
    interval = bootstrap(np.array(hits))
    return figure | {"estimate": interval.estimate, "ci": list(interval[1:]), "returns": len(hits)}


def entropy(actions: np.ndarray) -> float:
    """Bits per action."""
    _, counts = np.unique(actions.reshape(-1, *actions.shape[2:]), axis=0, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _first_held(wrong: np.ndarray) -> tuple[int, bool]:
    """When an error that holds begins, or how long was watched."""
    if len(wrong) < HELD:
        return len(wrong), False
    runs = np.lib.stride_tricks.sliding_window_view(wrong, HELD).all(axis=1)
    return (int(runs.argmax()), True) if runs.any() else (len(wrong), False)


def _returns(tiles: np.ndarray, poses: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(step, row, slot, steps out of view) of every thing whose place comes back into view."""
    from wmenv.sources.gridrooms.places import place_of_view
    from wmenv.sources.gridrooms.tiles import CATALOGUE, THINGS

    quarter_turns = np.array([1, 1, 2 / np.pi])
    is_thing, is_seen = np.isin(CATALOGUE.kind, THINGS), CATALOGUE.shows_place
    found = []
    for row in range(tiles.shape[1]):
        last: dict[tuple[int, int], int] = {}
        for step, (view, pose) in enumerate(zip(tiles[:, row], poses[:, row], strict=True)):
            places = place_of_view(np.rint(pose * quarter_turns))
            for slot, (tile, place) in enumerate(zip(view, map(tuple, places.tolist()), strict=True)):
                if not is_seen[tile]:
                    continue
                gone = step - last.get(place, step)
                if is_thing[tile] and gone >= ABSENCES[0][0]:
                    found.append((step, row, slot, gone))
                last[place] = step
    return found
