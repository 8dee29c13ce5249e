"""Which formats a data set can be written in, by name. Knows nothing of any of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from wmenv.errors import EpisodeFileError, OptionError, did_you_mean
from wmenv.rollout.dataset import Dataset

FORMATS: Mapping[str, str] = {
    "npz": "ours:to_npz",
    "parquet": "ours:to_parquet",
    "hdf5": "hdf5:to_hdf5",
    "minari": "minari:to_minari",
    "lerobot": "lerobot:to_lerobot",
    "webm": "film:to_webm",
    "mp4": "film:to_mp4",
}


def convert(data: Dataset, to: str, out: str | Path) -> Path:
    """Write the episodes that are there in the format `to`; returns where they are."""
    if to not in FORMATS:
        raise OptionError(f"no format is called {to!r}. {did_you_mean(to, FORMATS)}")
    if not data.numbers:
        raise EpisodeFileError(f"{data.folder} has no finished episode to convert yet.")
    module, _, name = FORMATS[to].partition(":")
    written: Path = getattr(importlib.import_module(f"wmenv.rollout.export.{module}"), name)(data, Path(out))
    return written
