"""Oasis behind the contract: rows of dreamed Minecraft, each a window of latents and the actions that led to them.

It predicts frames and nothing else: no reward, no end, no words, no sound, no pose; it takes no directions. A row
begins with a picture, which a seed alone picks from the pictures given, or from one grey picture if there are none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from wmenv.contract import Outcome, Start, WorldSpec
from wmenv.errors import CheckpointError
from wmenv.worlds.oasis.actions import TABLE
from wmenv.worlds.oasis.checkpoint import AUTOENCODER_FILE, TRANSFORMER_FILE, OasisWeights, read_checkpoint
from wmenv.worlds.oasis.config import RELEASED_500M, OasisConfig
from wmenv.worlds.oasis.sampler import Sampler, SamplerConfig
from wmenv.worlds.row_noise import row_normals
from wmenv.worlds.tensor_world import DTYPES, Generators, Rows, TensorWorld, one_of

FPS = 20.0
LATENT_SCALE = 0.07843137255  # from the autoencoder's latents to those the transformer was trained on
GREY = 128


def load(
    path: str | Path | None = None,
    *,
    autoencoder: str | Path | None = None,
    config: OasisConfig = RELEASED_500M,
    pictures: str | Path | None = None,
    sampler: SamplerConfig | None = None,
    device: str = "cpu",
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> OasisWorld:
    """The world in the released files: a folder that holds both, or the path of each.

    `pictures` is a `.npy` file of uint8 (n, height, width, 3), for rows that begin from a seed alone.
    """
    if path is None:
        raise CheckpointError(f"an Oasis world needs path=, a folder with {TRANSFORMER_FILE} and {AUTOENCODER_FILE}.")
    return OasisWorld(
        read_checkpoint(path, autoencoder, config),
        pictures=_read_pictures(pictures) if pictures is not None else None,
        sampler=sampler,
        device=device,
        dtype=dtype,
    )


class OasisWorld(TensorWorld):
    """A `World` over an Oasis transformer and its autoencoder."""

    def __init__(
        self,
        weights: OasisWeights,
        *,
        pictures: np.ndarray | None = None,
        sampler: SamplerConfig | None = None,
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.config = weights.config
        size = self.config.autoencoder
        blank = np.full((1, size.height, size.width, 3), GREY, np.uint8)
        self.pictures = _checked_pictures(blank if pictures is None else pictures, blank.shape[1:])
        kind = one_of("dtype", dtype, DTYPES)
        for model in (weights.autoencoder, weights.transformer):
            set_parameters(model, device, kind)
        self.autoencoder = weights.autoencoder
        self.sampler = Sampler(weights.transformer, sampler or SamplerConfig())
        spec = WorldSpec(
            name="oasis",
            height=size.height,
            width=size.width,
            fps=FPS,
            actions=TABLE,
            snapshots="copy",
            starts=frozenset({"seed", "picture", "moment"}),
            provenance={
                "weights": weights.fingerprint,
                "device": device,
                "dtype": dtype,
                "seed starts from": "one grey picture" if pictures is None else f"{len(pictures)} given pictures",
            },
        )
        super().__init__(spec, f"oasis {weights.fingerprint}", torch.device(device))

    @property
    def past(self) -> int:
        """How many frames a new one can look back on."""
        return self.config.transformer.window - 1

    def _begin(self, start: Start, seed: int) -> Rows:
        picture = self.pictures[seed % len(self.pictures)] if start.picture is None else np.asarray(start.picture)
        pixels = torch.as_tensor(picture, device=self.device).permute(2, 0, 1)[None].float()
        first = self.autoencoder.encode(pixels / 255 * 2 - 1) * LATENT_SCALE
        latents = first.new_zeros(1, self.past, *first.shape[1:])
        latents[:, -1] = first
        return {
            "latents": latents,
            "actions": first.new_zeros(1, self.past, TABLE.count),
            "known": torch.ones(1, dtype=torch.int64, device=self.device),
        }

    def _first(self, now: Rows) -> Outcome:
        return Outcome(self._pictures(now["latents"][:, -1]))

    def _step(self, now: Rows, taken: Tensor, generators: Generators) -> tuple[Rows, Outcome]:
        actions = torch.cat((now["actions"], taken[:, None]), dim=1)
        noise = torch.as_tensor(row_normals(generators, now["latents"].shape[2:]), device=self.device)
        fresh = torch.empty_like(noise)
        for known in now["known"].unique().tolist():  # rows with pasts of the same length go together
            rows = (now["known"] == known).nonzero()[:, 0]
            context = now["latents"][rows, -known:]
            fresh[rows] = self.by_group(self._dream, context, actions[rows, -known - 1 :], noise[rows])[0]
        after = {
            "latents": torch.cat((now["latents"][:, 1:], fresh[:, None]), dim=1),
            "actions": actions[:, 1:],
            "known": (now["known"] + 1).clamp(max=self.past),
        }
        return after, Outcome(self._pictures(fresh))

    def _dream(self, context: Tensor, actions: Tensor, noise: Tensor) -> tuple[Tensor]:
        return (self.sampler.sample(context, actions, noise),)

    def _pictures(self, latents: Tensor) -> np.ndarray:
        return self.by_group(self._decode, latents)[0].cpu().numpy()

    def _decode(self, latents: Tensor) -> tuple[Tensor]:
        """Bytes of (rows, height, width, 3), cut off as the published program cuts them."""
        pixels = self.autoencoder.decode(latents / LATENT_SCALE).add_(1).div_(2).clamp_(0, 1).mul_(255)
        return (pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous(),)


def set_parameters(model: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Move a model and change what it computes in; positions stay exact, because their angles run to hundreds."""
    model.to(device)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _read_pictures(path: str | Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        raise CheckpointError(f"{path} is no array of start pictures: {problem}. numpy.save writes one.") from problem


def _checked_pictures(pictures: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if pictures.dtype != np.uint8 or pictures.shape[1:] != shape or not len(pictures):
        found = f"{pictures.dtype} {pictures.shape}"
        raise CheckpointError(f"start pictures are uint8 of (n, {', '.join(map(str, shape))}), got {found}.")
    return pictures
