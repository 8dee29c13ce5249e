"""Any world can be filmed and learnt: frames stand beside the actions that led to them, and a film becomes a world."""

import numpy as np
import pytest
import torch

from wmenv.contract import Start
from wmenv.errors import OptionError
from wmenv.models.config import StreamConfig
from wmenv.models.pixels import Pixels
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.collect import Source, collect
from wmenv.train.export import export
from wmenv.train.folding import blur
from wmenv.train.footage import Camera, Footage
from wmenv.train.loop import TrainConfig, train
from wmenv.train.palette import Colours
from wmenv.worlds.learned import LearnedWorld

SIZE, PATCH = (32, 48), 8
PAN = Source("pan", {"beacon": True}, SIZE)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    counts = collect(PAN, folder, 25, workers=1)
    assert counts["written"] == 25
    return folder


@pytest.fixture(scope="module")
def footage(film):
    return Footage(film, slot=16, patch=PATCH)


def test_what_is_read_is_what_was_filmed(footage):
    shot = PAN.recorder().record_episode(3)
    begin, stop = footage.begin[3], footage.stop[3]
    rows, columns = SIZE[0] // PATCH, SIZE[1] // PATCH
    frames = footage.tiles[begin:stop].reshape(-1, rows, columns, PATCH, PATCH, 3).swapaxes(2, 3)
    assert (frames.reshape(-1, *SIZE, 3) == shot.frames).all()
    assert (footage.action[begin + 1 : stop] == shot.action).all()
    assert footage.action[begin] == footage.facts["actions"]
    assert (footage.end[begin + 1 : stop] == shot.end).all()


def test_a_spot_holds_what_it_showed_a_frame_ago(footage):
    batch = footage.batch(0, 0, 16, 3)
    assert (batch.spot[:, 1:] == batch.tiles[:, :-1]).all()
    first = batch.age[:, 0, 0] == 0
    assert (batch.spot[first, 0] == Pixels.never).all()
    again = footage.batch(0, 0, 16, 3)
    assert torch.equal(batch.tiles, again.tiles)
    assert torch.equal(batch.action, again.action)


def test_what_is_left_to_chance_weighs_the_same_whatever_comes_of_it(footage):
    weight = blur(Colours(), footage.batch(0, 0, 16, 3), ObjectiveConfig(), torch.Generator().manual_seed(0)).weight
    assert (weight == weight[..., :1]).all()


def test_worlds_without_separate_actions_are_not_filmed():
    with pytest.raises(OptionError, match="discrete"):
        Camera("gymnasium", {"id": "Pendulum-v1", "pixels": "render"}, SIZE)


def test_worlds_in_which_one_cannot_do_nothing_are_learnt_too(tmp_path):
    still = Source("gymnasium", {"id": "minigrid:MiniGrid-Dynamic-Obstacles-6x6-v0"}, (32, 32))
    collect(still, tmp_path / "film", 25, workers=1)
    model = StreamConfig(pictures="pixels", patch=PATCH, channels=32, depth=2, heads=2, hidden=48)
    config = TrainConfig(data=str(tmp_path / "film"), out=str(tmp_path / "run"), model=model, steps=1, batch=2, time=2)
    train(config.model_copy(update={"compile": False, "bf16": False}))
    export(tmp_path / "run", tmp_path / "film", tmp_path / "world.safetensors")
    world = LearnedWorld(tmp_path / "world.safetensors")
    assert world.spec.actions.noop is None
    state, _ = world.open([Start()], [0])
    world.advance(state, np.array([1]), [None])


def test_other_data_are_never_mixed_in(film):
    with pytest.raises(OptionError, match="size"):
        collect(Source("pan", {"beacon": True}, (64, 64)), film, 25, workers=1)


def test_a_film_becomes_a_world(film, tmp_path):
    model = StreamConfig(pictures="pixels", patch=PATCH, channels=32, depth=2, heads=2, hidden=48)
    config = TrainConfig(data=str(film), out=str(tmp_path / "run"), model=model, steps=6, batch=4, time=3, warmup=1)
    train(config.model_copy(update={"compile": False, "bf16": False, "tell_steps": 3}))
    export(tmp_path / "run", film, tmp_path / "world.safetensors")
    world = LearnedWorld(tmp_path / "world.safetensors")
    assert world.spec.reward == "head"
    assert not world.spec.directions
    state, outcome = world.open([Start()] * 2, [1, 2])
    assert outcome.frames.shape == (2, *SIZE, 3)
    assert (outcome.frames[0] != outcome.frames[1]).any()
    _, outcome = world.advance(state, np.array([0, 3]), [None, None])
    assert np.isfinite(outcome.reward).all()


def test_jumps_are_taught_by_the_model_itself(film, tmp_path):
    """Training goes through every part of its plan: jumps, guidance, and rows that hear nothing."""
    model = StreamConfig(pictures="pixels", patch=PATCH, channels=32, depth=2, heads=2, hidden=48)
    config = TrainConfig(data=str(film), out=str(tmp_path / "run"), model=model, steps=8, batch=4, time=3, warmup=1)
    objective = config.objective.model_copy(update={"guided": 0.5, "heedless": 0.5})
    quick = {"compile": False, "bf16": False, "tell_steps": 1, "objective": objective}
    told = []
    train(config.model_copy(update=quick), watch=lambda run, figures, data: told.append(figures["total"]))
    assert len(told) == 8
    assert np.isfinite(told).all()
