"""The profile of a world, {timeliness, control, revisit, edit, stability}, and its minimum; never one average.

Intervals come from drawing scenes again, the same scenes for all axes at once, so that the interval of the minimum is
right. An axis whose probe cannot be asked is named as unsupported, not counted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.bench.probe import Probe, Scene, counted
from wmenv.bench.suite import Asked, Run
from wmenv.metrics.bootstrap import DRAWS, bootstrap

VERSION = "headline-1"
AXES: Mapping[str, tuple[str, ...]] = {  # axis -> the probes it rests on
    "timeliness": ("L3",),
    "control": ("P2", "P3"),
    "revisit": ("P4",),
    "edit": ("P5", "P6"),
    "stability": ("P10",),
}
COMBINED: Mapping[str, Callable[[Sequence[float]], float]] = {"control": min, "edit": math.prod}
PASS = {"timeliness": 0.99, "control": 0.8, "revisit": 0.8, "edit": 0.8, "stability": 0.8}
FAIL = {"timeliness": 0.99, "control": 0.5, "revisit": 0.5, "edit": 0.5, "stability": 0.5}  # below: something is broken


@dataclass(frozen=True)
class Axis:
    """One axis of the profile; `estimate` is None where it cannot be measured, with the reason."""

    name: str
    estimate: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    tally: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Headline:
    """All axes, and the one that limits the world."""

    axes: tuple[Axis, ...]
    minimum: Axis

    def __getitem__(self, name: str) -> Axis:
        return next(axis for axis in self.axes if axis.name == name)

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        shown = {axis.name: _told(axis) for axis in self.axes}
        return {"version": VERSION, "axes": shown, "minimum": {"limited_by": self.minimum.name, **_told(self.minimum)}}


def headline(run: Run, draws: int = DRAWS) -> Headline:
    """The profile of a run."""
    measurable: dict[str, list[Asked]] = {}
    missing: list[Axis] = []
    for name, needed in AXES.items():
        found = [run.of(probe_id) for probe_id in needed]
        reason = _why_not(found, needed)
        if reason:
            missing.append(Axis(name, None, reason=reason))
        else:
            measurable[name] = [part for part in found if part]
    scored = functools.cache(lambda pick: _scores(measurable, pick))  # every axis draws the same scenes
    units = np.arange(len(run.stage.seeds))
    axes = {}
    for at, (name, asked) in enumerate(measurable.items()):
        interval = bootstrap(units, lambda pick, at=at: scored(tuple(pick))[at], draws)  # type: ignore[misc]
        axes[name] = Axis(name, *interval, tally=_tally(asked))
    known = [*axes.values(), *missing]
    ordered = tuple(next(axis for axis in known if axis.name == name) for name in AXES)
    if not axes:
        return Headline(ordered, Axis("", None, reason="no axis could be measured"))
    worst = min(axes.values(), key=lambda axis: axis.estimate or 0.0)
    interval = bootstrap(units, lambda pick: min(scored(tuple(pick))), draws)
    return Headline(ordered, Axis(worst.name, *interval))


def _why_not(found: Sequence[Asked | None], needed: Sequence[str]) -> str:
    """Why an axis cannot be measured, "" if it can."""
    for probe_id, asked in zip(needed, found, strict=True):
        if asked is None:
            return f"{probe_id} was not asked"
        if not counted(asked.finding.scenes):
            return f"{probe_id}: {asked.finding.scenes[0]['reason']}"
    return ""


def _scores(measurable: Mapping[str, Sequence[Asked]], pick: Sequence[int]) -> list[float]:
    """Each axis from the scenes that were picked."""
    values = []
    for name, found in measurable.items():
        parts = [probe_score(asked.probe, [asked.finding.scenes[at] for at in pick]) for asked in found]
        values.append(COMBINED[name](parts) if name in COMBINED else parts[0])
    return values


def probe_score(probe: Probe, scenes: Sequence[Scene]) -> float:
    """The probe's number from those scenes that count; 0 where none does."""
    good = counted(scenes)
    return float(probe.score(good)) if good else 0.0


def probe_interval(asked: Asked, draws: int = DRAWS) -> list[float] | None:
    """A probe's number with its interval over scenes; None where it could not be asked."""
    scenes = counted(asked.finding.scenes)
    if not scenes:
        return None
    return list(bootstrap(np.arange(len(scenes)), lambda pick: asked.probe.score([scenes[at] for at in pick]), draws))


def _tally(found: Sequence[Asked]) -> dict[str, int]:
    tallies = [asked.finding.tally for asked in found]
    return {outcome: sum(tally[outcome] for tally in tallies) for outcome in tallies[0]}


def _told(axis: Axis) -> dict[str, Any]:
    if axis.estimate is None:
        return {"estimate": None, "unsupported": axis.reason}
    told = {"estimate": round(axis.estimate, 4), "ci": [round(axis.low or 0.0, 4), round(axis.high or 0.0, 4)]}
    return told | ({"scenes": dict(axis.tally)} if axis.tally else {})
