"""Oasis 500M (open) as a world: `load` reads the released files."""

from wmenv.worlds.oasis.actions import press
from wmenv.worlds.oasis.config import OasisConfig
from wmenv.worlds.oasis.sampler import SamplerConfig
from wmenv.worlds.oasis.world import OasisWorld, load

__all__ = ["OasisConfig", "OasisWorld", "SamplerConfig", "load", "press"]
