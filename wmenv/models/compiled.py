"""The same steps with the trunk compiled to machine code: fewer trips through memory, equal but for rounding.

Code is made for one row and for any other number of rows, each the first time it is needed; `warm` makes both ahead of
time, so that no step of an episode pays for it. Needs a C++ compiler on the machine.
"""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from wmenv.errors import UnsupportedError
from wmenv.models.block import Heard
from wmenv.models.hearing import Memory
from wmenv.models.stream import Frame, Readout, Stream
from wmenv.models.streaming import Streamer

FIELDS = len(fields(Frame))


class CompiledStreamer(Streamer):
    """A `Streamer` whose passes run compiled."""

    def __init__(self, model: Stream, memory: str = "all", strength: float = 1.0) -> None:
        super().__init__(model, memory, strength)
        self._kernel = torch.compile(self._flat)
        self._warmed: set[bool] = set()

    def warm(self, rows: int) -> None:
        """Compile what stepping that many rows will run."""
        for count in {1, rows} if rows > 1 else {1}:
            if (count > 1) not in self._warmed:
                self._compile(count)
                self._warmed.add(count > 1)

    def _compile(self, rows: int) -> None:
        try:
            for _ in range(2):  # the second time, nothing is new
                self.rehearse(rows)
        except torch._inductor.exc.InductorError as problem:
            raise UnsupportedError(
                f"the world cannot be compiled here: {str(problem).splitlines()[0]} "
                "Install a C++ compiler (g++), or do without compiled=True."
            ) from problem

    def _pass(self, frame: Frame, heard: Heard, pose: Tensor) -> tuple[Readout, Memory]:
        inputs = [pose, *vars(frame).values(), *vars(heard).values()]
        for value in inputs:
            if value is not None and len(value) > 1:
                torch._dynamo.mark_dynamic(value, 0)
        return self._kernel(*inputs)

    def _flat(self, pose: Tensor, *inputs: Tensor) -> tuple[Readout, Memory]:
        return super()._pass(Frame(*inputs[:FIELDS]), Heard(*inputs[FIELDS:]), pose)
