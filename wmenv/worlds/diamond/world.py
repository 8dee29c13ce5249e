"""DIAMOND behind the contract: rows of imagined Atari, each with its own past, seed and memory of reward.

It predicts frames, the sign of the reward and the end of the episode. It has no words, no sound, no pose and takes no
directions. A past must be given: a picture, a recorded start or a moment; a seed alone picks from the bank of starts,
which is one blank start unless the caller has a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from wmenv.contract import Actions, ActionTable, Directions, Outcome, Start, State, WorldSpec
from wmenv.errors import OptionError, SnapshotError, StartError
from wmenv.worlds.diamond.checkpoint import DiamondWeights, read_checkpoint
from wmenv.worlds.diamond.denoiser import COLOURS
from wmenv.worlds.diamond.layers import set_convolutions
from wmenv.worlds.diamond.reward_end import ENDS, REWARDS
from wmenv.worlds.diamond.sampler import Sampler, SamplerConfig
from wmenv.worlds.diamond.starts import StartBank
from wmenv.worlds.row_noise import fold_seed, row_generator, row_normals
from wmenv.worlds.tensor_state import TensorState

FPS = 15.0  # the 60 Hz game, one decision in four frames
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Generators = Sequence[np.random.Generator]  # one per row
HEADINGS = ("up", "right", "left", "down", "upright", "upleft", "downright", "downleft")
ALL_ATARI_ACTIONS = ("noop", "fire", *HEADINGS, *(f"{heading}fire" for heading in HEADINGS))


def load(
    path: str | Path,
    *,
    starts: str | Path | None = None,
    action_names: Sequence[str] | None = None,
    sampler: SamplerConfig | None = None,
    outcomes: Literal["sampled", "likeliest"] = "sampled",
    device: str = "cpu",
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> DiamondWorld:
    """The world in a released DIAMOND checkpoint; `starts` is a file that `StartBank.save` wrote."""
    return DiamondWorld(
        read_checkpoint(path),
        starts=StartBank.read(starts) if starts is not None else None,
        action_names=action_names,
        sampler=sampler or SamplerConfig(),
        outcomes=outcomes,
        device=device,
        dtype=dtype,
    )


class DiamondWorld:
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
        self.device = torch.device(device)
        self.starts = (starts or StartBank.blank(config.history, config.image_size)).check(
            config.history, config.image_size, config.actions
        )
        self.choose = _one_of("outcomes", outcomes, {"sampled": _sampled, "likeliest": _likeliest})
        for model in (weights.denoiser, weights.reward_end):
            set_convolutions(model.to(self.device), _one_of("dtype", dtype, DTYPES))
        self.reward_end = weights.reward_end
        self.sampler = Sampler(weights.denoiser, sampler or SamplerConfig())
        self.tag = f"diamond {weights.fingerprint}"
        self.spec = WorldSpec(
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

    # --- the contract

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[TensorState, Outcome]:
        """New rows. A moment brings its whole past; a picture is a past in which nothing moved."""
        rows = [self._begin(start.check(self.spec), fold_seed(seed)) for start, seed in zip(starts, seeds, strict=True)]
        state = TensorState.concat(rows)
        nothing = np.zeros(len(rows), np.float32)
        return state, Outcome(self._pictures(state), reward=nothing, terminated=nothing.astype(bool))

    @torch.inference_mode()
    def advance(self, state: State, actions: Actions, directions: Directions) -> tuple[TensorState, Outcome]:
        """One imagined step of every row."""
        taken = torch.as_tensor(self.spec.actions.check(actions, len(state)), device=self.device)
        if any(direction is not None for direction in directions):
            self.spec.need("directions")
        now = self._own(state).consume().tensors
        generators = [row_generator(*key) for key in zip(now["seed"].tolist(), now["step"].tolist(), strict=True)]
        taken = torch.cat((now["past_actions"], taken[:, None]), dim=1)
        frames, steps = self._imagine(now["frames"], taken, generators)
        reward_logits, end_logits, (hidden, cell) = self.reward_end.judge(steps[:, None], (now["hidden"], now["cell"]))
        after = TensorState(
            self.tag,
            {
                "frames": torch.cat((now["frames"][:, 1:], frames[:, None]), dim=1),
                "past_actions": taken[:, 1:],
                "hidden": hidden,
                "cell": cell,
                "seed": now["seed"],
                "step": now["step"].add_(1),
            },
        )
        reward = np.array(REWARDS, np.float32)[self.choose(reward_logits[:, 0], generators)]
        ended = np.array(ENDS)[self.choose(end_logits[:, 0], generators)]
        return after, Outcome(self._pictures(after), reward=reward, terminated=ended)

    def revive(self, data: bytes) -> TensorState:
        """A state of this world, with these weights, from its bytes."""
        return TensorState.from_bytes(data, self.tag, self.device)

    # --- how

    def _imagine(self, frames: Tensor, taken: Tensor, generators: Generators) -> tuple[Tensor, Tensor]:
        """The next frame of every row as bytes, and the vector that the reward model makes of the step."""
        size = self.config.image_size
        noise = row_normals(generators, (self.sampler.draws, COLOURS, size, size))
        return self._by_group(self._imagine_group, frames, taken, torch.as_tensor(noise, device=self.device))

    def _imagine_group(self, frames: Tensor, taken: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        history = _as_floats(frames)
        following = _as_bytes(self.sampler.sample(history, taken, noise))
        return following, self.reward_end.encode(history[:, -1], taken[:, -1], _as_floats(following))

    def _by_group(self, work: Callable[..., tuple[Tensor, ...]], *rows: Tensor) -> tuple[Tensor, ...]:
        """`work` on all rows at once on an accelerator, and on one row after another on a CPU.

        A single row's activations stay in the cache and below the size that the C library returns to the system at
        every free, its norms are one kernel, and it gives the same bits whatever runs beside it.
        """
        if self.device.type != "cpu":
            return work(*rows)
        done = [work(*(tensor[i : i + 1] for tensor in rows)) for i in range(len(rows[0]))]
        return tuple(torch.cat(parts) for parts in zip(*done, strict=True))

    def _begin(self, start: Start, seed: int) -> TensorState:
        if start.moment is not None:
            return self._resume(start.moment, seed)
        if start.picture is not None:
            still = np.repeat(np.asarray(start.picture)[None], self.config.history, axis=0)
            return self._open_past(still, np.zeros(self.config.history - 1, np.int64), seed)
        chosen = seed % len(self.starts)
        return self._open_past(self.starts.frames[chosen], self.starts.actions[chosen], seed)

    def _resume(self, moment: bytes, seed: int) -> TensorState:
        state = self.revive(moment)
        if len(state) != 1:
            raise StartError(f"a moment is the state of one row, this one has {len(state)}. Take state.select([row]).")
        state.tensors["seed"].fill_(seed)
        return state

    @torch.inference_mode()
    def _open_past(self, frames: np.ndarray, actions: np.ndarray, seed: int) -> TensorState:
        """A row with that past, which the reward model has lived through."""
        frames_u8 = torch.as_tensor(frames, device=self.device).permute(0, 3, 1, 2).contiguous()
        taken = torch.as_tensor(actions, device=self.device)
        history = _as_floats(frames_u8)
        steps = self._by_group(lambda *step: (self.reward_end.encode(*step),), history[:-1], taken, history[1:])[0]
        *_, (hidden, cell) = self.reward_end.judge(steps[None], self.reward_end.blank_memory(1))
        key = torch.tensor([seed, 0], dtype=torch.int64)
        return TensorState(
            self.tag,
            {
                "frames": frames_u8[None],
                "past_actions": taken[None],
                "hidden": hidden,
                "cell": cell,
                "seed": key[:1],
                "step": key[1:],
            },
        )

    def _own(self, state: State) -> TensorState:
        if not isinstance(state, TensorState) or state.world != self.tag:
            raise SnapshotError(
                f"this state is not one of {self.tag!r}. Open rows in this world, or revive its own bytes."
            )
        return state

    def _pictures(self, state: TensorState) -> np.ndarray:
        return state.tensors["frames"][:, -1].permute(0, 2, 3, 1).contiguous().cpu().numpy()


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


def _one_of(option: str, asked: str, known: Mapping[str, Any]) -> Any:
    if asked not in known:
        raise OptionError(f"{option}={asked!r} is not one of: {', '.join(known)}.")
    return known[asked]


def _action_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return (
            ALL_ATARI_ACTIONS
            if count == len(ALL_ATARI_ACTIONS)
            else ("noop", *(f"action {i}" for i in range(1, count)))
        )
    if len(names) != count:
        raise OptionError(f"this model takes {count} actions, got {len(names)} names: {', '.join(names)}.")
    return tuple(names)
