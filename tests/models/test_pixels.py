"""Drawing in colours: the way from noise is straight, any number of looks arrives, and frames stay what they are."""

import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.models.look import Look
from wmenv.models.pixels import Pixels, jump, times
from wmenv.models.streaming import Streamer


@pytest.fixture
def pixels():
    return make_stream(pictures="pixels").pictures


def settled(pixels: Pixels, passes: int, end: torch.Tensor) -> torch.Tensor:
    """What a drawing comes to whose every look says the same `end`."""
    seed, step = torch.arange(2), torch.ones(2, dtype=torch.long)
    canvas = pixels.blank(seed, step)
    for number in range(passes):
        canvas, again = pixels.settle(canvas, end, torch.zeros(2, 49) > 0, Look(seed, step, number, passes))
        assert bool(again.all()) == (number + 1 < passes)
    return canvas


@pytest.mark.parametrize("passes", [1, 2, 3, 4, 16])
def test_any_number_of_looks_arrives_where_the_looks_say(pixels, passes):
    end = torch.rand(2, 49, 192) * 2 - 1
    assert (settled(pixels, passes, end) - end).abs().max() < 0.6 / 127.5


def test_looks_lie_on_the_straight_way():
    noise, end = torch.randn(2, 3, 12), torch.randn(2, 3, 12)
    halfway = jump(noise, end, 1.0, 0.5)
    torch.testing.assert_close(halfway, (noise + end) / 2)
    torch.testing.assert_close(jump(halfway, end, 0.5, 0.0), end)


def test_times_fall_to_the_last_look_and_then_to_the_picture():
    for passes in (2, 3, 16):
        looks = times(passes)
        assert looks == sorted(looks, reverse=True)
        assert looks[0] == 1
        assert looks[passes:] == [0.0, 0.0]


def test_the_way_itself_may_be_what_is_predicted():
    model = make_stream(pictures="pixels", predicts="v").pictures
    picture, noise, time = torch.randn(2, 49, 192), torch.randn(2, 49, 192), torch.tensor([0.3, 1.0])
    canvas = picture + time[:, None, None] * (noise - picture)
    torch.testing.assert_close(model.clean(noise - picture, canvas, time), picture, atol=1e-5, rtol=1e-5)


def test_frames_come_back_as_they_were(pixels):
    frames = torch.randint(0, 256, (2, 56, 56, 3), dtype=torch.uint8)
    assert torch.equal(pixels.draw(pixels.keep(pixels.read(frames))), frames)


def test_darkness_and_the_viewer_do_not_show_their_place():
    pictures = make_stream(pictures="pixels", unlit=12).pictures
    kept = torch.full((1, 49, 192), 40, dtype=torch.uint8)
    kept[0, 5] = 9
    hidden = (~pictures.shows_place(kept)).nonzero()[:, 1].tolist()
    assert hidden == [5, 6 * 7 + 3]


def test_noise_is_its_rows_own(pixels):
    blank = pixels.blank(torch.tensor([3, 4, 3]), torch.tensor([1, 1, 1]))
    assert torch.equal(blank[0], blank[2])
    assert not torch.equal(blank[0], blank[1])
    assert abs(blank.mean()) < 0.04
    assert abs(blank.std() - 1) < 0.04


@pytest.mark.parametrize("changes", [{"bottleneck": 24}, {"height": 72, "width": 128, "patch": 8, "anchor": (8, 8)}])
def test_large_patches_and_wide_pictures_stream(changes):
    streamer = Streamer(make_stream(pictures="pixels", recall_place=False, **changes))
    memory = streamer.empty(torch.arange(2), torch.zeros(2, 16, dtype=torch.long))
    streamer.begin(memory)
    drawn = streamer.step(memory, torch.tensor([0, 2]), None, 2)
    config = streamer.config
    assert streamer.model.pictures.draw(drawn.shown).shape == (2, config.height, config.width, 3)
    assert memory["place_shown"].numel() == 0
