"""A stretch of moments as a file that others read: a film with its actions and records, an episode, or one moment.

Everything is made in memory; nothing here touches the disk. Knows nothing of rooms.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from wmenv.contract import Start, State, WorldSpec
from wmenv.episodes import Episode
from wmenv.errors import OptionError
from wmenv.live.film import film
from wmenv.live.timeline import Moment, facts_of

Kind = Literal["webm", "mp4", "episode", "moment"]


@dataclass(frozen=True)
class Saved:
    """A file as a browser is given it."""

    name: str
    media: str
    data: bytes


@dataclass(frozen=True)
class Stretch:
    """Moments in a row, the first of them before the first action; `state` is the world's state at the first."""

    spec: WorldSpec
    name: str
    begun: dict[str, Any]
    moments: Sequence[Moment]
    state: State | None = None

    @property
    def steps(self) -> Sequence[Moment]:
        """The moments that an action led to."""
        return self.moments[1:]

    @property
    def frames(self) -> np.ndarray:
        """The last frame of the first moment, then all of every step."""
        return np.concatenate([self.moments[0].frames[-1:], *(moment.frames for moment in self.steps)])

    @property
    def sound(self) -> np.ndarray | None:
        """(steps, samples), if every step has it."""
        return _stacked([moment.audio for moment in self.steps])

    @property
    def actions(self) -> np.ndarray:
        table = self.spec.actions
        shape = (0,) if table.kind == "discrete" else (0, table.count)
        return np.stack([moment.action for moment in self.steps]) if self.steps else np.zeros(shape, np.int64)

    @property
    def title(self) -> str:
        """What a file of it is called: letters that every file system takes."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.spec.name} {self.name}").strip("-").lower()
        return f"{plain}-{self.moments[0].step}-{self.moments[-1].step}"


def save(kind: Kind, stretch: Stretch) -> Saved:
    """The file that somebody asked for."""
    if kind == "moment":
        assert stretch.state is not None, "a moment is its state"
        return Saved(f"{stretch.title}.moment", "application/octet-stream", stretch.state.to_bytes())
    if len(stretch.moments) < 2:
        raise OptionError("a film or an episode has at least one step. Walk on, or choose a longer stretch.")
    if kind == "episode":
        return Saved(f"{stretch.title}.safetensors", "application/octet-stream", episode_of(stretch).to_bytes())
    return Saved(f"{stretch.title}-{kind}.zip", "application/zip", _bundle(kind, stretch))


def episode_of(stretch: Stretch) -> Episode:
    """The stretch as an episode that `wmenv.watch` and `ReplayWorld` read."""
    spec, steps = stretch.spec, stretch.steps
    directions = [replace(m.directed, step=place) for place, m in enumerate(steps) if m.directed is not None]
    return Episode(
        frames=stretch.frames,
        actions=stretch.actions,
        spec=spec,
        rewards=np.array([moment.reward for moment in steps], np.float32) if spec.reward else None,
        terminated=steps[-1].terminated,
        truncated=not steps[-1].terminated,
        directions=tuple(directions),
        audio=stretch.sound,
        pose=_stacked([moment.pose for moment in stretch.moments]),
        seed=stretch.begun.get("seed"),
        start=_start_of(stretch),
        metadata={"made_by": "wmenv live", "branch": stretch.name, "first_step": stretch.moments[0].step},
    )


def _start_of(stretch: Stretch) -> Start:
    """How to begin there again: as the scene began, or from the state at the first moment."""
    begun = stretch.begun
    if stretch.moments[0].step == 0 and not begun.get("dropped") and not begun.get("ghost"):
        return Start(template=begun.get("template"), prompt=begun.get("prompt"))
    if stretch.state is not None and "moment" in stretch.spec.starts:
        return Start(moment=stretch.state.to_bytes())
    return Start()


def _bundle(kind: Literal["webm", "mp4"], stretch: Stretch) -> bytes:
    """The film, what was done in it, and what each step was like, in one archive."""
    sound = stretch.sound
    rate = stretch.spec.audio.rate if stretch.spec.audio else 0
    pictures = film(kind, stretch.frames, stretch.spec.fps, None if sound is None else sound.reshape(-1), rate)
    actions = {
        "world": stretch.spec.name,
        "begun": stretch.begun,
        "first_step": stretch.moments[0].step,
        "names": list(stretch.spec.actions.names),
        "actions": stretch.actions.tolist(),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{stretch.title}.{kind}", pictures)
        archive.writestr("actions.json", json.dumps(actions, indent=1) + "\n")
        records = (json.dumps(facts_of(moment), allow_nan=False) for moment in stretch.moments)
        archive.writestr("records.jsonl", "\n".join(records) + "\n")
    return file.getvalue()


def _stacked(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """All of them in one array, if every one is there."""
    present = [value for value in values if value is not None]
    return np.stack(present) if present and len(present) == len(values) else None
