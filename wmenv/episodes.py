"""One recorded episode, and the file that keeps it: everything a reader needs to train on it, replay it or judge it.

T actions lie between T + 1 frames: action i leads from frame i to frame i + 1, and so do reward i and sound i. The file
is safetensors, so that it holds no code; frames are kept without loss. Knows nothing of who played or who will read.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as tensors_file

from wmenv.contract import ActionTable, AudioSpec, Start, WorldSpec
from wmenv.errors import EpisodeFileError, LogError, StartError

FORMAT = "wmenv-episode-1"


@dataclass(frozen=True)
class Directed:
    """A direction that was given with action `step`, and what became of it."""

    step: int
    text: str
    applied: bool
    reason: str = ""
    lock: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Episode:
    """What one row showed from its first frame to its last.

    `frames` is (T + 1, H, W, 3) uint8, or (T * F + 1, ...) for a world that makes F frames per step. `actions`,
    `rewards` and `audio` have T entries; `pose` and `words` belong to frames, T + 1 entries, frame 0 first. What the
    world did not show is None. `metadata` is anything JSON can hold.

    >>> episode = Episode(np.zeros((3, 8, 8, 3), np.uint8), np.array([0, 1]), spec=WorldSpec(
    ...     name="toy", height=8, width=8, fps=10, actions=ActionTable(("left", "right"))))
    >>> episode.steps
    2
    """

    frames: np.ndarray
    actions: np.ndarray
    spec: WorldSpec
    rewards: np.ndarray | None = None
    terminated: bool = False
    truncated: bool = False
    directions: tuple[Directed, ...] = ()
    audio: np.ndarray | None = None
    pose: np.ndarray | None = None
    words: tuple[str, ...] | None = None
    seed: int | None = None
    start: Start = field(default_factory=Start)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        steps, spec = self.steps, self.spec
        frame = (spec.height, spec.width, 3)
        _fit("frames", self.frames, (steps * spec.frames_per_step + 1, *frame), "u1")
        _fit("actions", self.actions, (steps,) if spec.actions.kind == "discrete" else (steps, spec.actions.count))
        _fit("rewards", self.rewards, (steps,), "f4")
        _fit("audio", self.audio, (steps, spec.audio.samples if spec.audio else 0), "i2")
        _fit("pose", self.pose, (steps + 1, 3), "f4")
        if self.words is not None and len(self.words) != steps + 1:
            raise EpisodeFileError(f"an episode of {steps} steps has {steps + 1} captions, got {len(self.words)}.")
        late = [directed.step for directed in self.directions if not 0 <= directed.step < steps]
        if late:
            raise EpisodeFileError(f"directions came with steps {late}, but the episode has steps 0..{steps - 1}.")

    @property
    def steps(self) -> int:
        """How many actions were taken."""
        return len(self.actions)

    def save(self, path: str | Path) -> Path:
        """Write the episode so that `path` either has all of it or stays as it was; `LogError` if it cannot be."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, self.to_bytes())
        except OSError as problem:
            raise LogError(f"episode {path} could not be written: {problem}. Nothing was left behind.") from problem
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The episode in `path`; `EpisodeFileError` if there is none, or it is damaged."""
        try:
            data = Path(path).read_bytes()
        except OSError as problem:
            raise EpisodeFileError(f"no episode can be read from {path}: {problem}.") from problem
        try:
            return cls.from_bytes(data)
        except EpisodeFileError as problem:
            raise EpisodeFileError(f"{path}: {problem}") from problem

    def to_bytes(self) -> bytes:
        """The contents of an episode file."""
        arrays = {name: getattr(self, name) for name in ("actions", "rewards", "audio", "pose")}
        arrays["frames"] = np.frombuffer(zlib.compress(self.frames.tobytes(), 6), np.uint8)
        arrays |= {"start.picture": self.start.picture, "start.moment": _bytes_as_array(self.start.moment)}
        present = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
        facts = json.dumps(self._facts(), allow_nan=False)
        header = {"format": FORMAT, "facts": facts, "checksum": _checksum(present, facts)}
        return tensors_file.save(present, header)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The episode that `to_bytes` wrote; every byte of it is checked."""
        arrays, facts = _unpack(data)
        try:
            return cls(**_fields(arrays, facts))
        except (KeyError, TypeError, ValueError, StartError) as problem:
            raise EpisodeFileError(f"a part of this episode is missing or wrong: {problem!r}.") from problem

    def _facts(self) -> dict[str, Any]:
        """Everything that is not an array, ready for JSON."""
        return {
            "spec": spec_facts(self.spec),
            "shape": list(self.frames.shape),
            "terminated": bool(self.terminated),
            "truncated": bool(self.truncated),
            "directions": [asdict(directed) for directed in self.directions],
            "words": self.words,
            "seed": self.seed,
            "start": {"template": self.start.template, "prompt": self.start.prompt},
            "metadata": dict(self.metadata),
        }


# --- the spec as JSON -----------------------------------------------------------------------------------------------


def spec_facts(spec: WorldSpec) -> dict[str, Any]:
    """A spec as values that JSON can hold; `spec_of` turns them back."""
    facts = asdict(spec)
    facts["starts"] = sorted(spec.starts)
    facts["actions"]["inverse"] = list(spec.actions.inverse.items())  # JSON would make the keys strings
    return facts


def spec_of(facts: Mapping[str, Any]) -> WorldSpec:
    """The spec that `spec_facts` wrote down."""
    table = _with_tuples(facts["actions"]) | {"inverse": dict(facts["actions"]["inverse"])}
    audio = AudioSpec(**facts["audio"]) if facts["audio"] else None
    parts = {"actions": ActionTable(**table), "audio": audio, "starts": frozenset(facts["starts"])}
    return WorldSpec(**_with_tuples(facts) | parts)


def _with_tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where specs have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


# --- bytes ----------------------------------------------------------------------------------------------------------


def _unpack(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts of a file whose every byte is as it was written."""
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        arrays = tensors_file.load(data)
    except (SafetensorError, ValueError, AttributeError) as problem:
        raise EpisodeFileError(
            f"these {len(data)} bytes are no episode file, or a damaged one: {problem}."
        ) from problem
    if header.get("format") != FORMAT:
        raise EpisodeFileError(f"this file has format {header.get('format')!r}, this wmenv reads {FORMAT!r}.")
    if header.get("checksum") != _checksum(arrays, header.get("facts", "")):
        raise EpisodeFileError("the checksum is wrong: the file was damaged after it was written.")
    return arrays, json.loads(header["facts"])


def _fields(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments out of a file's arrays and facts."""
    words, moment = facts["words"], arrays.get("start.moment")
    start = Start(
        **facts["start"],
        picture=arrays.get("start.picture"),
        moment=None if moment is None else moment.tobytes(),
    )
    return {
        "frames": _inflate(arrays["frames"], facts["shape"]),
        "actions": arrays["actions"],
        "spec": spec_of(facts["spec"]),
        "directions": tuple(Directed(**{**d, "lock": d["lock"] and tuple(d["lock"])}) for d in facts["directions"]),
        "words": None if words is None else tuple(words),
        "start": start,
        **{name: arrays.get(name) for name in ("rewards", "audio", "pose")},
        **{name: facts[name] for name in ("terminated", "truncated", "seed", "metadata")},
    }


def _inflate(packed: np.ndarray, shape: list[int]) -> np.ndarray:
    """The frames out of their compressed bytes, never more of them than `shape` asks for."""
    wanted = math.prod(shape)
    try:
        raw = zlib.decompressobj().decompress(packed.tobytes(), wanted + 1)
    except zlib.error as problem:
        raise EpisodeFileError(f"the frames cannot be unpacked: {problem}.") from problem
    if len(raw) != wanted:
        raise EpisodeFileError(f"frames of shape {tuple(shape)} take {wanted} bytes, the file has {len(raw)}.")
    return np.frombuffer(bytearray(raw), np.uint8).reshape(shape)


def _checksum(arrays: Mapping[str, np.ndarray], facts: str) -> str:
    crc = zlib.crc32(facts.encode())
    for name in sorted(arrays):
        crc = zlib.crc32(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode(), crc)
        crc = zlib.crc32(arrays[name].tobytes(), crc)
    return f"{crc:08x}"


def _bytes_as_array(data: bytes | None) -> np.ndarray | None:
    return None if data is None else np.frombuffer(data, np.uint8)


def _fit(name: str, array: np.ndarray | None, shape: tuple[int, ...], dtype: str | None = None) -> None:
    """Raise unless an array that is there has that shape and type."""
    if array is None:
        return
    if array.shape != shape or (dtype and array.dtype != np.dtype(dtype)):
        wanted = f"{np.dtype(dtype)} " if dtype else ""
        raise EpisodeFileError(f"{name} of this episode should be {wanted}{shape}, got {array.dtype} {array.shape}.")


def _write_whole(path: Path, data: bytes) -> None:
    """All of `data` under `path` or nothing: a temporary neighbour, forced to disk, then renamed over it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp made it private
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
