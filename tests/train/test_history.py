"""What a passage is told of its past: true where it should be, the model's own where that is asked for."""

from types import SimpleNamespace

import pytest
import torch

from wmenv.models.config import StreamConfig
from wmenv.models.sequence import run_passage
from wmenv.models.stream import Stream
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.folding import aim
from wmenv.train.history import remembering, resampled
from wmenv.train.loop import fit_to_data, moved_to
from wmenv.train.objective import losses, passage_of
from wmenv.train.palette import palette_of

WHOLE = ObjectiveConfig(forget=0, fade=0, wrong=0, grain=0, resampled=0.5, sweeps=2)


@pytest.fixture(params=["tiles", "pixels"])
def lesson(request, episodes):
    """A model, a batch, and the passage made of it."""
    sizes = {"channels": 32, "depth": 1, "heads": 2, "hidden": 48, "pictures": request.param}
    model = Stream(fit_to_data(StreamConfig(**sizes), episodes.facts))
    batch, palette = episodes.batch(0, 1, 8, 5), palette_of(model, episodes.facts)
    passage, asked = passage_of(batch, model, palette, WHOLE, torch.Generator().manual_seed(0))
    if request.param == "tiles":
        model.pictures.anchored.copy_(torch.from_numpy(episodes.facts["anchored"]))
    return SimpleNamespace(model=model, batch=batch, passage=passage, asked=asked, truth=palette.kept(batch.tiles))


def test_who_saw_the_truth_remembers_the_truth(lesson):
    if not hasattr(lesson.model.pictures, "anchored"):
        pytest.skip("pixels tell by their light what shows its place, recordings by what it is")
    told = remembering(lesson.model, lesson.passage, lesson.truth).frame
    assert torch.equal(told.place, lesson.passage.frame.place)
    assert torch.equal(told.spot, lesson.passage.frame.spot)


def says(value):
    """A model that would draw the same everywhere."""

    def run(model, passage):
        shape = (*passage.frame.place.shape[:2], model.pictures.head.out_features)
        said = torch.zeros(shape)
        if model.config.pictures == "tiles":
            said[..., value] = 100.0
        else:
            said[...] = value
        return SimpleNamespace(pictures=said)

    return run


def test_the_last_of_the_passages_remember_what_was_made_of_them(lesson):
    drawn = 7 if lesson.model.config.pictures == "tiles" else 0.5
    passage = resampled(says(drawn), lesson.model, lesson.passage, lesson.asked, WHOLE, seed=3)
    before, after = (p.frame.spot.view(8, 5, 49, -1) for p in (lesson.passage, passage))
    assert torch.equal(before[:4], after[:4])
    assert torch.equal(before[4:, 0], after[4:, 0]), "a passage's first frame remembers what was before it"
    pictures = lesson.model.pictures
    made = drawn if lesson.model.config.pictures == "tiles" else int(0.5 * 127.5 + pictures.never)
    changed = (before != after).any(-1)[4:, 1:]
    assert changed.any()
    assert (after[4:, 1:][changed] - made).abs().max() <= 1
    unseen = lesson.batch.age[4:, :-1] == 0
    assert not changed[unseen].any(), "what nobody had seen is told as it was"


def test_without_a_share_nothing_is_drawn(lesson):
    config = WHOLE.model_copy(update={"resampled": 0.0})
    assert resampled(None, lesson.model, lesson.passage, lesson.asked, config, seed=0) is lesson.passage


def test_a_lesson_computes_where_the_weights_are(lesson):
    """On a device that holds no numbers but, like a GPU, refuses what is on another."""
    model, elsewhere = lesson.model.to("meta"), lambda part: moved_to(part, "meta")
    batch, passage, asked = elsewhere(lesson.batch), elsewhere(lesson.passage), elsewhere(lesson.asked)
    passage = resampled(run_passage, model, passage, asked, WHOLE, seed=0)
    if model.config.pictures == "pixels":
        asked = aim(run_passage, model, passage, asked, WHOLE.model_copy(update={"slowly": 2, "guided": 0.5}), 0.5)
    found = losses(model, passage, asked, batch, WHOLE)
    assert {value.device.type for value in found.values()} == {"meta"}
