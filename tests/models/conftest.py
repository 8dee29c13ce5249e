"""A stream small enough to run in milliseconds, with weights large enough that everything it hears matters."""

import pytest
import torch

from wmenv.models.config import StreamConfig
from wmenv.models.stream import Stream

MOTIONS = ((0, 0, 0), (0, -1, 0), (0, 0, -1), (0, 0, 1))


@pytest.fixture
def tiny_stream():
    return make_stream()


@pytest.fixture(params=["tiles", "pixels"])
def any_stream(request):
    """One of each alphabet."""
    return make_stream(pictures=request.param)


def make_stream(**changes) -> Stream:
    config = StreamConfig(
        **{
            "channels": 64,
            "depth": 3,
            "heads": 2,
            "hidden": 96,
            "window": 2,
            "palette": 50,
            "motions": MOTIONS,
            "samples": 40,
            "words": ("ball", "red", "the"),
        }
        | changes
    )
    torch.manual_seed(0)
    model = Stream(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    if config.pictures == "tiles":
        model.pictures.images.copy_(torch.randint(0, 256, model.pictures.images.shape))
        model.pictures.anchored[:20] = False
    if config.stands:
        model.pictures.stands.copy_(torch.rand(model.pictures.stands.shape) < 0.8)
    if config.recall_met:
        torch.nn.init.normal_(model.pictures.again)
    return model.eval().requires_grad_(False)
