"""The pose convention: one place, one tile, from wherever it is seen."""

import numpy as np

from wmenv.sources.gridrooms import CATALOGUE, GridRooms, place_of_view
from wmenv.sources.gridrooms.tiles import AGENT_SLOT

LEFT, RIGHT, FORWARD, STAY = 0, 1, 2, 6


def test_every_episode_begins_at_the_origin_looking_up():
    env = GridRooms()
    for seed in range(5):
        env.reset(seed=seed)
        assert env.grid_pose().tolist() == [0, 0, 0]
        assert place_of_view(env.grid_pose())[AGENT_SLOT].tolist() == [0, 0]


def test_a_right_turn_looks_along_x_and_a_left_turn_against_it():
    env = GridRooms()
    env.reset(seed=0)
    env.step(RIGHT)
    assert env.grid_pose()[2] == 1
    assert place_of_view(env.grid_pose())[AGENT_SLOT - 7].tolist() == [1, 0]
    assert np.allclose(env.pose(), [0, 0, np.pi / 2])
    env.step(LEFT)
    env.step(LEFT)
    assert place_of_view(env.grid_pose())[AGENT_SLOT - 7].tolist() == [-1, 0]


def test_a_step_leads_to_the_place_that_was_ahead(walk):
    env = GridRooms()
    moved = 0
    for seed in range(20):
        env.reset(seed=seed)
        for action in [FORWARD, RIGHT] * 5:
            ahead = place_of_view(env.grid_pose())[AGENT_SLOT - 7]
            free = CATALOGUE.walkable[env.tiles()[AGENT_SLOT - 7]]
            before = env.grid_pose()[:2]
            env.step(action)
            expected = ahead if action == FORWARD and free else before
            assert (env.grid_pose()[:2] == expected).all()
            moved += action == FORWARD and free
    assert moved > 20


def test_one_place_shows_one_tile_from_everywhere(walk):
    """Doors and things stay put while the agent only walks, so what a place showed once it shows for ever."""
    env, rng = GridRooms(), np.random.default_rng(0)
    agreed = 0
    for seed in range(6):
        env.reset(seed=seed)
        known: dict[tuple[int, int], int] = {}
        for _ in range(200):
            env.step(int(rng.choice((LEFT, RIGHT, FORWARD, FORWARD, STAY))))
            for place, tile in zip(map(tuple, place_of_view(env.grid_pose()).tolist()), env.tiles(), strict=True):
                if CATALOGUE.shows_place[tile]:
                    agreed += place in known
                    assert known.setdefault(place, tile) == tile
    assert agreed > 5000


def test_poses_in_a_batch_are_placed_one_by_one():
    poses = np.array([[[0, 0, 0], [2, -3, 1]], [[5, 5, 2], [0, 1, 3]]])
    places = place_of_view(poses)
    assert places.shape == (2, 2, 49, 2)
    assert (places[0, 1] == place_of_view(poses[0, 1])).all()
