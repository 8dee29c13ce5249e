"""DIAMOND (Atari) as a world: `load` reads a released checkpoint."""

from wmenv.worlds.diamond.sampler import SamplerConfig
from wmenv.worlds.diamond.starts import StartBank
from wmenv.worlds.diamond.world import DiamondWorld, load

__all__ = ["DiamondWorld", "SamplerConfig", "StartBank", "load"]
