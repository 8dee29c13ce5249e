"""Nothing is left on the host when a stream computes elsewhere. Asked on any machine, of a device that holds no numbers
but, like a GPU, refuses what is on another."""

import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.models.listening import meant
from wmenv.models.streaming import Streamer

ELSEWHERE = torch.device("meta")


@pytest.fixture(params=["tiles", "pixels"])
def elsewhere(request):
    """A streamer with every kind of memory."""
    return Streamer(make_stream(pictures=request.param, bank=3, routed=2, matrix=8).to(ELSEWHERE))


def test_a_step_computes_where_the_weights_are(elsewhere):
    rows, config = 2, elsewhere.config
    seeds = torch.arange(rows, device=ELSEWHERE)
    memory = elsewhere.empty(seeds, torch.ones(rows, config.slot, dtype=torch.int64, device=ELSEWHERE))
    elsewhere.begin(memory, passes=1)
    words = torch.ones(rows, config.slot, dtype=torch.int64, device=ELSEWHERE)
    drawn = elsewhere.step(memory, seeds, words, passes=1)
    meant(elsewhere, memory, torch.zeros(rows, config.samples, device=ELSEWHERE))
    made = {**memory, **vars(drawn.said), "frames": elsewhere.model.pictures.draw(drawn.shown)}
    assert {value.device.type for value in made.values() if value is not None} == {"meta"}
