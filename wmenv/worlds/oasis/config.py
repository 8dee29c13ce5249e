"""The sizes of an Oasis model: the transformer that dreams latents, and the autoencoder between latents and pictures.

The defaults are those of the released 500M model. A checkpoint must fit the sizes it is loaded with.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wmenv.errors import ConfigError


@dataclass(frozen=True)
class TransformerConfig:
    """A spatio-temporal transformer over `window` frames of (channels, height, width) latents."""

    height: int = 18
    width: int = 32
    channels: int = 16
    patch: int = 2
    hidden: int = 1024
    depth: int = 16
    heads: int = 16
    mlp_ratio: float = 4.0
    action_fields: int = 25
    window: int = 32

    @property
    def places(self) -> int:
        """How many tokens a frame has."""
        return (self.height // self.patch) * (self.width // self.patch)

    @property
    def head_width(self) -> int:
        return self.hidden // self.heads


@dataclass(frozen=True)
class VitConfig:
    """One half of the autoencoder."""

    hidden: int
    depth: int
    heads: int


@dataclass(frozen=True)
class AutoencoderConfig:
    """A ViT encoder and decoder of pictures, one latent per patch."""

    height: int = 360
    width: int = 640
    patch: int = 20
    latent: int = 16
    encoder: VitConfig = VitConfig(1024, 6, 16)
    decoder: VitConfig = VitConfig(1024, 12, 16)

    @property
    def grid(self) -> tuple[int, int]:
        """How many patches high and wide."""
        return self.height // self.patch, self.width // self.patch


@dataclass(frozen=True)
class OasisConfig:
    """Both models; the latents of one are the frames of the other."""

    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)

    def __post_init__(self) -> None:
        made = (self.autoencoder.latent, *self.autoencoder.grid)
        taken = (self.transformer.channels, self.transformer.height, self.transformer.width)
        if made != taken:
            raise ConfigError(f"the autoencoder makes latents of {made}, but the transformer takes {taken}.")


RELEASED_500M = OasisConfig()
