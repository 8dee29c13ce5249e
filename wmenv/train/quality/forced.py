"""Beside the truth: at every frame of held-out episodes the world predicts the next one, and is then shown the true
one.

What it draws, where it thinks it stands, what it pays, ends, sounds and says are all compared with what happened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.captions import objects_of
from wmenv.sources.gridrooms.tiles import CATALOGUE
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette
from wmenv.train.quality.law import determined
from wmenv.worlds.learned import rewards

MOST_DB = 80.0  # of frames without a wrong pixel
TOGETHER = 32  # episodes walked side by side: what they need stays in the processor's caches
BANDS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)  # edges between the chances of something rare


@dataclass
class Forced:
    """Predictions and truth, (rows, steps, ...); `alive` says which frames exist."""

    alive: np.ndarray
    drawn: np.ndarray
    true: np.ndarray
    error: np.ndarray
    blur: np.ndarray
    known: np.ndarray
    pose_right: np.ndarray
    typed: np.ndarray
    reward: np.ndarray
    true_reward: np.ndarray
    reward_chance: np.ndarray
    end: np.ndarray
    true_end: np.ndarray
    end_chance: np.ndarray
    sound: np.ndarray
    true_sound: np.ndarray
    loss: np.ndarray
    loss_shuffled: np.ndarray


def run_forced(streamer: Streamer, episodes: Episodes, chosen: np.ndarray, steps: int, passes: int) -> Forced:
    """Walk beside the `chosen` episodes for `steps` steps, or until they end; the longest come first."""
    chosen = chosen[np.argsort(episodes.begin[chosen] - episodes.stop[chosen], kind="stable")]
    groups = [chosen[first : first + TOGETHER] for first in range(0, len(chosen), TOGETHER)]
    walks = [_walk(streamer, episodes, group, steps, passes) for group in groups]
    return Forced(**{name: np.concatenate([walk[name] for walk in walks]) for name in walks[0]})


@torch.inference_mode()
def _walk(streamer: Streamer, episodes: Episodes, chosen: np.ndarray, steps: int, passes: int) -> dict[str, np.ndarray]:
    """Predictions and truth of a few episodes side by side, (rows, steps, ...), blank after the end of the longest."""
    begin, stop = episodes.begin[chosen], episodes.stop[chosen]
    memory = streamer.empty(
        torch.from_numpy(chosen), torch.from_numpy(episodes.text_words[episodes.instruction[chosen]])
    )
    palette = Palette(streamer.model, CATALOGUE.images)
    streamer.begin(memory, given=palette.canvas(_tiles(episodes, begin)))
    columns: dict[str, list[np.ndarray]] = {}
    for step in range(1, min(steps, int((stop - begin).max()) - 1) + 1):
        index = np.minimum(begin + step, stop - 1)
        found = _compare(streamer, palette, memory, episodes, index, passes)
        found["alive"] = begin + step < stop
        for name, value in found.items():
            columns.setdefault(name, []).append(value)
    walked = {name: np.stack(values, 1) for name, values in columns.items()}
    return {name: _lengthened(values, steps) for name, values in walked.items()}


def _lengthened(values: np.ndarray, steps: int) -> np.ndarray:
    """(rows, steps, ...), with zeros for the steps that nobody walked."""
    return np.pad(values, [(0, 0), (0, steps - values.shape[1]), *[(0, 0)] * (values.ndim - 2)])


def _compare(
    streamer: Streamer, palette: Palette, memory: dict, episodes: Episodes, index: np.ndarray, passes: int
) -> dict[str, np.ndarray]:
    """Predict the frames at `index`, then take them in; what was predicted and what was true."""
    actions = torch.from_numpy(episodes.action[index].astype(np.int64)).clamp(max=streamer.config.actions - 1)
    words = episodes.words_at(index)
    drawn = streamer.step(_copy(memory), actions, words, passes)
    true, pose = _tiles(episodes, index), torch.from_numpy(episodes.pose[index].astype(np.float32))
    one_look = (streamer.step(_copy(memory), given, words, 1) for given in (actions, actions.roll(1)))
    loss, shuffled = (palette.surprise(found, true).numpy() for found in one_look)
    streamer.witness(memory, actions, words, palette.canvas(true), pose)
    bins = np.linspace(-1, 1, drawn.said.reward.shape[-1])
    return {
        "drawn": palette.tiles(drawn.shown).numpy(),
        "true": true.numpy(),
        "error": palette.error(drawn.shown, true).numpy(),
        "blur": palette.blur(drawn.shown).numpy(),
        "known": episodes.age[index] > 0,
        "pose_right": (drawn.pose == pose).all(-1).numpy(),
        "typed": episodes.typed[index] >= 0,
        "reward": rewards(drawn.said.reward).numpy(),
        "true_reward": episodes.reward[index],
        "reward_chance": drawn.said.reward.float().softmax(-1)[:, bins > 0.5].sum(-1).numpy(),
        "end_chance": drawn.said.end.float().sigmoid().numpy(),
        "end": (drawn.said.end > 0).numpy(),
        "true_end": episodes.end[index],
        "sound": drawn.said.sound.numpy(),
        "true_sound": episodes.sound_at(index[:, None])[:, 0],
        "loss": loss,
        "loss_shuffled": shuffled,
    }


def _copy(memory: dict) -> dict:
    return {name: value.clone() for name, value in memory.items()}


def _tiles(episodes: Episodes, index: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(episodes.tiles[index].astype(np.int64))


# --- figures --------------------------------------------------------------------------------------------------------


def determined_tiles(forced: Forced) -> np.ndarray:
    """(rows, 2) how many determined tiles are right, and how many there are, where nothing was typed."""
    counted = forced.alive & ~forced.typed
    counts = []
    for row, here in enumerate(counted):
        sure = determined(forced.true[row, here], forced.known[row, here])
        counts.append(((forced.drawn[row, here] == forced.true[row, here])[sure].sum(), sure.sum()))
    return np.array(counts)


def decibels(error: float, tiles: int) -> float:
    """Peak signal-to-noise ratio, of the summed mean squared error of so many tiles."""
    return min(MOST_DB, 10 * math.log10(255**2 * tiles / max(error, 1e-9)))


def matthews(said: np.ndarray, true: np.ndarray) -> float:
    """Matthews' correlation of two yes-or-no columns; 0 when either never says yes."""
    yes = np.array([[(said == a) & (true == b) for b in (False, True)] for a in (False, True)]).sum(-1).astype(float)
    below = np.sqrt(yes.sum(0).prod() * yes.sum(1).prod())
    return float((yes[0, 0] * yes[1, 1] - yes[0, 1] * yes[1, 0]) / below) if below else 0.0


def calibration(chance: np.ndarray, true: np.ndarray) -> list[dict[str, float]]:
    """For each band of chances that were given: how many, the mean chance, and how often it came true."""
    bands = np.digitize(chance, BANDS)
    return [
        {"n": int(here.sum()), "said": round(float(chance[here].mean()), 5), "came": round(float(true[here].mean()), 5)}
        for here in (bands == band for band in range(len(BANDS) + 1))
        if here.any()
    ]


def onset_f1(forced: Forced, floor: float = 0.01) -> float:
    """F1 of the frames at which a sound sets in (its loudness rises by more than `floor`), within one frame."""

    def onsets(sound: np.ndarray) -> np.ndarray:
        loud = np.sqrt((sound**2).mean(-1))
        return (np.diff(loud, axis=1, prepend=0) > floor) & forced.alive

    said, true = onsets(forced.sound), onsets(forced.true_sound)
    return f1((said & _near(true)).sum(), said.sum(), (true & _near(said)).sum(), true.sum())


def _near(events: np.ndarray) -> np.ndarray:
    """Where an event is at most one frame away."""
    padded = np.pad(events, ((0, 0), (1, 1)))
    return padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]


def caption_f1(forced: Forced) -> float:
    """F1 of the things, doors and goals that captions name (kind, colour, state, place), where nothing was typed."""
    right = said = true = 0
    for row, step in np.argwhere(forced.alive & ~forced.typed)[::3]:
        a, b = objects_of(forced.drawn[row, step]), objects_of(forced.true[row, step])
        right, said, true = right + len(a & b), said + len(a), true + len(b)
    return f1(right, said, right, true)


def f1(right_said: int, said: int, right_true: int, true: int) -> float:
    """Harmonic mean of precision and recall; 0 when nothing was said or nothing true."""
    if not said or not true or not right_said:
        return 0.0
    precision, recall = right_said / said, right_true / true
    return float(2 * precision * recall / (precision + recall))
