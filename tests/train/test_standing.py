"""What kinds of tile stand where is counted in the data, and nothing else is drawn there."""

import torch

from tests.models.conftest import make_stream
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE
from wmenv.train.standing import set_stands


def test_nothing_but_a_viewer_is_drawn_where_the_viewer_stands(episodes):
    model = make_stream(palette=len(episodes.facts["images"]), stands=True)
    shown = {}
    for counted in (False, True):
        if counted:
            set_stands(model, episodes)
        streamer = Streamer(model)
        memory = streamer.empty(torch.arange(8), torch.zeros(8, 16, dtype=torch.long))
        shown[counted] = CATALOGUE.kind[streamer.begin(memory).shown.numpy()] == "agent"
    here = torch.arange(49).numpy() == AGENT_SLOT
    assert (shown[False] != here).any(), "chance draws anything anywhere"
    assert (shown[True] == here).all()


def test_whatever_the_data_show_may_be_drawn_with_others_of_its_kind(episodes):
    model = make_stream(palette=len(episodes.facts["images"]), stands=True)
    set_stands(model, episodes)
    stands = model.pictures.stands
    assert stands[torch.arange(49), torch.from_numpy(episodes.tiles).long()].all()
    kinds = torch.from_numpy(episodes.facts["traits"][:, 0]).long()
    for kind in kinds.unique():
        assert (stands[:, kinds == kind].all(1) == stands[:, kinds == kind].any(1)).all()
