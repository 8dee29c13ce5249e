"""Sharing by traits changes what is learnt, never what is saved: folding gives the very tables that were trained."""

import numpy as np
import torch

from wmenv.models.config import StreamConfig
from wmenv.models.stream import Stream
from wmenv.train.traits import folded, share

TRAITS = np.array([[0, 0], [0, 1], [1, 2]])  # two of three tiles have their first trait in common


def small():
    torch.manual_seed(0)
    return Stream(StreamConfig(height=16, width=16, channels=16, heads=2, depth=1, hidden=16, palette=3))


def shared():
    model = small()
    share(model, TRAITS)
    return model


def test_new_traits_change_nothing():
    numbers = torch.arange(5)
    assert torch.equal(small().pictures.embed(numbers), shared().pictures.embed(numbers))


def test_what_one_tile_learns_its_kin_learns_too():
    model = shared()
    model.pictures.embed(torch.tensor([0])).sum().backward()
    learnt = model.pictures.noised.parametrizations.weight[0]
    learnt.rows.data += learnt.rows.grad
    change = model.pictures.noised.weight - small().pictures.noised.weight
    assert (change[1] != 0).all(), "a tile with a trait in common learns"
    assert (change[2] == 0).all(), "a tile without one does not"
    assert (change[3:] == 0).all(), "nor do the rows that stand for no tile"


def test_folding_keeps_the_tables_and_can_be_repeated():
    model = shared()
    for table in (model.pictures.noised, model.pictures.head):
        torch.nn.init.normal_(table.parametrizations.weight[0].rows)
    for _ in range(2):
        plain = folded(model)
        assert torch.equal(plain.pictures.noised.weight, model.pictures.noised.weight)
        assert torch.equal(plain.pictures.head.weight, model.pictures.head.weight)
        assert set(plain.state_dict()) == set(small().state_dict())
