"""Any world, with one fault planted in it: the floor that metrics must tell from the ceiling.

The broken world is a world like others, and keeps every clause of the contract that its fault does not break.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Self

import numpy as np

from wmenv.contract import (
    Describes,
    Directions,
    Instructs,
    Outcome,
    Start,
    State,
    World,
    WorldSpec,
    check_directions,
    no_directions,
    pack_arrays,
    unpack_arrays,
)
from wmenv.errors import OptionError, SnapshotError, did_you_mean
from wmenv.runtime import to_host
from wmenv.worlds.broken import control, delivery, edits, memory, picture
from wmenv.worlds.broken.fault import Fault, Moment, Own
from wmenv.worlds.door import own

KINDS: dict[str, type[Fault]] = {
    "frozen": control.Frozen,
    "ignores_actions": control.IgnoresActions,
    "random_walk": control.RandomWalk,
    "lag": control.Lag,
    "ping_pong": control.PingPong,
    "reverts_every": memory.RevertsEvery,
    "reverts_once": memory.RevertsOnce,
    "forgets_unseen": memory.ForgetsUnseen,
    "forgets_edits": edits.ForgetsEdits,
    "edit_vanishes": edits.EditVanishes,
    "ignores_directions": edits.IgnoresDirections,
    "tints": edits.Tints,
    "blur_drift": picture.BlurDrift,
    "pixelate_drift": picture.PixelateDrift,
    "hue_drift": picture.HueDrift,
    "always_blurred": picture.AlwaysBlurred,
    "noisy": picture.Noisy,
    "stalls": delivery.Stalls,
    "nan_frames": delivery.NanFrames,
    "never_rewards": delivery.NeverRewards,
}
FAULTS = {name: inspect.cleandoc(kind.__doc__ or "").splitlines()[0] for name, kind in KINDS.items()}
MAGIC = b"wmenv-broken-1\n"


class BrokenWorld:
    """`world` with the fault of that name; `strength` sets how bad it is, in the terms that `FAULTS` uses.

    >>> from wmenv.worlds.pan import PanWorld
    >>> BrokenWorld(PanWorld(), "lag", steps=3).spec.name
    'pan+lag'
    """

    def __init__(self, world: World, fault: str, **strength: float) -> None:
        self.world, self.fault = world, make_fault(fault, strength)
        for ability in self.fault.needs:
            world.spec.need(ability)
        self.spec = self._spec(fault)
        self._tag = f"{self.spec.name} {self.fault!r}"  # a state of another strength is another world's
        if isinstance(world, Instructs):
            self.instructions = self._instructions  # only a world whose rows have a task is to have this

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        starts = [start.check(self.spec) for start in starts]
        state, outcome = self.world.open(starts, seeds)
        rows = len(starts)
        begun = {"clock": np.zeros(rows, np.int64), "seed": np.array([int(seed) % 2**63 for seed in seeds], np.int64)}
        idle, silence = self.spec.actions.still(rows), no_directions(rows)
        moment = Moment(self.world, {"now": state}, begun, idle, silence, silence, on_host(outcome))
        self.fault.begin(moment, starts)
        return self._finish(moment)

    def advance(self, state: State, actions: np.ndarray, directions: Directions) -> tuple[State, Outcome]:
        state.check_live()
        kept = own(state, BrokenState, self._tag)
        actions = self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        tick = {"clock": kept.own["clock"] + 1}
        moment = Moment(
            self.world, dict(kept.states), kept.own | tick, actions, directions, directions, Outcome(frames=None)
        )
        self.fault.before(moment)
        moment.states["now"], outcome = self.world.advance(moment.states["now"], moment.actions, moment.directions)
        state.consume()  # only now: what the world refused has changed nothing
        moment.outcome = on_host(outcome)
        self.fault.after(moment)
        return self._finish(moment)

    def revive(self, data: bytes) -> State:
        if not data.startswith(MAGIC):
            raise SnapshotError(f"these {len(data)} bytes are no state of a broken world: they lack {MAGIC!r}.")
        arrays, meta = unpack_arrays(data[len(MAGIC) :])
        if meta.get("world") != self._tag:
            raise SnapshotError(f"this state belongs to world {meta.get('world')!r}, not to {self._tag!r}.")
        states = {name: self.world.revive(array.tobytes()) for name, array in named("state:", arrays).items()}
        kept = named("own:", arrays)
        if "now" not in states or any(len(array) != len(states["now"]) for array in kept.values()):
            raise SnapshotError(
                f"a part of this state of {self.spec.name!r} is missing, or has other rows than the rest."
            )
        return BrokenState(self._tag, states, kept)

    def describe(self, state: State) -> list[str]:
        """What the world behind the fault says of each row."""
        self.spec.need("words")
        assert isinstance(self.world, Describes), f"{self.spec.name} has words but no describe()"
        return self.world.describe(self._now(state))

    def _instructions(self, state: State) -> list[str]:
        assert isinstance(self.world, Instructs), f"{self.spec.name} has lost its instructions"
        return self.world.instructions(self._now(state))

    def _now(self, state: State) -> State:
        state.check_live()
        return own(state, BrokenState, self._tag).states["now"]

    def _finish(self, moment: Moment) -> tuple[State, Outcome]:
        """The last thing that happens to an opening or a step: its pictures are shown as the fault shows them."""
        outcome = moment.outcome
        frames = self.fault.show(outcome.frames, moment.own)
        chunk = outcome.chunk
        if chunk is not None:
            chunk = np.stack([self.fault.show(part, moment.own) for part in np.moveaxis(chunk, 1, 0)], axis=1)
        pose = outcome.pose if self.spec.pose else None
        return BrokenState(self._tag, moment.states, moment.own), replace(
            outcome, frames=frames, chunk=chunk, pose=pose
        )

    def _spec(self, fault: str) -> WorldSpec:
        spec = self.world.spec
        return self.fault.spec(spec).with_(
            name=f"{spec.name}+{fault}",
            starts=spec.starts - {"moment"},
            output="numpy",
            provenance={**spec.provenance, "fault": repr(self.fault)},
        )


class BrokenState(State):
    """The states of the sound world that a fault keeps, and its own arrays beside them."""

    def __init__(self, world: str, states: dict[str, State], own: Own) -> None:
        self.world, self.states, self.own = world, states, own

    def __len__(self) -> int:
        return len(self.own["clock"])

    def select(self, rows: Sequence[int]) -> Self:
        self.check_live()
        index = np.asarray(list(rows), np.int64)
        states = {name: state.select(rows) for name, state in self.states.items()}
        return type(self)(self.world, states, {name: array[index] for name, array in self.own.items()})

    def check_kin(self, other: State) -> None:
        super().check_kin(other)
        assert isinstance(other, BrokenState), f"{type(other).__name__} passed for a BrokenState"
        for name, state in self.states.items():  # the world behind the fault has weights and settings of its own
            state.check_kin(other.states[name])

    def put(self, rows: Sequence[int], other: Self) -> Self:
        self.check_kin(other)
        self.consume()
        other.consume()
        index = np.asarray(list(rows), np.int64)
        states = {name: state.put(rows, other.states[name]) for name, state in self.states.items()}
        mixed = {name: array.copy() for name, array in self.own.items()}
        for name, array in mixed.items():
            array[index] = other.own[name]
        return type(self)(self.world, states, mixed)

    @classmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        first = states[0]
        for state in states:
            state.check_live()
            first.check_kin(state)
        inner = {name: type(part).concat([s.states[name] for s in states]) for name, part in first.states.items()}
        return cls(first.world, inner, {name: np.concatenate([s.own[name] for s in states]) for name in first.own})

    @property
    def nbytes(self) -> int:
        return sum(state.nbytes for state in self.states.values()) + sum(array.nbytes for array in self.own.values())

    def to_bytes(self) -> bytes:
        self.check_live()
        packed = {f"state:{name}": np.frombuffer(state.to_bytes(), np.uint8) for name, state in self.states.items()}
        packed |= {f"own:{name}": array for name, array in self.own.items()}
        return MAGIC + pack_arrays(packed, {"world": self.world})


def make_fault(name: str, strength: dict[str, float]) -> Fault:
    """The fault of that name and strength; `OptionError` for one that does not exist or cannot be."""
    if name not in KINDS:
        raise OptionError(f"no fault is called {name!r}. {did_you_mean(name, KINDS)}")
    known = [part.name for part in fields(KINDS[name])]
    for key, value in strength.items():
        if key not in known:
            raise OptionError(f"fault {name!r} has no strength {key!r}. {did_you_mean(key, known)}")
        if not (np.isfinite(value) and value > 0):
            raise OptionError(f"strength {key!r} of fault {name!r} is a number above 0, got {value!r}.")
    return KINDS[name](**strength)


def named(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin so, without the beginning."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def on_host(outcome: Outcome) -> Outcome:
    """The outcome with numpy arrays in it, which faults may be planted in."""
    arrays: dict[str, Any] = {}
    for name in ("frames", "chunk", "reward", "terminated", "audio", "pose"):
        value = getattr(outcome, name)
        arrays[name] = None if value is None else to_host(value)
    return replace(outcome, **arrays)
