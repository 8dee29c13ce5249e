"""The catalogue is complete and exact: whatever is shown is read back, and minigrid itself would draw the same."""

import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.minigrid_env import MiniGridEnv

from wmenv.sources.gridrooms import CATALOGUE, TASKS, Catalogue
from wmenv.sources.gridrooms.drawing import DIMMING, make_object
from wmenv.sources.gridrooms.sight import seen
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, TILE, VIEW


def test_there_are_392_tiles_and_no_two_look_alike():
    assert len(CATALOGUE) == 392
    assert len(np.unique(CATALOGUE.images.reshape(392, -1), axis=0)) == 392


def test_names_and_ids_agree():
    for index, tile in enumerate(CATALOGUE.tiles):
        assert CATALOGUE.encode(*tile) == index
    assert CATALOGUE.walkable[CATALOGUE.encode("door", "red", "open")]
    assert not CATALOGUE.walkable[CATALOGUE.encode("door", "red", "closed")]
    assert not CATALOGUE.shows_place[CATALOGUE.encode("agent", "grey", carried="red key")]
    assert not CATALOGUE.shows_place[CATALOGUE.encode("unseen", dark=True)]


@pytest.mark.parametrize("task", TASKS)
def test_every_frame_is_read_exactly_and_rendered_back(walk, task):
    for env, frame in walk(task, 1500):
        ids = CATALOGUE.decode(frame)
        assert (ids.ravel() == env.tiles()).all()
        assert (CATALOGUE.render(ids) == frame).all()


@pytest.mark.parametrize("task", TASKS)
def test_minigrid_draws_the_same_frames(walk, task):
    compared = 0
    for env, frame in walk(task, 150):
        expected = _drawn_by_minigrid(env)
        expected = expected // DIMMING if env.dark else expected
        as_drawn = env.agent_colour == "red" and not _on_goal(env)
        slots = np.ones(VIEW * VIEW, bool)
        slots[AGENT_SLOT] = as_drawn  # minigrid's agent is always red, and hides the goal
        assert (_cut(frame)[slots] == _cut(expected)[slots]).all()
        compared += as_drawn
    assert compared > 10


def _drawn_by_minigrid(env) -> np.ndarray:
    grid, visible = MiniGridEnv.gen_obs_grid(env)
    if env.carrying is None:
        grid.set(VIEW // 2, VIEW - 1, env.grid.get(*env.agent_pos))  # we also show what the agent stands on
    return grid.render(TILE, (VIEW // 2, VIEW - 1), agent_dir=3, highlight_mask=visible)


def _on_goal(env) -> bool:
    return isinstance(env.grid.get(*env.agent_pos), type(make_object("goal")))


def _cut(frame: np.ndarray) -> np.ndarray:
    return frame.reshape(VIEW, TILE, VIEW, TILE, 3).transpose(0, 2, 1, 3, 4).reshape(VIEW * VIEW, -1)


def test_sight_spreads_as_in_minigrid():
    rng = np.random.default_rng(0)
    for density in np.linspace(0.05, 0.6, 300):
        opaque = rng.random((VIEW, VIEW)) < density
        grid = Grid(VIEW, VIEW)
        for row, column in np.argwhere(opaque):
            grid.set(int(column), int(row), make_object("wall"))
        expected = grid.process_vis((VIEW // 2, VIEW - 1)).T
        assert (seen(opaque.ravel()).reshape(VIEW, VIEW) == expected).all()


def test_a_batch_is_read_like_its_frames(walk):
    frames = np.stack([frame for _, frame in walk("explore", 40)]).reshape(8, 5, 56, 56, 3)
    ids = CATALOGUE.decode(frames)
    assert ids.shape == (8, 5, 7, 7)
    assert (ids[3, 2] == CATALOGUE.decode(frames[3, 2])).all()
    assert (CATALOGUE.render(ids) == frames).all()


def test_a_slot_that_shows_no_tile_is_said_to_be_unknown(walk):
    frame = next(walk("explore", 1))[1].copy()
    true = CATALOGUE.decode(frame)
    frame[8:16, 16:24, 1] ^= 1
    ids = CATALOGUE.decode(frame)
    assert ids[1, 2] == -1
    assert (np.delete(ids, 9) == np.delete(true, 9)).all()


def test_the_nearest_tile_is_found_through_noise(walk):
    frame = next(walk("explore", 1))[1]
    noisy = frame.astype(int) + np.random.default_rng(0).integers(-4, 5, frame.shape)
    ids, distance = CATALOGUE.nearest(noisy.clip(0, 255).astype(np.uint8))
    assert (ids == CATALOGUE.decode(frame)).all()
    assert 0 < distance.max() < 4
    exact_ids, exact = CATALOGUE.nearest(frame)
    assert (exact_ids == ids).all()
    assert exact.max() == 0


def test_frames_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(64, 64, 3\)"):
        CATALOGUE.decode(np.zeros((64, 64, 3), np.uint8))


def test_a_catalogue_with_given_pictures_needs_no_simulator():
    images = CATALOGUE.images
    assert Catalogue(images).images is images
