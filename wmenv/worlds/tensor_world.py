"""What worlds of generated pictures share: rows of tensors that open, advance, fork and come back from bytes.

A subclass says how a row begins and what one step does; the checks at the door, moments, seeds and ownership of states
are here. It takes no directions and knows nothing of any model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wmenv.contract import Actions, Directions, Outcome, Start, State, WorldSpec, check_directions
from wmenv.errors import OptionError, SnapshotError, StartError
from wmenv.worlds.row_noise import fold_seed, row_generator
from wmenv.worlds.tensor_state import TensorState

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Rows = dict[str, Tensor]  # the tensors of a state, among them `seed` and `step`
Generators = Sequence[np.random.Generator]  # one per row


class TensorWorld(ABC):
    """A `World` without directions whose state is a `TensorState` under the name `tag`."""

    def __init__(self, spec: WorldSpec, tag: str, device: torch.device) -> None:
        self.spec = spec
        self.tag = tag
        self.device = device

    @abstractmethod
    def _begin(self, start: Start, seed: int) -> Rows:
        """One row that begins from a seed or a picture, without its `seed` and `step`."""

    @abstractmethod
    def _first(self, now: Rows) -> Outcome:
        """What rows show that have just been opened."""

    @abstractmethod
    def _step(self, now: Rows, taken: Tensor, generators: Generators) -> tuple[Rows, Outcome]:
        """The next rows, without their `seed` and `step`, and what they show."""

    @torch.inference_mode()
    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[TensorState, Outcome]:
        """New rows and the first frame of each. A moment brings its whole past, and the seed decides its future."""
        rows = [self._row(start.check(self.spec), fold_seed(seed)) for start, seed in zip(starts, seeds, strict=True)]
        state = TensorState.concat(rows)
        return state, self._first(state.tensors)

    @torch.inference_mode()
    def advance(self, state: State, actions: Actions, directions: Directions) -> tuple[TensorState, Outcome]:
        """One step of every row."""
        taken = torch.as_tensor(self.spec.actions.check(actions, len(state)), device=self.device)
        check_directions(directions, self.spec)
        now = self._own(state).consume().tensors
        keys = zip(now["seed"].tolist(), now["step"].tolist(), strict=True)
        after, outcome = self._step(now, taken, [row_generator(seed, step) for seed, step in keys])
        return TensorState(self.tag, {**after, "seed": now["seed"], "step": now["step"] + 1}), outcome

    def revive(self, data: bytes) -> TensorState:
        """A state of this world, with these weights, from its bytes."""
        return TensorState.from_bytes(data, self.tag, self.device)

    def by_group(self, work: Callable[..., tuple[Tensor, ...]], *rows: Tensor) -> tuple[Tensor, ...]:
        """`work` on all rows at once on an accelerator, and on one row after another on a CPU.

        One row's activations stay in the cache, and below the size that the C library gives back to the system at
        every free; and the row gets the same bits whatever runs beside it.
        """
        if self.device.type != "cpu":
            return work(*rows)
        done = [work(*(tensor[i : i + 1] for tensor in rows)) for i in range(len(rows[0]))]
        return tuple(torch.cat(parts) for parts in zip(*done, strict=True))

    def _row(self, start: Start, seed: int) -> TensorState:
        if start.moment is not None:
            return self._resume(start.moment, seed)
        key = torch.tensor([seed, 0], device=self.device)
        return TensorState(self.tag, {**self._begin(start, seed), "seed": key[:1], "step": key[1:]})

    def _resume(self, moment: bytes, seed: int) -> TensorState:
        state = self.revive(moment)
        if len(state) != 1:
            raise StartError(f"a moment is the state of one row, this one has {len(state)}. Take state.select([row]).")
        return TensorState(self.tag, {**state.tensors, "seed": torch.tensor([seed], device=self.device)})

    def _own(self, state: State) -> TensorState:
        if not isinstance(state, TensorState) or state.world != self.tag:
            raise SnapshotError(f"this state is not one of {self.tag!r}: open rows here, or revive this world's bytes.")
        return state


def one_of(option: str, asked: str, known: Mapping[str, Any]) -> Any:
    """What `asked` stands for among the `known` values of an option."""
    if asked not in known:
        raise OptionError(f"{option}={asked!r} is not one of: {', '.join(known)}.")
    return known[asked]
