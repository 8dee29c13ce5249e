"""A real Gymnasium environment behind the world protocol: the ceiling that learned worlds are measured against.

One environment per row, stepped one after the other. Bytes never hold the environment itself but its past (seed,
actions, directions), so bytes from strangers run no code. Knows nothing of any particular environment.
"""

from __future__ import annotations

import copy
import functools
import importlib
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from wmenv.contract import (
    Direction,
    Directions,
    Event,
    Outcome,
    Receipt,
    SourceEnv,
    Start,
    State,
    WorldSpec,
    check_directions,
    pack_arrays,
    unpack_arrays,
)
from wmenv.errors import MissingExtraError, SnapshotError, WmenvError
from wmenv.worlds.door import one_row, own
from wmenv.worlds.source_spec import Pixels, action_for, spec_of_env

MAGIC = b"wmenv-past-1\n"
CUT = Event("time-limit", "the environment itself would have cut the episode here")
GRIDROOMS = "wmenv.sources.gridrooms:GridRooms"  # by name, since worlds do not import sources


SAMPLE_ENV = "minigrid:MiniGrid-DoorKey-8x8-v0"


def gridrooms(task: str = "explore", **settings: Any) -> SourceWorld:
    """GridRooms as a world: the true simulator, with sound, words, pose and directions."""
    module, _, name = GRIDROOMS.partition(":")
    try:
        make_env = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as problem:
        raise MissingExtraError(f"GridRooms needs {problem.name!r}: pip install 'wmenv[gridrooms]'.") from problem
    return SourceWorld(functools.partial(make_env, task=task, **settings))


def gymnasium_env(id: str = SAMPLE_ENV, pixels: Pixels = "render", **settings: Any) -> SourceWorld:
    """A registered environment as a world, such as `minigrid:MiniGrid-DoorKey-8x8-v0` or `CarRacing-v3`."""
    return SourceWorld(functools.partial(gym.make, id, render_mode="rgb_array", **settings), pixels=pixels)


class SourceWorld:
    """Any Gymnasium environment that shows RGB pixels, as a world.

    `pixels` says where the picture is: in the observation, or in what `render()` returns. `forks` says how a row is
    copied within this process: "copy" deep-copies the live environment, "replay" makes a new one and lives the past
    again, for environments that cannot be copied. A row that has ended keeps its last frame and earns nothing; the
    environment's own time limit ends nothing and is reported as an event. A start from a moment goes on with new
    random numbers from its seed.
    """

    def __init__(
        self,
        make_env: Callable[[], gym.Env],
        spec: WorldSpec | None = None,
        forks: Literal["copy", "replay"] = "copy",
        pixels: Pixels = "obs",
    ) -> None:
        self.make_env, self.forks, self.pixels = make_env, forks, pixels
        with closing(make_env()) as env:
            told = env.unwrapped.world_spec if isinstance(env.unwrapped, SourceEnv) else None
            given = spec or told or spec_of_env(env, pixels)
        if told:
            self.instructions = self._instructions  # a plain environment has none, and `Instructs` shall say so
        starts = given.starts & {"seed", "template"} | {"moment"}
        self.spec = given.with_(starts=starts, snapshots="replay", output="numpy", frames_per_step=1)

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        lives = [self._open_row(start.check(self.spec), seed) for start, seed in zip(starts, seeds, strict=True)]
        return SourceState(self, lives), self._show(lives)

    def advance(self, state: State, actions: np.ndarray, directions: Directions) -> tuple[State, Outcome]:
        actions = self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        lives = own(state, SourceState, self.spec.name).consume().lives
        for life, action in zip(lives, actions, strict=True):
            life.step(action)
        receipts = [life.direct(wish) if wish else None for life, wish in zip(lives, directions, strict=True)]
        return SourceState(self, lives), self._show(lives, receipts if self.spec.directions else None)

    def revive(self, data: bytes) -> SourceState:
        """The state whose past `data` holds, lived again from the beginning."""
        return SourceState(self, [self.relive(past, picture) for past, picture in unpack_pasts(data, self)])

    def describe(self, state: State) -> list[str]:
        """What is in view of each row, in the environment's own words."""
        self.spec.need("words")
        return [life.teller.caption() for life in self._live(state)]

    def _instructions(self, state: State) -> list[str]:
        """The task of each row, in words."""
        return [life.teller.instruction() for life in self._live(state)]

    def relive(self, past: Past, picture: int | None = None) -> Life:
        """A new environment with that past; `SnapshotError` if its picture has not the checksum `picture`."""
        life = Life(self.make_env(), self.pixels, past)
        if picture is not None and life.checksum != picture:
            raise SnapshotError(
                f"replaying {len(past.actions)} steps of {self.spec.name!r} led to another picture than was saved. "
                "The environment is not deterministic, or is not the one that was saved."
            )
        return life

    def _open_row(self, start: Start, seed: int) -> Life:
        if start.moment is None:
            return Life(self.make_env(), self.pixels, Past(int(seed) % 2**63, start.template))
        life = one_row(self.revive(start.moment)).lives[0]
        life.reseed(int(seed) % 2**63)
        return life

    def _live(self, state: State) -> list[Life]:
        state.check_live()
        return own(state, SourceState, self.spec.name).lives

    def _show(self, lives: list[Life], receipts: Sequence[Receipt | None] | None = None) -> Outcome:
        spec = self.spec
        return Outcome(
            frames=np.stack([life.frame for life in lives]),
            reward=np.array([life.reward for life in lives], np.float32) if spec.reward else None,
            terminated=np.array([life.over for life in lives]) if spec.terminates else None,
            audio=np.stack([life.sound(spec.audio.samples) for life in lives]) if spec.audio else None,
            pose=np.stack([life.teller.pose() for life in lives]).astype(np.float32) if spec.pose else None,
            receipts=receipts,
            events=[(CUT,) if life.cut else () for life in lives],
        )


# --- one row --------------------------------------------------------------------------------------------------------


@dataclass
class Past:
    """All that made a row what it is. `notes` are (step, what, with what) for directions and new random streams."""

    seed: int
    template: str | None = None
    actions: list[np.ndarray] = field(default_factory=list)
    notes: list[tuple[int, str, Any]] = field(default_factory=list)


class Life:
    """One environment, what it shows now, and the past that led here. Making one lives that past."""

    def __init__(self, env: gym.Env, pixels: Pixels, past: Past) -> None:
        self.env, self.pixels = env, pixels
        self.past = Past(past.seed, past.template)
        obs, _ = env.reset(seed=past.seed, options={"template": past.template} if past.template else None)
        self._see(obs)
        self.reward, self.over, self.cut, self.silent = 0.0, False, False, True
        self._note_again(past, 0)
        for done, action in enumerate(past.actions, start=1):
            self.step(action)
            self._note_again(past, done)

    @property
    def teller(self) -> Any:
        """The environment that tells more than pixels, if it does (`SourceEnv`)."""
        return self.env.unwrapped

    @property
    def checksum(self) -> int:
        """Of the picture, to tell whether a replay came out the same."""
        return zlib.crc32(self.frame.tobytes())

    def step(self, action: np.ndarray) -> None:
        """Act; what has ended stays as it is."""
        self.past.actions.append(action)
        self.reward, self.cut, self.silent = 0.0, False, self.over
        if self.over:
            return
        obs, reward, self.over, self.cut, _ = self.env.step(action_for(self.env.action_space, action))
        self.reward, self.over = float(reward), bool(self.over)
        self._see(obs)

    def direct(self, wish: Direction) -> Receipt:
        """Pass a direction on, and look again."""
        if self.over:
            return Receipt(False, "this episode has ended.")
        if wish.lock is not None:
            return Receipt(False, "a real environment cannot promise to leave a region of the picture alone.")
        self.past.notes.append((len(self.past.actions), "direct", wish.text))
        receipt = self.teller.direct(wish.text)
        self.frame = np.array(self.teller.look(), np.uint8)
        return receipt

    def reseed(self, seed: int) -> None:
        """Let everything random from here on come from `seed`."""
        self.past.notes.append((len(self.past.actions), "reseed", seed))
        self.env.unwrapped.np_random = seeding.np_random(seed)[0]

    def sound(self, samples: int) -> np.ndarray:
        """What was heard in the last step; silence before the first and after the end."""
        return np.zeros(samples, np.int16) if self.silent else self.teller.sound()

    def _see(self, obs: Any) -> None:
        self.frame = np.array(self.env.render() if self.pixels == "render" else obs, np.uint8)

    def _note_again(self, past: Past, step: int) -> None:
        for when, what, value in past.notes:
            if when == step:
                self.direct(Direction(value)) if what == "direct" else self.reseed(value)


# --- all rows -------------------------------------------------------------------------------------------------------


class SourceState(State):
    """Live environments, one per row. `nbytes` is that of their pasts; what an environment holds inside is unknown."""

    def __init__(self, source: SourceWorld, lives: Sequence[Life]) -> None:
        self.source, self.world, self.lives = source, source.spec.name, list(lives)

    def __len__(self) -> int:
        return len(self.lives)

    def select(self, rows: Sequence[int]) -> Self:
        self.check_live()
        return type(self)(self.source, [self._copy(self.lives[row]) for row in rows])

    def put(self, rows: Sequence[int], other: Self) -> Self:
        self.check_kin(other)
        lives, guests = self.consume().lives, other.consume().lives
        for row, guest in zip(rows, guests, strict=True):
            lives[row] = guest
        return type(self)(self.source, lives)

    @classmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        for state in states:
            states[0].check_kin(state)
        return cls(states[0].source, [life for state in states for life in state.fork().lives])

    @property
    def nbytes(self) -> int:
        return sum(life.frame.nbytes + 8 * len(life.past.actions) for life in self.lives)

    def to_bytes(self) -> bytes:
        self.check_live()
        return pack_pasts(self.source, self.lives)

    def _copy(self, life: Life) -> Life:
        if self.source.forks == "replay":
            return self.source.relive(life.past, life.checksum)
        try:
            return copy.deepcopy(life)
        except Exception as problem:  # whatever an environment holds that cannot be copied
            raise SnapshotError(
                f"{life.env} cannot be copied ({problem}). Use SourceWorld(..., forks='replay')."
            ) from problem


def pack_pasts(world: SourceWorld, lives: Sequence[Life]) -> bytes:
    """Pasts as arrays and JSON: no environment, no code."""
    actions = [action for life in lives for action in life.past.actions]
    meta = [
        {
            "seed": life.past.seed,
            "template": life.past.template,
            "steps": len(life.past.actions),
            "notes": life.past.notes,
            "picture": life.checksum,
        }
        for life in lives
    ]
    return MAGIC + pack_arrays({"actions": np.array(actions)}, {"world": world.spec.name, "lives": meta})


def unpack_pasts(data: bytes, world: SourceWorld) -> list[tuple[Past, int]]:
    """The past of each row, and the checksum of the picture that it led to."""
    if not data.startswith(MAGIC):
        raise SnapshotError(f"these {len(data)} bytes are no saved past: they do not begin with {MAGIC!r}.")
    arrays, meta = unpack_arrays(data[len(MAGIC) :])
    if meta.get("world") != world.spec.name:
        raise SnapshotError(f"this state belongs to world {meta.get('world')!r}, not to {world.spec.name!r}.")
    try:
        return read_pasts(arrays["actions"], meta["lives"], world.spec)
    except (KeyError, TypeError, ValueError, WmenvError) as problem:
        raise SnapshotError(f"a part of this saved past is missing or wrong: {problem!r}.") from problem


def read_pasts(actions: np.ndarray, lives: list[dict[str, Any]], spec: WorldSpec) -> list[tuple[Past, int]]:
    """What `pack_pasts` wrote, each part checked before an environment sees it."""
    total = sum(int(life["steps"]) for life in lives)
    queue = iter(spec.actions.check(actions, total) if total else [])
    pasts = []
    for life in lives:
        start = Start(template=life["template"]).check(spec)
        notes = [(int(when), str(what), str(v) if what == "direct" else int(v)) for when, what, v in life["notes"]]
        past = Past(int(life["seed"]), start.template, [next(queue) for _ in range(life["steps"])], notes)
        pasts.append((past, int(life["picture"])))
    return pasts
