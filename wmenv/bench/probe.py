"""What a probe is, what it finds, and the three outcomes that are never merged.

A probe is a frozen dataclass whose fields are its settings. Its findings are plain rows, one per scene, and its score
is computed from such rows alone, so that scenes can be drawn again for an interval, or read back from a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from wmenv.bench.stage import Stage

SCORED, GATE_FAILED, UNSUPPORTED = OUTCOMES = ("scored", "gate_failed", "unsupported")
Scene = dict[str, Any]  # "seed", "outcome", "reason", and what the probe measured; values that JSON can hold


@dataclass(frozen=True)
class ProbeSpec:
    """Exactly which measurement this was. Two findings with the same hash can be compared."""

    id: str
    name: str
    version: int
    settings: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with the probe, its version or any setting."""
        told = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Sheet:
    """Pictures of one scene in order, to show how it went wrong; `broke` is the index of the first wrong one."""

    title: str
    frames: Sequence[np.ndarray]
    labels: Sequence[str]
    broke: int | None = None


@dataclass
class Finding:
    """What a probe found in every scene. `facts` are about the world as a whole, `curves` are named series."""

    scenes: list[Scene]
    facts: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, dict[str, Any]] = field(default_factory=dict)
    sheets: list[Sheet] = field(default_factory=list)

    @property
    def tally(self) -> dict[str, int]:
        """How many scenes had each outcome."""
        counts = Counter(scene["outcome"] for scene in self.scenes)
        return {outcome: counts[outcome] for outcome in OUTCOMES}


class Probe:
    """One question to a world. Subclasses are frozen dataclasses; `id`, `title` and `version` name the measurement."""

    id: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def spec(self) -> ProbeSpec:
        """Which measurement this is."""
        settings = {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}  # type: ignore[arg-type]
        return ProbeSpec(self.id, self.title, self.version, settings)

    @property
    def question(self) -> str:
        """What is asked, in plain words: the first paragraph of the class's docstring."""
        return inspect.cleandoc(type(self).__doc__ or "").split("\n\n")[0].replace("\n", " ")

    def lacks(self, stage: Stage) -> str | None:
        """Why this cannot be asked of that world at all; None if it can."""
        return None

    def steps(self, stage: Stage) -> int:
        """About how many row-steps one scene will take."""
        raise NotImplementedError

    def run(self, stage: Stage) -> Finding:
        """Ask."""
        raise NotImplementedError

    def score(self, scenes: Sequence[Scene]) -> float:
        """The probe's number between 0 and 1 from any set of scenes that were not unsupported."""
        raise NotImplementedError


def unsupported(seeds: Sequence[int], reason: str) -> Finding:
    """The finding of a probe that could not be asked."""
    return Finding([{"seed": int(seed), "outcome": UNSUPPORTED, "reason": reason} for seed in seeds])


def counted(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes that count: the scored ones, and those that failed a gate."""
    return [scene for scene in scenes if scene["outcome"] != UNSUPPORTED]


def column(scenes: Sequence[Scene], name: str, failed: float = 0.0) -> np.ndarray:
    """One measure of every scene; a scene that failed a gate has `failed`."""
    return np.array([scene[name] if scene["outcome"] == SCORED else failed for scene in scenes], dtype=float)


def mean(values: np.ndarray) -> float:
    """The mean, 0 of nothing: who shows nothing earns nothing."""
    return float(np.mean(values)) if len(values) else 0.0
