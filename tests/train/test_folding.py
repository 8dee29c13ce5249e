"""What a jump is taught: the truth, and where the model itself would land, in the shares that it is told."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.models.look import Look
from wmenv.models.pixels import LAST, Pixels
from wmenv.models.sequence import Passage
from wmenv.models.stream import Frame
from wmenv.train import folding
from wmenv.train.asked import Asked, ObjectiveConfig
from wmenv.train.folding import aim, grainy, share_taught_by_data

BATCH, TIME = 2, 3


@pytest.fixture
def teacher():
    return make_stream(pictures="pixels")


@pytest.fixture
def asked():
    torch.manual_seed(0)
    time = torch.tensor([[1.0, 0.6, 0.0], [0.9, 0.5, 0.2]])
    level = torch.stack([time, time / 2, torch.full_like(time, 0.5)], -1)
    shape = (BATCH, TIME, 49, 192)
    weight = torch.ones(shape[:3])
    return Asked(torch.randn(shape), level, weight, torch.rand(shape) - 0.5, time)


@pytest.fixture
def passage():
    rows, shown = BATCH * TIME, torch.zeros(BATCH * TIME, 49, 192)
    none = torch.zeros(rows, 49, dtype=torch.long)
    frame = Frame(shown, shown, none, shown, torch.zeros(rows, 3), torch.zeros(rows, dtype=torch.long))
    pose, words = torch.zeros(BATCH, TIME, 3), torch.ones(BATCH, 1, 16, dtype=torch.long)
    return Passage(frame, pose, words, torch.zeros(BATCH, TIME, dtype=torch.long))


def answers(led: float, unled: float = 0.0):
    """A model that always sees the same end; another one where it hears no action."""

    def run(teacher, seen):
        hears = (seen.frame.action < teacher.config.actions)[:, None, None]
        end = torch.where(hears, led, unled)
        return SimpleNamespace(pictures=end.expand_as(seen.frame.noised))

    return run


def test_a_jump_is_taught_by_the_truth_and_by_where_the_model_would_land(teacher, passage, asked):
    config = ObjectiveConfig(folded=1.0)
    found = aim(answers(0.3), teacher, passage, asked, config, alpha=0.25)
    moving = asked.noise > 0
    expected = 0.25 * asked.target + 0.75 * 0.3
    torch.testing.assert_close(found.target[moving], expected[moving], atol=1e-4, rtol=1e-4)
    assert torch.equal(found.target[~moving], asked.target[~moving])


def test_a_jump_reaches_where_small_steps_lead_from_the_same_noise(teacher, passage, asked):
    def decided(teacher, seen):
        return SimpleNamespace(pictures=0.4 * seen.frame.noised.sign())

    config = ObjectiveConfig(folded=1.0, slowly=5)
    found = aim(decided, teacher, passage, asked, config, alpha=1.0)
    moving = asked.noise > 0
    torch.testing.assert_close(found.target[moving], 0.4 * asked.canvas[moving].sign(), atol=1e-4, rtol=1e-4)
    assert torch.equal(found.target[~moving], asked.target[~moving])


def test_strengths_are_told_apart():
    stream, harmonics = make_stream(pictures="pixels"), torch.arange(16)
    looks = [Look(torch.zeros(1), torch.zeros(1), 0, 2, strength=strength) for strength in (1.0, 1.5, 2.0, 2.5)]
    levels = [stream.pictures.level(torch.zeros(1, 49, 192), look) for look in looks]
    embedded = [torch.cos(torch.pi * level[..., None] * harmonics) for level in levels]
    for one, other in itertools.combinations(embedded, 2):
        assert (one - other).abs().max() > 0.05


def test_following_more_strongly_is_taught_by_looking_twice_beyond_what_colours_can_be(teacher, passage, asked):
    config = ObjectiveConfig(folded=1.0, guided=1.0)
    found = aim(answers(0.9, unled=-0.1), teacher, passage, asked, config, alpha=1.0)
    moving = asked.noise > 0
    torch.testing.assert_close(found.target[moving], torch.full_like(asked.target[moving], 0.9 + (2 - 1) * 1.0))
    assert torch.equal(found.target[~moving], asked.target[~moving])


def test_frames_that_follow_as_the_data_do_are_not_guided(teacher, passage, asked):
    asked.level[0, :, 2] = 1.0
    config = ObjectiveConfig(folded=1.0, guided=0.5)
    found = aim(answers(0.9, unled=-0.1), teacher, passage, asked, config, alpha=1.0)
    assert torch.equal(found.target[0], asked.target[0])
    assert (found.target[1] > 1).all()


def test_only_the_folded_share_is_taught_so(teacher, passage, asked):
    config = ObjectiveConfig(folded=0.5)
    found = aim(answers(0.3), teacher, passage, asked, config, alpha=0.0)
    assert torch.equal(found.target[1], asked.target[1])
    assert not torch.equal(found.target[0], asked.target[0])
    assert aim(answers(0.3), teacher, passage, asked, ObjectiveConfig(folded=0.0), alpha=0.0) is asked


def test_the_data_teach_all_at_first_and_least_at_the_end():
    config = ObjectiveConfig(alpha=0.12)
    shares = [share_taught_by_data(done / 20, config) for done in range(21)]
    assert shares[:4] == [1.0] * 4
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.12)


def test_a_model_that_can_jump_goes_on_teaching_itself_from_the_first_step():
    config = ObjectiveConfig(alpha=0.12, folds_from=0.0, folds_until=0.0)
    assert share_taught_by_data(0.0, config) == share_taught_by_data(1.0, config) == pytest.approx(0.12)


def test_what_memory_holds_is_roughened_but_for_what_was_never_seen():
    kept = torch.full((1, 1, 4, 12), 60, dtype=torch.uint8)
    kept[0, 0, 2] = Pixels.never
    rough = grainy(kept, ObjectiveConfig(grain=0.5), torch.Generator().manual_seed(1))
    assert (rough[0, 0, 2] == Pixels.never).all()
    assert (rough[0, 0, 0] != 60).any()


def test_the_share_that_goes_straight_to_the_end_is_as_it_is_told(monkeypatch):
    model = make_stream(pictures="pixels")
    batch = SimpleNamespace(directed=torch.zeros(64, 16, dtype=torch.long), tiles=torch.zeros(64, 16, 49).long())
    monkeypatch.setattr(folding, "weigh", lambda palette, batch, config: torch.ones(batch.tiles.shape))
    palette = SimpleNamespace(canvas=lambda tiles: torch.zeros(*tiles.shape, 3))
    for straight in (0.3, 0.6):
        config = ObjectiveConfig(undrawn=0.98, clean=0.01, folded=1.0, straight=straight)
        level = folding.blur(palette, batch, config, torch.Generator().manual_seed(0), model.pictures.shift).level
        begun = level[..., 0] == 1
        assert (level[..., 1][begun] == 0).float().mean() == pytest.approx(straight, abs=0.05)
        assert (level[..., 1][begun] == LAST).float().mean() == pytest.approx(0.3, abs=0.05)
