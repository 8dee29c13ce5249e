"""DIAMOND behind the contract: rows of imagined Atari, each with its own past, seed and memory of reward.

It predicts frames, the sign of the reward and the end of the episode. It has no words, no sound, no pose and takes no
directions. A past must be given: a picture, a recorded start or a moment; a seed alone picks from the bank of starts,
which is one blank start unless the caller has a better one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from wmenv.contract import ActionTable, Outcome, Start, WorldSpec
from wmenv.errors import CheckpointError, OptionError
from wmenv.worlds.diamond.checkpoint import DiamondWeights, read_checkpoint
from wmenv.worlds.diamond.denoiser import COLOURS
from wmenv.worlds.diamond.layers import set_convolutions
from wmenv.worlds.diamond.reward_end import ENDS, REWARDS
from wmenv.worlds.diamond.sampler import Sampler, SamplerConfig
from wmenv.worlds.diamond.starts import StartBank
from wmenv.worlds.row_noise import row_normals
from wmenv.worlds.tensor_world import DTYPES, Generators, Rows, TensorWorld, one_of

FPS = 15.0  # the 60 Hz game, one decision in four frames
HEADINGS = ("up", "right", "left", "down", "upright", "upleft", "downright", "downleft")
ALL_ATARI_ACTIONS = ("noop", "fire", *HEADINGS, *(f"{heading}fire" for heading in HEADINGS))


def load(
    path: str | Path | None = None,
    *,
    starts: str | Path | None = None,
    action_names: Sequence[str] | None = None,
    sampler: SamplerConfig | None = None,
    outcomes: Literal["sampled", "likeliest"] = "sampled",
    device: str = "cpu",
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> DiamondWorld:
    """The world in a released DIAMOND checkpoint; `starts` is a file that `StartBank.save` wrote."""
    if path is None:
        raise CheckpointError("a DIAMOND world needs path=, the file of an agent's state dict such as Breakout.pt.")
    return DiamondWorld(
        read_checkpoint(path),
        starts=StartBank.read(starts) if starts is not None else None,
        action_names=action_names,
        sampler=sampler,
        outcomes=outcomes,
        device=device,
        dtype=dtype,
    )


class DiamondWorld(TensorWorld):
    """A `World` over a DIAMOND denoiser and its reward and end model."""

    def __init__(
        self,
        weights: DiamondWeights,
        *,
        starts: StartBank | None = None,
        action_names: Sequence[str] | None = None,
        sampler: SamplerConfig | None = None,
        outcomes: Literal["sampled", "likeliest"] = "sampled",
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.config = config = weights.config
        self.choose = one_of("outcomes", outcomes, {"sampled": _sampled, "likeliest": _likeliest})
        self.starts = starts or StartBank.blank(config.history, config.image_size)
        self.starts.check(config.history, config.image_size, config.actions)
        for model in (weights.denoiser, weights.reward_end):
            set_convolutions(model.to(device), one_of("dtype", dtype, DTYPES))
        self.sampler = Sampler(weights.denoiser, sampler or SamplerConfig())
        self.reward_end = weights.reward_end
        spec = WorldSpec(
            name="diamond",
            height=config.image_size,
            width=config.image_size,
            fps=FPS,
            actions=ActionTable(_action_names(action_names, config.actions), noop=0),
            reward="head",
            terminates=True,
            snapshots="copy",
            starts=frozenset({"seed", "picture", "moment"}),
            provenance={
                "weights": weights.fingerprint,
                "device": device,
                "dtype": dtype,
                "reward": "predicted sign of the game's reward",
                "seed starts from": f"a bank of {len(starts)} recorded starts" if starts else "blank frames",
            },
        )
        super().__init__(spec, f"diamond {weights.fingerprint}", torch.device(device))

    def _begin(self, start: Start, seed: int) -> Rows:
        """A picture is a past in which nothing moved."""
        if start.picture is None:
            chosen = seed % len(self.starts)
            return self._with_past(self.starts.frames[chosen], self.starts.actions[chosen])
        still = np.repeat(np.asarray(start.picture)[None], self.config.history, axis=0)
        return self._with_past(still, np.zeros(self.config.history - 1, np.int64))

    def _with_past(self, frames: np.ndarray, actions: np.ndarray) -> Rows:
        """A row with that past, which the reward model has lived through."""
        frames_u8 = torch.as_tensor(frames, device=self.device).permute(0, 3, 1, 2).contiguous()
        taken = torch.as_tensor(actions, device=self.device)
        history = _as_floats(frames_u8)
        (steps,) = self.by_group(lambda *step: (self.reward_end.encode(*step),), history[:-1], taken, history[1:])
        *_, (hidden, cell) = self.reward_end.judge(steps[None], self.reward_end.blank_memory(1))
        return {"frames": frames_u8[None], "past_actions": taken[None], "hidden": hidden, "cell": cell}

    def _first(self, now: Rows) -> Outcome:
        nothing = np.zeros(len(now["frames"]), np.float32)
        return Outcome(_pictures(now), reward=nothing, terminated=nothing.astype(bool))

    def _step(self, now: Rows, taken: Tensor, generators: Generators) -> tuple[Rows, Outcome]:
        taken = torch.cat((now["past_actions"], taken[:, None]), dim=1)
        size = self.config.image_size
        noise = torch.as_tensor(row_normals(generators, (self.sampler.draws, COLOURS, size, size)), device=self.device)
        frames, steps = self.by_group(self._imagine, now["frames"], taken, noise)
        reward_logits, end_logits, (hidden, cell) = self.reward_end.judge(steps[:, None], (now["hidden"], now["cell"]))
        reward = np.array(REWARDS, np.float32)[self.choose(reward_logits[:, 0], generators)]
        ended = np.array(ENDS)[self.choose(end_logits[:, 0], generators)]
        frames = torch.cat((now["frames"][:, 1:], frames[:, None]), dim=1)
        after = {"frames": frames, "past_actions": taken[:, 1:], "hidden": hidden, "cell": cell}
        return after, Outcome(_pictures(after), reward=reward, terminated=ended)

    def _imagine(self, frames: Tensor, taken: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The next frame as bytes, and the vector that the reward model makes of the step."""
        history = _as_floats(frames)
        following = _as_bytes(self.sampler.sample(history, taken, noise))
        return following, self.reward_end.encode(history[:, -1], taken[:, -1], _as_floats(following))


def _pictures(rows: Rows) -> np.ndarray:
    return rows["frames"][:, -1].permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _as_floats(frames_u8: Tensor) -> Tensor:
    return frames_u8.float().div_(255).mul_(2).sub_(1)


def _as_bytes(frames: Tensor) -> Tensor:
    """Bytes of frames that lie on the byte grid but for rounding."""
    return frames.add(1).mul_(255 / 2).round_().clamp_(0, 255).to(torch.uint8)


def _sampled(logits: Tensor, generators: Generators) -> np.ndarray:
    """One class per row, drawn with that row's generator."""
    upto = logits.double().softmax(-1).cumsum(-1).cpu().numpy()
    drawn = np.array([[generator.random()] for generator in generators])
    return np.minimum((upto <= drawn).sum(-1), logits.shape[-1] - 1)


def _likeliest(logits: Tensor, generators: Generators) -> np.ndarray:
    return logits.argmax(-1).cpu().numpy()


def _action_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None and count == len(ALL_ATARI_ACTIONS):
        return ALL_ATARI_ACTIONS
    names = names or ("noop", *(f"action {i}" for i in range(1, count)))
    if len(names) != count:
        raise OptionError(f"this model takes {count} actions, got {len(names)} names: {', '.join(names)}.")
    return tuple(names)
