"""The vocabulary that every world, environment, metric and tool of wmenv shares.

A world is a function of a value: `open` makes a `State`, `advance` turns it and the actions into the next one and an
`Outcome`. Everything that changes while a world runs is in the state; weights are shared and silent. Knows nothing of
Gymnasium, of torch, or of how any world works inside.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np

from wmenv.errors import (
    ActionError,
    DirectionError,
    SnapshotError,
    StartError,
    StateConsumedError,
    UnsupportedError,
    did_you_mean,
)

Array = Any  # numpy.ndarray or torch.Tensor, leading axis = rows; which one is the world's choice, said by its spec
Actions = np.ndarray  # (rows,) int64 for a discrete table, (rows, fields) otherwise

START_KINDS = ("seed", "template", "picture", "moment", "prompt")


# --- what a world says of itself ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ActionTable:
    """What an agent can do here, with the facts that probes and people need.

    Discrete tables list one name per action. `inverse` maps an action to the one that undoes it in view (turn left,
    turn right); `pans` are the actions that only move the view; `keys` maps keyboard keys to actions.
    A continuous or multi-field table gives `low` and `high`, or `sizes`, one entry per field, and names its fields.

    >>> table = ActionTable(("left", "right", "stay"), noop=2, inverse={0: 1, 1: 0}, pans=(0, 1))
    >>> table.index("right"), table.count
    (1, 3)
    """

    names: tuple[str, ...]
    noop: int | tuple[float, ...] | None = None
    inverse: Mapping[int, int] = field(default_factory=dict)
    pans: tuple[int, ...] = ()
    keys: Mapping[str, int] = field(default_factory=dict)
    kind: Literal["discrete", "multi_discrete", "box"] = "discrete"
    sizes: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """How many actions a discrete table has, or how many fields another has."""
        return len(self.names)

    def index(self, name: str) -> int:
        """The number of the action called `name`."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ActionError(f"no action is called {name!r}. {did_you_mean(name, self.names)}") from None

    def sample(self, rng: np.random.Generator, rows: int) -> Actions:
        """Random actions for `rows` rows; a field without a bound is drawn from -1..1 or as near as it goes.

        >>> ActionTable(("left", "right")).sample(np.random.default_rng(0), rows=4).tolist()
        [1, 1, 1, 0]
        """
        if self.kind == "discrete":
            return rng.integers(0, self.count, rows)
        if self.kind == "multi_discrete":
            return rng.integers(0, self.sizes, (rows, self.count))
        low = np.where(np.isinf(self.low), np.minimum(-1, np.subtract(self.high, 1)), self.low)
        high = np.where(np.isinf(self.high), np.maximum(1, np.add(low, 1)), self.high)
        return rng.uniform(low, high, (rows, self.count)).astype(np.float32)

    def still(self, rows: int) -> Actions:
        """The no-op for every row; the table's first action, or zeros, where it has none."""
        if self.kind == "discrete":
            return np.full(rows, self.noop or 0)
        quiet = np.zeros(self.count) if self.noop is None else np.array(self.noop)
        if self.kind == "box":
            quiet = np.clip(quiet, self.low, self.high).astype(np.float32)
        return np.tile(quiet, (rows, 1))

    def check(self, actions: Any, rows: int) -> Actions:
        """`actions` as this table's array for `rows` rows, or a named error that says what is wrong.

        >>> ActionTable(("left", "right")).check([0, 7], rows=2)
        Traceback (most recent call last):
        wmenv.errors.ActionError: action 7 in row 1 is not in 0..1 (left, right).
        """
        if self.kind == "discrete":
            return self._check_discrete(np.asarray(actions), rows)
        return self._check_fields(np.asarray(actions), rows)

    def _check_discrete(self, array: np.ndarray, rows: int) -> Actions:
        if array.shape != (rows,):
            raise ActionError(f"{rows} rows take an array of shape ({rows},), got shape {array.shape}.")
        if array.dtype.kind not in "iu":
            whole = array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.round(array)).all()
            if not whole:
                raise ActionError(
                    f"actions are whole numbers 0..{self.count - 1} ({', '.join(self.names)}), got {array!r}."
                )
        array = array.astype(np.int64)
        wrong = np.flatnonzero((array < 0) | (array >= self.count))
        if wrong.size:
            row = int(wrong[0])
            raise ActionError(
                f"action {array[row]} in row {row} is not in 0..{self.count - 1} ({', '.join(self.names)})."
            )
        return array

    def _check_fields(self, array: np.ndarray, rows: int) -> Actions:
        if array.shape != (rows, self.count):
            raise ActionError(f"{rows} rows take an array of shape ({rows}, {self.count}), got {array.shape}.")
        low = np.array(self.low if self.kind == "box" else [0] * self.count)
        high = np.array(self.high if self.kind == "box" else [size - 1 for size in self.sizes])
        if self.kind == "box" and array.dtype.kind in "iufb":
            array, low, high = _in_float32(array, low, high)  # where 0.1 is another number than in float64
        if array.dtype.kind not in "iufb" or not np.isfinite(array).all():
            raise ActionError(f"action fields ({', '.join(self.names)}) are finite numbers, got {array!r}.")
        if self.kind == "multi_discrete" and (array != np.round(array)).any():
            raise ActionError(f"action fields ({', '.join(self.names)}) are whole numbers, got {array!r}.")
        outside = np.argwhere((array < low) | (array > high))
        if outside.size:
            row, column = (int(v) for v in outside[0])
            raise ActionError(
                f"field {self.names[column]!r} in row {row} is {array[row, column]!s}, "
                f"outside {low[column]:g}..{high[column]:g}."
            )
        return array if self.kind == "box" else array.astype(np.int64)


def _in_float32(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays as float32; what is too large for that is infinite."""
    with np.errstate(over="ignore"):
        return tuple(array.astype(np.float32) for array in arrays)


@dataclass(frozen=True)
class AudioSpec:
    """Sound that comes with each step: mono PCM, `samples` per step at `rate` Hz, int16."""

    rate: int
    samples: int


@dataclass(frozen=True)
class WorldSpec:
    """What a world is, and what it can and cannot do. A caller who asks for what is missing gets `UnsupportedError`.

    `reward` says where reward comes from: None (the world has none), "env" (a real simulator) or "head" (predicted).
    `snapshots` says how `to_bytes` keeps a moment: "copy" (everything is in the bytes) or "replay" (the bytes hold the
    past, and reviving replays it), None when it cannot. `pose` says whose pose `Outcome.pose` is.
    """

    name: str
    height: int
    width: int
    fps: float
    actions: ActionTable
    frames_per_step: int = 1
    reward: Literal["env", "head"] | None = None
    terminates: bool = False
    directions: bool = False
    words: bool = False
    audio: AudioSpec | None = None
    hears: bool = False  # directions may be sounds, as long as a step of `audio`
    pose: Literal["true", "predicted"] | None = None
    seeded: bool = True
    snapshots: Literal["copy", "replay"] | None = None
    starts: frozenset[str] = frozenset({"seed"})
    templates: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()  # directions this world understands, for menus and tests
    output: Literal["numpy", "torch"] = "numpy"
    provenance: Mapping[str, str] = field(default_factory=dict)  # weights hash, versions, device, dtype

    def need(self, ability: str) -> None:
        """Raise `UnsupportedError` unless the world has `ability` (a field of this spec)."""
        if not getattr(self, ability):
            raise UnsupportedError(f"world {self.name!r} has no {ability}; its spec says so. Ask for another world.")

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed, for worlds that wrap worlds."""
        return replace(self, **changes)


# --- what goes in ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """How a row begins: nothing given means "from the seed alone".

    At most one of `template`, `picture` (H, W, 3 uint8) and `moment` (the bytes of a one-row state); a `prompt` may
    stand alone or beside any of them, where the world has a use for both.
    """

    template: str | None = None
    picture: np.ndarray | None = None
    moment: bytes | None = None
    prompt: str | None = None

    def __post_init__(self) -> None:
        given = [kind for kind in ("template", "picture", "moment") if getattr(self, kind) is not None]
        if len(given) > 1:
            raise StartError(f"a start is one of template, picture or moment; got {' and '.join(given)}.")

    @property
    def kinds(self) -> frozenset[str]:
        """Which abilities this start needs, out of `START_KINDS`."""
        given = {kind for kind in START_KINDS[1:] if getattr(self, kind) is not None}
        return frozenset(given or {"seed"})

    def check(self, spec: WorldSpec) -> Self:
        """This start, or a named error if a world of that spec cannot begin so."""
        missing = self.kinds - spec.starts
        if missing:
            raise StartError(
                f"world {spec.name!r} cannot start from a {' or '.join(sorted(missing))}; "
                f"it starts from: {', '.join(sorted(spec.starts))}."
            )
        if self.template is not None and self.template not in spec.templates:
            raise StartError(
                f"no template {self.template!r} in {spec.name!r}. {did_you_mean(self.template, spec.templates)}"
            )
        if self.picture is not None:
            picture = np.asarray(self.picture)
            if picture.dtype != np.uint8 or picture.shape != (spec.height, spec.width, 3):
                raise StartError(
                    f"a start picture for {spec.name!r} is uint8 of shape ({spec.height}, {spec.width}, 3), "
                    f"got {picture.dtype} {picture.shape}."
                )
        return self


@dataclass(frozen=True)
class Direction:
    """Text that changes the world from now on, or a sound that says what happens.

    `lock` names what must not change: (top, left, height, width) in pixels; a world that cannot promise that refuses.
    A `sound` is one step of PCM, int16 in little-endian bytes; the row that hears it does that instead of its action,
    and the text only names it.
    """

    text: str
    lock: tuple[int, int, int, int] | None = None
    sound: bytes | None = None

    def check(self, spec: WorldSpec) -> Self:
        """This direction, or a named error if a world of that spec cannot take its kind."""
        self._check_lock()
        if self.sound is None:
            spec.need("directions")
            return self
        spec.need("hears")
        expected = 2 * spec.audio.samples if spec.audio else 0
        if len(self.sound) != expected:
            raise DirectionError(
                f"{spec.name!r} hears one step of sound at a time, {expected} bytes; got {len(self.sound)}."
            )
        return self

    def _check_lock(self) -> None:
        if self.lock is None:
            return
        whole = isinstance(self.lock, tuple | list) and [is_whole(number) for number in self.lock] == [True] * 4
        if not whole or min(self.lock[:2]) < 0 or min(self.lock[2:]) < 1:
            raise DirectionError(
                f"a lock is (top, left, height, width) of a rectangle, four whole numbers of pixels, got {self.lock!r}."
            )


Directions = Sequence[Direction | None]  # one per row


def is_whole(value: object) -> bool:
    """Whether that is a whole number, of Python's or of numpy's; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


# --- what comes out -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    """What became of a direction: applied at this very frame, or refused with a reason a person can read."""

    applied: bool
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """Something a world did to its own memory or stream, said aloud: an eviction, a window roll, a re-localisation, a
    sentence of a prompt that it would not take."""

    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one `open` or `advance` shows, for all rows. A field is None when the spec says the world lacks it.

    `frames` is (rows, H, W, 3) uint8, the last frame of the step; `chunk` is (rows, F, H, W, 3) when a step makes
    F > 1 frames. `pose` is (rows, 3) float32: x, y in steps and heading in radians, relative to the start.
    The arrays belong to the caller: a world never writes to them again, nor shows them twice.
    """

    frames: Array
    chunk: Array | None = None
    reward: Array | None = None
    terminated: Array | None = None
    audio: Array | None = None
    pose: Array | None = None
    receipts: Sequence[Receipt | None] | None = None
    events: Sequence[tuple[Event, ...]] | None = None

    def select(self, rows: Sequence[int]) -> Outcome:
        """The outcome of some rows only."""

        def pick(value: Any) -> Any:
            if value is None:
                return None
            return [value[row] for row in rows] if isinstance(value, list | tuple) else value[list(rows)]

        return Outcome(**{name: pick(getattr(self, name)) for name in self.__dataclass_fields__})


# --- the value ------------------------------------------------------------------------------------------------------


class State(ABC):
    """Everything that changes while a world runs, for a number of independent rows.

    `advance` consumes the state it is given: using it again raises `StateConsumedError`. Fork first to keep a moment.
    """

    _consumed = False

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    @abstractmethod
    def select(self, rows: Sequence[int]) -> Self:
        """An independent copy of some rows, in that order; a row may be asked for more than once."""

    @abstractmethod
    def put(self, rows: Sequence[int], other: Self) -> Self:
        """This state with `rows` replaced by the rows of `other`. Consumes both."""

    @classmethod
    @abstractmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        """One state with the rows of all, in order. The parts stay usable."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The whole state as bytes; `World.revive` turns them back in any process that has the same world."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """The memory that the rows take."""

    def fork(self) -> Self:
        """An independent copy of every row: same past, own future."""
        return self.select(range(len(self)))

    def consume(self) -> Self:
        """Hand the buffers of this state over: it cannot be used again. Worlds call this first in `advance`."""
        self.check_live()
        self._consumed = True
        return self

    def check_live(self) -> None:
        """Raise unless this state may still be used."""
        if self._consumed:
            raise StateConsumedError("this state was consumed by advance(). Keep a moment with state.fork() before.")

    def check_kin(self, other: State) -> None:
        """Raise unless `other` belongs to the same world, by the tag `world` of both, if they have one.

        `put` and `concat` ask first: rows of other weights may have the same shapes, and would go on as something else.
        """
        mine, theirs = (getattr(state, "world", None) for state in (self, other))
        if not isinstance(other, type(self)) or mine != theirs:
            raise SnapshotError(
                f"rows of world {theirs!r} ({type(other).__name__}) cannot go on among rows of {mine!r} "
                f"({type(self).__name__}). Let them go on in the world they are of, or open new rows in this one."
            )


class ArrayState(State):
    """A state made of named numpy arrays, leading axis = rows, with a tag that says which world it belongs to.

    >>> state = ArrayState("toy", {"count": np.array([3, 5])})
    >>> state.select([1, 1]).arrays["count"].tolist()
    [5, 5]
    """

    MAGIC = b"wmenv-state-1\n"

    def __init__(self, world: str, arrays: Mapping[str, np.ndarray]) -> None:
        sizes = {name: len(array) for name, array in arrays.items()}
        assert len(set(sizes.values())) == 1, f"every array needs the same number of rows, got {sizes}"
        self.world = world
        self.arrays = dict(arrays)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def select(self, rows: Sequence[int]) -> Self:
        self.check_live()
        index = np.asarray(list(rows), dtype=np.int64)
        return type(self)(self.world, {name: array[index] for name, array in self.arrays.items()})

    def put(self, rows: Sequence[int], other: Self) -> Self:
        self.check_kin(other)
        self.consume()
        other.consume()
        index = np.asarray(list(rows), dtype=np.int64)
        for name, array in self.arrays.items():
            array[index] = other.arrays[name]
        return type(self)(self.world, self.arrays)

    @classmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        first = states[0]
        for state in states:
            state.check_live()
            first.check_kin(state)
        names = first.arrays
        return cls(first.world, {name: np.concatenate([s.arrays[name] for s in states]) for name in names})

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    def to_bytes(self) -> bytes:
        self.check_live()
        return self.MAGIC + pack_arrays(self.arrays, {"world": self.world})

    @classmethod
    def from_bytes(cls, data: bytes, world: str) -> Self:
        """The state in `data`, which must have been made by a world with the tag `world`."""
        if not data.startswith(cls.MAGIC):
            raise SnapshotError(f"these {len(data)} bytes are no wmenv state: they do not begin with {cls.MAGIC!r}.")
        arrays, meta = unpack_arrays(data[len(cls.MAGIC) :])
        if meta.get("world") != world:
            raise SnapshotError(f"this state belongs to world {meta.get('world')!r}, not to {world!r}.")
        return cls(world, arrays)


def pack_arrays(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """Named arrays and JSON metadata as bytes that hold no code."""
    buffer = io.BytesIO()
    note = np.frombuffer(json.dumps(dict(meta)).encode(), np.uint8)
    np.savez(buffer, __meta__=note, **arrays)  # type: ignore[arg-type]  # mypy thinks of savez's allow_pickle
    return buffer.getvalue()


def unpack_arrays(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and metadata that `pack_arrays` wrote; pickled and compressed content is refused."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if sum(part.file_size for part in archive.zip.infolist()) > len(data):
                raise ValueError("they are compressed, and ours never are")
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("__meta__").tobytes())
    except Exception as problem:  # numpy and zipfile raise a dozen kinds; the reader needs one
        raise SnapshotError(f"these bytes are damaged or not ours: {problem}") from problem
    return arrays, meta


# --- the contract ---------------------------------------------------------------------------------------------------


@runtime_checkable
class World(Protocol):
    """The one protocol of wmenv. `wmenv check WORLD` runs its conformance kit against any implementation.

    * Row i depends on row i alone: its start, its seed, its actions and directions.
    * `advance` consumes the state it is given and returns the next one.
    * Same start, seed, actions and directions give the same frames, if `spec.seeded`.
    * The action comes first, then the direction; both are seen in the frame of that step.
    """

    spec: WorldSpec

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        """New rows, and the first frame of each."""

    def advance(self, state: State, actions: Actions, directions: Directions) -> tuple[State, Outcome]:
        """One step of every row."""

    def revive(self, data: bytes) -> State:
        """The state that `to_bytes` wrote, here or in another process; `SnapshotError` if it is not ours."""


@runtime_checkable
class Describes(Protocol):
    """A world whose spec has `words`: it can say what is in view."""

    def describe(self, state: State) -> list[str]:
        """One caption per row, of the frame shown last."""


@runtime_checkable
class Instructs(Protocol):
    """A world whose rows carry a task in words."""

    def instructions(self, state: State) -> list[str]:
        """One instruction per row."""


@runtime_checkable
class SourceEnv(Protocol):
    """A real Gymnasium environment that also yields what a world model must learn from.

    `SourceWorld` takes any Gymnasium environment with RGB observations; one that has these members too brings sound,
    words, pose and directions with it.
    """

    world_spec: WorldSpec

    def direct(self, text: str) -> Receipt:
        """Change the true state at once, after the step just taken; or refuse with a reason."""

    def look(self) -> np.ndarray:
        """The frame as the state is now, RGB; after `direct` it is not the one that `step` returned."""

    def sound(self) -> np.ndarray:
        """The PCM of the step just taken, `world_spec.audio.samples` int16 values."""

    def caption(self) -> str:
        """What is in view, in words."""

    def pose(self) -> np.ndarray:
        """x, y and heading relative to where the episode began, float32."""

    def instruction(self) -> str:
        """The task of this episode, in words."""


# --- who watches ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """When a step was due, when its action was accepted, and when its bytes were on the host; monotonic nanoseconds.

    `intended_ns` equals `accepted_ns` when nothing is paced.
    """

    intended_ns: int
    accepted_ns: int
    ready_ns: int
    cold: bool = False  # first use of the model in this process: compile and warm-up are inside

    @property
    def latency_ms(self) -> float:
        """From the accepted action to the bytes."""
        return (self.ready_ns - self.accepted_ns) / 1e6

    @property
    def late_ms(self) -> float:
        """From the slot the step was meant for to the bytes."""
        return (self.ready_ns - self.intended_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Step:
    """One vector step as its observers see it: host arrays, all rows; only rows in `active` really advanced."""

    active: np.ndarray
    actions: Actions
    directions: Directions
    outcome: Outcome
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    span: Span


class EpisodeObserver(Protocol):
    """Watches episodes and never touches them: take it away and the frames are bit-identical."""

    def opened(
        self, rows: Sequence[int], seeds: Sequence[int], starts: Sequence[Start], outcome: Outcome, span: Span
    ) -> None:
        """`rows` began new episodes; `outcome` has one entry per opened row."""

    def stepped(self, step: Step) -> Mapping[int, Mapping[str, Any]]:
        """A step was taken; the finished record of each row whose episode ended with it."""

    def close(self) -> None:
        """No more will come."""


def check_directions(directions: Directions, spec: WorldSpec) -> None:
    """A named error unless a world of that spec can take them all."""
    for direction in directions:
        if direction is not None:
            direction.check(spec)


def no_directions(rows: int) -> Directions:
    """Silence for every row."""
    return [None] * rows
