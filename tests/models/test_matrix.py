"""What is written to the matrix at a place answers from that place, and fades as it is told to."""

import torch

from wmenv.models.matrix import MatrixMemory, before_each
from wmenv.models.position import ViewerRotary

ROTARY = ViewerRotary(16)


def places(*points: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    return ROTARY(torch.tensor([points]).float(), 0.0)


def memory() -> MatrixMemory:
    torch.manual_seed(0)
    made = MatrixMemory(width=32, heads=2, key=16).requires_grad_(False)
    made.start()
    return made


def test_a_new_memory_reads_nothing():
    made, x = memory(), torch.randn(1, 2, 32)
    where = places((0, 0), (1, 0))
    written, _ = made.write(x, where)
    assert (made.read(x, where, written) == 0).all()


def test_a_place_answers_with_what_was_written_there():
    made = memory()
    torch.nn.init.eye_(made.out.weight)
    half = made.queries.weight.shape[0] // 2
    made.queries.weight[:half] = made.queries.weight[half:]  # what a token asks is what it would write
    here, there = torch.randn(1, 1, 32), torch.randn(1, 1, 32)
    written, _ = made.write(torch.cat([here, there], 1), places((0, 0), (5, 3)))
    same = torch.ones(1, 1, 32)
    answers = {}
    for name, point in (("here", (0, 0)), ("there", (5, 3))):
        asked = {"here": here, "there": there}[name]
        answers[name] = made.read(asked, places(point), written)
    values = {"here": made.values(here), "there": made.values(there)}
    for name, other in (("here", "there"), ("there", "here")):
        near, far = ((answers[name] - values[which]).norm() for which in (name, other))
        assert near < far
    assert not torch.allclose(made.read(same, places((0, 0)), written), made.read(same, places((5, 3)), written))


def test_what_a_frame_reads_is_what_those_before_it_left():
    torch.manual_seed(1)
    written, kept = torch.randn(4, 2, 3, 5), torch.rand(4, 2)
    matrix, expected = torch.zeros(2, 3, 5), []
    for frame in range(4):
        expected.append(matrix)
        matrix = kept[frame, :, None, None] * matrix + written[frame]
    torch.testing.assert_close(before_each(written, kept, 4), torch.stack(expected), atol=1e-5, rtol=1e-5)
