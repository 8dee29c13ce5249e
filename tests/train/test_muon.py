"""Our Muon steps where PyTorch's does."""

import torch
from torch import nn

from wmenv.train.muon import Muon


def test_a_few_steps_are_those_of_pytorchs():
    torch.manual_seed(0)
    shapes = [(12, 20), (20, 12), (12, 20), (16, 16)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    how = {"lr": 0.02, "weight_decay": 0.1}
    one = Muon(ours, **how, number=torch.bfloat16)
    other = torch.optim.Muon(theirs, **how, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
        one.step()
        other.step()
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, atol=0.02, rtol=0.02)
        assert (mine - its).norm() < 0.03 * (0.02 * 0.2 * 20**0.5) * 12 * 4


def test_what_has_no_gradient_stays():
    still, moved = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))
    moved.grad = torch.eye(3)
    Muon([still, moved], lr=0.1).step()
    assert torch.equal(still, torch.ones(3, 3))
    assert not torch.equal(moved, torch.ones(3, 3))
