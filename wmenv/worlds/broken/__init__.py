"""Worlds with one fault planted in each, for whoever claims that a metric would notice."""

from wmenv.worlds.broken.world import FAULTS, BrokenWorld

__all__ = ["FAULTS", "BrokenWorld"]
