"""Poses, places and phases: what is the same place has the same phase from wherever it is seen."""

import math

import torch

from wmenv.models.position import ViewerRotary, moved, places_in_view, rotate, seen_from, view_offsets

OFFSETS = view_offsets(7, 7, (6.0, 3.0))


def test_a_right_turn_looks_along_plus_x():
    places = places_in_view(torch.tensor([[2.0, 0.0, 1.0]]), OFFSETS)
    torch.testing.assert_close(places[0, 3], torch.tensor([8.0, 0.0]), atol=1e-5, rtol=0)


def test_seen_from_undoes_places_in_view():
    pose = torch.tensor([[3.0, -2.0, 3.0], [0.0, 5.0, 2.0]])
    back = seen_from(pose, places_in_view(pose, OFFSETS))
    torch.testing.assert_close(back, OFFSETS.expand(2, -1, -1), atol=1e-5, rtol=0)


def test_walking_a_square_comes_home():
    pose = torch.zeros(1, 3)
    ahead, right = torch.tensor([[0.0, -1.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    for _ in range(4):
        pose = moved(moved(pose, ahead), right)
    assert pose.tolist() == [[0.0, 0.0, 0.0]]


def test_attention_depends_on_where_things_are_not_on_where_one_stands():
    rotary, torch_seed = ViewerRotary(32), torch.manual_seed(0)
    assert torch_seed is not None
    q, k = torch.randn(1, 1, 1, 32), torch.randn(1, 1, 1, 32)
    scores = []
    for shift in (0.0, 5.0):
        a = rotate(q, *rotary(torch.tensor([[[1.0 + shift, 2.0]]]), 0.0))
        b = rotate(k, *rotary(torch.tensor([[[3.0 + shift, -1.0]]]), 2.0))
        scores.append((a * b).sum())
    assert math.isclose(scores[0], scores[1], abs_tol=1e-4)
