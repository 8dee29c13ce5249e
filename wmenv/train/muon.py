"""Muon: descent along the nearest orthogonal matrix to the momentum of each weight matrix.

PyTorch's own works in half precision, a matrix at a time; on a processor that does not multiply such numbers that took
a third of a training step. This one takes matrices of a shape together, in the precision it is given.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients that bring every singular value near 1 within five turns
TURNS = 5


class Muon(torch.optim.Optimizer):
    """With Nesterov's momentum, and steps of the size that AdamW would make, so that one rate serves both."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        number: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.number = number

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                steps = orthogonal(torch.stack([self._ahead(m, group["momentum"]) for m in matrices]).to(self.number))
                size = group["lr"] * 0.2 * math.sqrt(max(shape))
                for matrix, step in zip(matrices, steps, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step.to(matrix.dtype), alpha=-size)

    def _ahead(self, matrix: nn.Parameter, keep: float) -> Tensor:
        """Where the momentum of a matrix will be after one more gradient like this."""
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        return matrix.grad.lerp(state["momentum"].lerp_(matrix.grad, 1 - keep), keep)


def orthogonal(matrices: Tensor) -> Tensor:
    """Roughly the nearest orthogonal matrix to each of (n, a, b): singular values between 0.7 and 1.2.

    >>> bool((torch.linalg.svdvals(orthogonal(torch.randn(3, 8, 16))) - 1).abs().max() < 0.35)
    True
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    a, b, c = QUINTIC
    for _ in range(TURNS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
