"""A collected data set in memory, with what a viewer would remember at every frame, cut into passages for training.

What each place in view showed when it was last seen follows from the true poses, so one short passage teaches memory of
any length. A batch is a function of (seed, step) alone: a resumed run sees the batches it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wmenv.errors import OptionError
from wmenv.models.place import age_bucket
from wmenv.models.words import Vocabulary
from wmenv.train.collect import read_facts, read_shards

TYPED = 2  # directions in one passage
SILENT = 255
MISSING = {  # what there must be for each share of `Around`
    "directed": "nothing was typed",
    "choices": "no sentence changed one of a few of a kind",
    "sights": "nothing is seen for the first time",
    "sounds": "nothing is heard while one stands still",
}
FEW = 4
TRIES = 10_000  # draws of a passage
LATEST = 3  # words that may seem to stand before a typed sentence


@dataclass
class Batch:
    """Passages as arrays of (batch, time, ...).

    `met` is which tiles of the palette were ever seen before; `motion` the true class of the move that `next_action`
    made, -1 at the last frame; `applied` is 1 or 0 where a direction was typed, else -1.
    """

    tiles: Tensor
    place: Tensor
    age: Tensor
    met: Tensor
    spot: Tensor
    pose: Tensor
    action: Tensor
    next_action: Tensor
    motion: Tensor
    reward: Tensor
    end: Tensor
    sound: Tensor
    applied: Tensor
    words: Tensor
    directed: Tensor

    def unanchored(self) -> Batch:
        """The same seen by a viewer who does not know that it moves: everything is at its spot of the picture."""
        still = {"pose": torch.zeros_like(self.pose), "motion": self.motion.clamp(max=0)}
        return replace(self, **still)


@dataclass(frozen=True)
class Around:
    """Which shares of a batch's passages are sure to hold something: a direction; a direction that changed one of a few
    of a kind in view; something that is seen for the first time, each kind of thing as often as any other; a sound
    made while the viewer stood still, each as often too."""

    directed: float = 0.0
    choices: float = 0.0
    sights: float = 0.0
    sounds: float = 0.0


class Episodes:
    """Every frame of a data set, one after another; `begin` and `stop` say where each episode lies."""

    def __init__(self, folder: Path, slot: int) -> None:
        self.facts = read_facts(folder)
        self.vocabulary = Vocabulary(self.facts["words"])
        self.slot = slot
        self.never = len(self.facts["images"]) + 1
        parts = [self._read(arrays, texts) for arrays, texts in read_shards(folder)]
        if not parts:
            raise FileNotFoundError(
                f"{folder} holds no shards; make some with `wmenv collect gridrooms --out {folder}`."
            )
        shift = np.cumsum([0] + [len(part["text_words"]) for part in parts[:-1]])
        for part, by in zip(parts, shift, strict=True):
            part["instruction"] = part["instruction"] + by
            part["typed"] = np.where(part["typed"] >= 0, part["typed"] + by, -1)
        lengths = np.concatenate([part.pop("lengths") for part in parts])
        self.stop = np.cumsum(lengths)
        self.begin = self.stop - lengths
        for name in parts[0]:
            setattr(self, name, np.concatenate([part[name] for part in parts]))
        self.episode = np.repeat(np.arange(len(lengths)), lengths)
        self._groups: dict[tuple[str, int], list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.tiles)

    def _read(self, arrays: dict[str, np.ndarray], texts: list[dict]) -> dict[str, np.ndarray]:
        """One shard as columns with one row per frame; what belongs to a step stands at the frame it led to."""
        lengths = arrays["steps"] + 1
        first = np.cumsum(lengths) - lengths
        is_step = np.ones(lengths.sum(), bool)
        is_step[first] = False

        def by_frame(values: np.ndarray, absent: int) -> np.ndarray:
            column = np.full((len(is_step), *values.shape[1:]), absent, values.dtype)
            column[is_step] = values
            return column

        typed, applied, words, instruction = self._texts(texts, first, len(is_step))
        columns = {
            "tiles": arrays["tiles"],
            "pose": arrays["pose"],
            "action": by_frame(arrays["action"], self.facts["actions"]),
            "reward": by_frame(arrays["reward"], 0).astype(np.float32),
            "end": by_frame(arrays["end"], False),
            "sound": by_frame(arrays["sound"], SILENT),
            "typed": typed,
            "applied": applied,
            "text_words": words,
            "instruction": instruction,
            "lengths": lengths,
        }
        columns["place"], columns["age"] = self._remember(arrays["tiles"], arrays["pose"], lengths)
        return columns

    @cached_property
    def _anywhere(self) -> list[np.ndarray]:
        return [np.arange(len(self))]

    @cached_property
    def _directed(self) -> list[np.ndarray]:
        """The frames that a sentence led to."""
        return [np.flatnonzero(self.typed >= 0)]

    @cached_property
    def _choices(self) -> list[np.ndarray]:
        """The frames in which a sentence changed one of a few of a kind (its first trait) in view."""
        frames = np.flatnonzero(self.applied == 1)
        before, known = self.place[frames], self.age[frames] > 0
        changed = known & (before != self.tiles[frames]) & self.facts["anchored"][self.tiles[frames]]
        kinds = np.append(self.facts["traits"][:, 0], [-1, -1])[before]
        one = np.where(changed, kinds, -1).max(1)  # of what changed
        alike = ((kinds == one[:, None]) & known).sum(1)
        return [frames[(changed.sum(1) == 1) & (alike > 1) & (alike <= FEW)]]

    @cached_property
    def _sights(self) -> list[np.ndarray]:
        """For every kind of tile (its first trait): the frames in which a place shows it that was never seen before."""
        new = self.facts["anchored"][self.tiles] & (self.age == 0)
        kinds = self.facts["traits"][:, 0][self.tiles]
        return [np.flatnonzero((new & (kinds == kind)).any(1)) for kind in range(int(kinds.max()) + 1)]

    @cached_property
    def _sounds(self) -> list[np.ndarray]:
        """For every sound that is heard where one stands still: the frames in which it begins."""
        still = np.zeros(len(self), bool)
        still[1:] = (self.pose[1:] == self.pose[:-1]).all(-1)
        still[self.begin] = False
        heard = np.unique(self.sound[still])
        return [np.flatnonzero(still & (self.sound == sound).any(-1)) for sound in heard if sound != SILENT]

    def _texts(self, texts: list[dict], first: np.ndarray, frames: int) -> tuple[np.ndarray, ...]:
        """Row of the typed text per frame (-1: none), whether it was applied, the encoded texts, and each
        instruction's row."""
        rows: dict[str, int] = {}
        typed, applied = np.full(frames, -1, np.int64), np.full(frames, -1, np.int8)
        instruction = np.array([rows.setdefault(text["instruction"], len(rows)) for text in texts])
        for text, begin in zip(texts, first, strict=True):
            for frame, sentence, done in text["typed"]:
                typed[begin + frame] = rows.setdefault(sentence, len(rows))
                applied[begin + frame] = done
        return typed, applied, np.stack([self.vocabulary.encode(text, self.slot) for text in rows]), instruction

    def _remember(self, tiles: np.ndarray, pose: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every patch of every frame: the tile last seen at its place before (`never`), and the bucket of how
        long ago."""
        places = _places(pose, self.facts["anchor"], int(np.sqrt(tiles.shape[1]))) + 64
        anchored = self.facts["anchored"][tiles]
        place, since = np.empty_like(tiles), np.empty(tiles.shape, np.int32)
        stop = np.cumsum(lengths)
        for begin, end in zip(stop - lengths, stop, strict=True):
            shown, when = np.full((128, 128), self.never, tiles.dtype), np.full((128, 128), -1, np.int32)
            for frame in range(begin, end):
                x, y = places[frame].T
                place[frame], since[frame] = shown[y, x], np.where(when[y, x] < 0, 0, frame - when[y, x])
                seen = anchored[frame]
                shown[y[seen], x[seen]], when[y[seen], x[seen]] = tiles[frame, seen], frame
        return place, age_bucket(torch.from_numpy(since)).numpy().astype(np.uint8)

    def batch(self, seed: int, step: int, size: int, time: int, around: Around | None = None) -> Batch:
        """Batch number `step` of that seed's run."""
        around = around or Around()
        self._check(time, around)
        rng = np.random.default_rng([seed, step])
        start = np.array([self._draw(rng, time, around) for _ in range(size)])
        index = start[:, None] + np.arange(time)
        following = np.minimum(index + 1, len(self) - 1)
        last = index + 1 == self.stop[self.episode[index]]
        words, heard = self._heard(index)
        words[:, 1:] = _further_on(rng, words[:, 1:])
        arrays = {
            "tiles": self.tiles[index].astype(np.int64),
            "place": self.place[index].astype(np.int64),
            "age": self.age[index].astype(np.int64),
            "met": self._met(index),
            "spot": self._spot(index),
            "pose": self.pose[index].astype(np.float32),
            "action": self.action[index].astype(np.int64),
            "next_action": np.where(last, 0, self.action[following]).astype(np.int64),
            "motion": np.where(last, -1, self._motion(index, following)),
            "reward": self.reward[index],
            "end": self.end[index].astype(np.float32),
            "sound": self.sound_at(index),
            "applied": self.applied[index].astype(np.float32),
            "words": words,
            "directed": heard,
        }
        return Batch(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})

    def _check(self, time: int, around: Around) -> None:
        """What is asked for must be there, or the draw would go on for ever."""
        if (self.stop - self.begin).max() < time:
            raise OptionError(f"no episode has {time} frames; take a smaller `time`.")
        if sum(vars(around).values()) > 1 + 1e-9:
            raise OptionError(f"{', '.join(vars(around))} are shares of a batch: together they are at most 1.")
        for name, share in vars(around).items():
            if share and not self._kept_for(name, time):
                raise OptionError(f"{MISSING[name]} in episodes of {time} frames or more; take `{name}` 0.")

    def _kept_for(self, name: str, time: int) -> list[np.ndarray]:
        """The frames that a passage of that share of `Around`, or of none, is drawn round, in groups that come equally
        often; all in episodes long enough for it."""
        if (name, time) not in self._groups:
            long = (self.stop - self.begin >= time)[self.episode]
            fitting = [frames[long[frames]] for frames in getattr(self, f"_{name}")]
            self._groups[name, time] = [frames for frames in fitting if len(frames)]
        return self._groups[name, time]

    def _draw(self, rng: np.random.Generator, time: int, around: Around) -> int:
        """Where a stretch begins that lies inside an episode and holds no more directions than a passage has room for.

        It is drawn round what `around` asks for; or anywhere, or, one time in ten each, at the beginning or the end of
        an episode.
        """
        chance, where = rng.random(), rng.random()
        shares = vars(around)
        bounds = np.cumsum(list(shares.values()))
        wanted = next((name for name, bound in zip(shares, bounds, strict=True) if chance < bound), "anywhere")
        groups = self._kept_for(wanted, time)
        for _ in range(TRIES):
            frame = rng.choice(groups[rng.integers(len(groups))])
            begin, latest = self.begin[self.episode[frame]], self.stop[self.episode[frame]] - time
            start = frame - rng.integers(time)
            if wanted == "anywhere" and not 0.1 < where < 0.9:
                start = begin if where < 0.5 else latest
            start = int(np.clip(start, begin, latest))
            if (self.typed[start : start + time] >= 0).sum() <= TYPED:
                return start
        raise OptionError(f"more than {TYPED} directions in nearly every {time} frames; take a smaller `time`.")

    def _met(self, index: np.ndarray) -> np.ndarray:
        """(batch, time, palette) which tiles had shown their place in some frame of the episode before."""
        met = np.zeros((*index.shape, len(self.facts["images"])), bool)
        for had, frames in zip(met, index, strict=True):
            had[:, self.tiles[self.begin[self.episode[frames[0]]] : frames[0]]] = True
            for time, seen in enumerate(self.tiles[frames[:-1]], 1):
                had[time:, seen] = True
        return met & self.facts["anchored"]

    def _spot(self, index: np.ndarray) -> np.ndarray:
        before = self.tiles[np.maximum(index - 1, 0)].astype(np.int64)
        return np.where((index == self.begin[self.episode[index]])[..., None], self.never, before)

    def _heard(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(batch, 1 + TYPED, slot) words, and (batch, time) which of them led to each frame."""
        typed = self.typed[index]
        given = typed >= 0
        directed = np.where(given, given.cumsum(1), 0)
        words = np.zeros((len(index), 1 + TYPED, self.slot), np.int64)
        words[:, 0] = self.text_words[self.instruction[self.episode[index[:, 0]]]]
        row, column = np.nonzero(given)
        words[row, directed[row, column]] = self.text_words[typed[row, column]]
        return words, directed

    def told(self, task: str) -> np.ndarray:
        """The words of that task's instruction."""
        return self.vocabulary.encode(self.facts["instructions"][task], self.slot)

    def words_at(self, index: np.ndarray) -> Tensor | None:
        """(n, slot) words typed at these frames, zeros for none; None where nothing was typed at all."""
        typed = self.typed[index]
        words = np.where((typed >= 0)[:, None], self.text_words[typed], 0)
        return torch.from_numpy(words) if (typed >= 0).any() else None

    def _motion(self, index: np.ndarray, following: np.ndarray) -> np.ndarray:
        """The class of the true move from each frame to the next."""
        before, after = self.pose[index].astype(np.int64), self.pose[following].astype(np.int64)
        turned = (after[..., 2] - before[..., 2]) % 4
        walked = (after[..., :2] != before[..., :2]).any(-1)
        kinds = {(bool(dx or dy), turn % 4): k for k, (dx, dy, turn) in enumerate(self.facts["motions"])}
        table = np.full((2, 4), -1)
        for (step, turn), kind in kinds.items():
            table[int(step), int(turn)] = kind
        return table[walked.astype(int), turned]

    def sound_at(self, index: np.ndarray) -> np.ndarray:
        """(batch, time, samples) PCM in [-1, 1], summed from what still rings."""
        bank = np.concatenate(
            [self.facts["sound_bank"] / np.float32(32768), np.zeros_like(self.facts["sound_bank"][:1])]
        )
        pcm = np.zeros((*index.shape, bank.shape[-1]), np.float32)
        begin = self.begin[self.episode[index]]
        for age in range(bank.shape[1]):
            past = np.maximum(index - age, 0)
            events = np.where((past >= begin)[..., None], self.sound[past], SILENT)
            pcm += bank[np.minimum(events, len(bank) - 1), age].sum(-2)
        return pcm.clip(-1, 1)


def _further_on(rng: np.random.Generator, words: np.ndarray) -> np.ndarray:
    """(..., slot) sentences, every other one moved up to `LATEST` words along its slot: what a word means must not hang
    on how many stand before it, or "now it gets dark" is another language than "it gets dark"."""
    room = np.minimum((words == 0).sum(-1), LATEST)
    by = rng.integers(0, room + 1) * (rng.random(room.shape) < 0.5)
    return np.take_along_axis(words, (np.arange(words.shape[-1]) - by[..., None]) % words.shape[-1], -1)


def _places(pose: np.ndarray, anchor: tuple[float, float], side: int) -> np.ndarray:
    """(frames, patches, 2) integer places in view; the twin of `models.position.places_in_view` for whole numbers."""
    rows, columns = np.divmod(np.arange(side * side), side)
    offsets = np.stack([columns - anchor[1], rows - anchor[0]], 1).astype(np.int64)
    quarter = np.array([(0, -1), (1, 0)])
    turned = np.stack([offsets @ np.linalg.matrix_power(quarter, turn).T for turn in range(4)])
    return pose[:, None, :2].astype(np.int64) + turned[pose[:, 2]]
