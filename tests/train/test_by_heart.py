"""A model of the shipped size learns one episode by heart; one that learns nothing does not."""

import pytest

from wmenv.models.checkpoint import load_stream
from wmenv.train.quality.by_heart import learn_by_heart
from wmenv.worlds.learned import WEIGHTS


@pytest.mark.slow
def test_one_episode_is_learnt_by_heart():
    model, _ = load_stream(WEIGHTS / "gridrooms.safetensors")
    assert learn_by_heart(model.config) > 35


def test_a_model_that_has_hardly_begun_has_not():
    model, _ = load_stream(WEIGHTS / "gridrooms.safetensors")
    small = model.config.model_copy(update={"channels": 32, "depth": 1, "heads": 2, "hidden": 48})
    assert learn_by_heart(small, steps=3) < 25
