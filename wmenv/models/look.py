"""One look at a canvas, of the several that a drawing may take."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Look:
    """Look `number` of so many `passes`, at rows whose dice are a function of `seed` and `step`; a `patient` drawing
    goes on until nothing changes."""

    seed: Tensor
    step: Tensor
    number: int
    passes: int
    patient: bool = False
