"""The three ways attention is computed read the same."""

import pytest
import torch

from wmenv.models.block import MANY, blocked, weigh


@pytest.mark.parametrize("tokens", [5, MANY])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("hidden", [True, False])
def test_however_attention_is_computed_it_reads_the_same(tokens, dtype, error, hidden):
    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(2, 3, n, 8, generator=generator) for n in (tokens, tokens + 4, tokens + 4))
    there = torch.tensor([[True, False, True, True], [False] * 4])
    nothing = blocked(tokens, there) if hidden else None
    learnt = weigh(q, k, v, nothing)
    with torch.no_grad():
        read = weigh(q.to(dtype), k.to(dtype), v.to(dtype), nothing)
    assert (read.float() - learnt).abs().max() < error


def test_what_is_blocked_is_not_heard():
    q, k, v = torch.ones(1, 1, 1, 4), torch.ones(1, 1, 2, 4), torch.tensor([[[[1.0] * 4, [9.0] * 4]]])
    nothing = blocked(1, torch.tensor([[False]]))
    with torch.no_grad():
        for dtype in (torch.float32, torch.bfloat16):
            assert weigh(q.to(dtype), k.to(dtype), v.to(dtype), nothing).float().tolist() == [[[[1.0] * 4]]]
