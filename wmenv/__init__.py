"""wmenv: generated worlds as Gymnasium environments."""

__version__ = "0.1.0.dev0"
