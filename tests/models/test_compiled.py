"""Compiled and plain say the same; nothing is compiled in mid-episode."""

import shutil

import pytest
import torch

from wmenv.models.compiled import CompiledStreamer
from wmenv.models.streaming import Streamer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # the compiler's own
    pytest.mark.skipif(shutil.which("c++") is None, reason="compiling needs a C++ compiler"),
]
ROWS = 3


@torch.inference_mode()
def walk(streamer, rows):
    words = torch.tensor([[2, 3, 4] + [0] * 13]).expand(rows, -1)
    memory = streamer.empty(torch.arange(rows), words)
    shown = [streamer.begin(memory, passes=4)]
    for step, action in enumerate((2, 0, 5, 2, 1, 6)):
        typed = words if step == 3 else None
        shown.append(streamer.step(memory, torch.full((rows,), action), typed, 2))
    return shown


@pytest.mark.parametrize("rows", [1, ROWS])
def test_compiled_equals_plain(tiny_stream, rows):
    compiled = CompiledStreamer(tiny_stream)
    with torch.inference_mode():
        compiled.warm(rows)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for fast, plain in zip(walk(compiled, rows), walk(Streamer(tiny_stream), rows), strict=True):
        assert torch.equal(fast.shown, plain.shown)
        for name, value in vars(plain.said).items():
            torch.testing.assert_close(getattr(fast.said, name), value, atol=2e-3, rtol=1e-3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before, "all was compiled while warming up"
