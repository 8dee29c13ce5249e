"""Drawing from a palette: every tile with exactly its chance, and patches drawn together agree on how far one sees."""

import pytest
import torch

from wmenv.models.config import StreamConfig
from wmenv.models.look import Look
from wmenv.models.tiles import Tiles

OPEN, WALL, HIDDEN = 0, 1, 2


@pytest.fixture
def palette():
    tiles = Tiles(StreamConfig(palette=7))
    tiles.sight.copy_(torch.tensor([HIDDEN, OPEN, WALL, OPEN, WALL, HIDDEN, OPEN]))
    return tiles


def throws(palette, chances, rows=100_000):
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(rows, len(chances), generator=generator)
    shared = torch.rand(rows, 1, generator=generator)
    return palette.throw(chances.expand(rows, -1, -1), own, shared)


def test_every_tile_has_its_chance(palette):
    chances = torch.rand(3, 7, generator=torch.Generator().manual_seed(1)).softmax(-1)
    drawn = throws(palette, chances)
    shares = torch.stack([torch.bincount(patch, minlength=7) for patch in drawn.T]) / len(drawn)
    assert (shares - chances).abs().max() < 0.006


def test_a_wall_and_what_it_hides_are_drawn_together(palette):
    near = torch.tensor([0, 0.5, 0.5, 0, 0, 0, 0])  # floor or wall
    behind = torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0])  # hidden or floor
    drawn = throws(palette, torch.stack([near, behind]), rows=1000)
    assert ((palette.sight[drawn[:, 0]] == WALL) == (palette.sight[drawn[:, 1]] == HIDDEN)).all()


def test_things_of_one_sort_are_drawn_apart(palette):
    floor_or_ball = torch.tensor([0, 0.5, 0, 0.5, 0, 0, 0])
    drawn = throws(palette, floor_or_ball.expand(2, -1), rows=10_000)
    assert 0.45 < (drawn[:, 0] == drawn[:, 1]).float().mean() < 0.55


def test_what_cannot_be_is_never_drawn(palette):
    chances = torch.tensor([[0, 0, 1.0, 0, 0, 0, 0], [0, 0.3, 0, 0, 0.7, 0, 0]])
    ends = torch.tensor([[0.0], [0.9999999]])
    drawn = palette.throw(chances.expand(2, -1, -1), ends.expand(2, 2), ends)
    assert (chances.expand(2, -1, -1).gather(-1, drawn[..., None]) > 0).all()


def test_what_is_drawn_at_once_is_spread_evenly_and_each_patch_keeps_its_chance():
    tiles = Tiles(StreamConfig(palette=3, height=8, width=80, anchor=(0, 0)))
    rows = 5_000
    chances = torch.tensor([0.9, 0.1, 0.0]).clamp(min=1e-9)  # of ten patches, each may hold the goal with a tenth
    blank = torch.full((rows, 10), tiles.undrawn)
    look = Look(torch.arange(rows), torch.ones(rows, dtype=torch.long), 0, 1)
    drawn, _ = tiles.settle(blank, chances.log().expand(rows, 10, -1), torch.zeros(rows, 10) > 0, look)
    goals = drawn == 1
    assert (goals.sum(1) == 1).all()
    assert (goals.float().mean(0) - 0.1).abs().max() < 0.02


def test_what_is_certain_of_a_known_place_is_never_diced():
    """A thing that is there with 0.99 stays for ten thousand looks; where nothing was seen, dice decide as ever."""
    tiles = Tiles(StreamConfig(palette=7, height=8, width=16, anchor=(0, 0)))
    rows, known = 10_000, torch.tensor([True, False])
    chances = torch.tensor([0.99, 0.01, 0, 0, 0, 0, 0]).clamp(min=1e-9)
    blank = torch.full((rows, 2), tiles.undrawn)
    look = Look(torch.arange(rows), torch.ones(rows, dtype=torch.long), 1, 2)
    drawn, _ = tiles.settle(blank, chances.log().expand(rows, 2, -1), known.expand(rows, -1), look)
    assert (drawn[:, 0] == 0).all()
    assert 0.005 < (drawn[:, 1] == 1).float().mean() < 0.02
