"""Any world filmed, and the film as something to train on: frames, actions, rewards and ends, nothing else is needed.

For worlds that are not made of tiles. A viewer without a pose stands still, so a place is a spot of the picture: what
it showed is what the spot showed a frame ago, which a model is given anyway.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from wmenv.contract import Start
from wmenv.errors import OptionError
from wmenv.models.pixels import Pixels
from wmenv.models.words import Vocabulary
from wmenv.train.collect import read_facts, read_shards
from wmenv.train.data import Around, Batch
from wmenv.worlds.catalog import load_world

LONGEST = 64  # steps of an episode
STICKY = 0.5  # chance that the hand on the controls goes on as before


@dataclass
class Film:
    """One episode of T steps, T + 1 frames."""

    frames: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    end: np.ndarray
    policy: str = "sticky random"
    instruction: str = ""
    task: str = ""
    typed: list = field(default_factory=list)

    columns = ("frames", "action", "reward", "end")


class Camera:
    """Films a world by its name, at a height and width of one's own."""

    def __init__(self, world: str, settings: dict[str, Any], size: tuple[int, int]) -> None:
        self.world, self.size = load_world(world, **settings), size
        if self.world.spec.actions.kind != "discrete":
            raise OptionError(f"{world} takes {self.world.spec.actions.kind} actions; only discrete ones are filmed.")

    @property
    def shard(self) -> int:
        """Episodes in a file: the fewer, the larger their frames."""
        return min(25, max(1, 25 * 128**2 // (self.size[0] * self.size[1])))

    def data_facts(self) -> dict[str, Any]:
        """What a trainer must know to read the film, and a learned world to be one."""
        spec = self.world.spec
        told = {"fps": spec.fps, "actions": asdict(spec.actions), "audio": None, "suggestions": ()}
        told |= {"unpaid": [] if spec.reward else [""]}
        facts = {"source": spec.name, "instructions": {"": ""}, "spec": told, "words": [], "size": self.size}
        return facts | {"motions": [(0, 0, 0)], "actions": spec.actions.count}

    def record_episode(self, number: int) -> Film:
        """Episode `number` of the endless data set."""
        table, rng = self.world.spec.actions, np.random.default_rng([number, 21])
        state, outcome = self.world.open([Start()], [number])
        frames, steps = [self._shot(outcome.frames)], []
        action = table.sample(rng, 1)
        for _ in range(LONGEST):
            action = action if rng.random() < STICKY else table.sample(rng, 1)
            state, outcome = self.world.advance(state, action, [None])
            frames.append(self._shot(outcome.frames))
            reward = 0.0 if outcome.reward is None else float(outcome.reward[0])
            end = outcome.terminated is not None and bool(outcome.terminated[0])
            steps.append((int(action[0]), reward, end))
            if end:
                break
        actions, rewards, ends = zip(*steps, strict=True)
        return Film(np.stack(frames), np.array(actions, np.uint8), np.array(rewards, np.float32), np.array(ends, bool))

    def _shot(self, frames: Any) -> np.ndarray:
        frame = np.asarray(frames)[0]
        if frame.shape[:2] == tuple(self.size):
            return frame
        return cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_AREA)


class Footage:
    """Every frame of a film as patches; answers what `Episodes` answers."""

    def __init__(self, folder: Path, slot: int, patch: int) -> None:
        self.facts, self.slot = read_facts(folder), slot
        self.vocabulary = Vocabulary(())
        if any(side % patch for side in self.facts["size"]):
            raise OptionError(f"frames of {self.facts['size']} are no whole number of patches of {patch}.")
        parts = [_in_patches(arrays, patch) for arrays, _ in read_shards(folder)]
        if not parts:
            raise OptionError(f"{folder} holds no film; make one with `wmenv collect WORLD --out {folder}`.")
        lengths = np.concatenate([part["steps"] for part in parts]) + 1
        self.stop = np.cumsum(lengths)
        self.begin = self.stop - lengths
        self.episode = np.repeat(np.arange(len(lengths)), lengths)
        self.tiles = np.concatenate([part["frames"] for part in parts])
        first = np.isin(np.arange(len(self.tiles)), self.begin)
        self.action = self._by_frame(parts, "action", first, self.facts["actions"])
        self.reward = self._by_frame(parts, "reward", first, 0).astype(np.float32)
        self.end = self._by_frame(parts, "end", first, False)
        self.instruction = np.zeros(len(lengths), np.int64)
        self.text_words = np.zeros((1, slot), np.int64)

    def __len__(self) -> int:
        return len(self.tiles)

    def _by_frame(self, parts: list[dict], name: str, first: np.ndarray, absent: Any) -> np.ndarray:
        """What belongs to a step stands at the frame it led to."""
        values = np.concatenate([part[name] for part in parts])
        column = np.full(len(first), absent, values.dtype)
        column[~first] = values
        return column

    def batch(self, seed: int, step: int, size: int, time: int, around: Around | None = None) -> Batch:
        """Batch number `step` of that seed's run; a film does not know where anything happens, so `around` is of no
        use."""
        rng = np.random.default_rng([seed, step])
        long = np.flatnonzero(self.stop - self.begin >= time)
        if not len(long):
            raise OptionError(f"no episode of the film has {time} frames; take a smaller `time`.")
        chosen = rng.choice(long, size)
        start = self.begin[chosen] + rng.integers(self.stop[chosen] - self.begin[chosen] - time + 1)
        index = start[:, None] + np.arange(time)
        begins = index == self.begin[self.episode[index]]
        ends = index + 1 == self.stop[self.episode[index]]
        before = np.where(begins[..., None, None], Pixels.never, self.tiles[np.maximum(index - 1, 0)])
        patches = self.tiles.shape[1]
        following = np.minimum(index + 1, len(self) - 1)
        arrays = {
            "tiles": self.tiles[index],
            "place": before,
            "age": np.repeat(~begins[..., None], patches, -1).astype(np.int64),
            "spot": before,
            "pose": np.zeros((size, time, 3), np.float32),
            "action": self.action[index].astype(np.int64),
            "next_action": np.where(ends, 0, self.action[following]).astype(np.int64),
            "motion": np.where(ends, -1, 0),
            "reward": self.reward[index],
            "end": self.end[index].astype(np.float32),
            "sound": np.zeros((size, time, 0), np.float32),
            "applied": np.full((size, time), -1, np.float32),
            "words": np.zeros((size, 1, self.slot), np.int64),
            "directed": np.zeros((size, time), np.int64),
            "met": np.zeros((size, time, 0), bool),
        }
        return Batch(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})

    def words_at(self, index: np.ndarray) -> Tensor | None:
        """Nothing is ever said in a film."""
        return None


def _in_patches(arrays: dict[str, np.ndarray], patch: int) -> dict[str, np.ndarray]:
    """One shard with its frames cut into patches."""
    patches = rearrange(arrays["frames"], "f (r h) (c w) k -> f (r c) (h w k)", h=patch, w=patch)
    return arrays | {"frames": np.ascontiguousarray(patches)}
