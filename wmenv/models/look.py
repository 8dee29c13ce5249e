"""One look at a canvas, of the several that a drawing may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Look:
    """Look `number` of so many `passes`, at rows whose dice are a function of `seed` and `step`; a `patient` drawing
    goes on until nothing changes. `strength` is how strongly the picture follows what was asked, 1 as the data do."""

    seed: Tensor
    step: Tensor
    number: int
    passes: int
    patient: bool = False
    strength: float = 1.0

    def following(self) -> Look:
        """The next one."""
        return replace(self, number=self.number + 1)

    def of(self, rows: Tensor) -> Look:
        """The same look at some of the rows."""
        return replace(self, seed=self.seed[rows], step=self.step[rows])
