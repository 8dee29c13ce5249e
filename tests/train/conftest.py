"""A dozen recorded episodes, to train on."""

import pytest

from wmenv.train import collect as collecting
from wmenv.train.collect import Source, collect
from wmenv.train.data import Episodes


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "SHARD", 6)
        counts = collect(Source("gridrooms"), folder, 12, workers=1)
    assert counts["episodes"] == counts["written"] == 12
    return folder


@pytest.fixture(scope="session")
def episodes(data):
    return Episodes(data, slot=16)
