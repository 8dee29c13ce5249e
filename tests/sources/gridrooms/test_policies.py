"""Policies: each makes the experience it is named for, and the solver solves."""

from itertools import pairwise

import numpy as np
import pytest

from wmenv.errors import OptionError
from wmenv.sources.gridrooms import CATALOGUE, POLICIES, TASKS, GridRooms, make_policy, place_of_view
from wmenv.sources.gridrooms.policies import Unhurried
from wmenv.sources.gridrooms.routes import backwards, front, stroll, thing_at
from wmenv.sources.gridrooms.sounds import SOUNDS
from wmenv.sources.gridrooms.spec import PICKUP


@pytest.mark.parametrize("task", [task for task in TASKS if task != "explore"])
def test_the_solver_solves(task):
    env, policy = GridRooms(task), make_policy("solver", np.random.default_rng(0))
    solved = 0.0
    for seed in range(100):
        env.reset(seed=1000 + seed)
        for _ in range(300):
            _, reward, over, _, _ = env.step(policy(env))
            if over:
                solved += reward
                break
    assert solved >= 95


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_chance_makes_the_same_choices(name):
    assert _choices(name, 3) == _choices(name, 3)
    assert _choices(name, 3) != _choices(name, 4)


def _choices(name: str, seed: int) -> list[int]:
    env, policy = GridRooms(), make_policy(name, np.random.default_rng(seed))
    env.reset(seed=0)
    chosen = []
    for _ in range(120):
        chosen.append(policy(env))
        env.step(chosen[-1])
    return chosen


def test_the_solver_explores_where_the_template_has_no_task():
    env, policy = GridRooms("reach"), make_policy("solver", np.random.default_rng(0))
    env.reset(seed=0, options={"template": "explore"})
    for _ in range(50):
        env.step(policy(env))
    assert env.grid_pose()[:2].any()


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_is_stopped_by_directions_or_tasks(walk, name):
    rng = np.random.default_rng(0)
    policy = make_policy(name, rng)
    for task in TASKS:
        for env, _ in walk(task, 60):
            assert 0 <= policy(env) < 7


def _run(name: str, episodes: int = 8, steps: int = 200) -> list[list[tuple[tuple[int, ...], np.ndarray, list[str]]]]:
    """Grid poses, tiles and sounds of some explore episodes."""
    env, policy, told = GridRooms(), make_policy(name, np.random.default_rng(0)), []
    for seed in range(episodes):
        env.reset(seed=seed)
        episode = []
        for _ in range(steps):
            env.step(policy(env))
            heard = [SOUNDS[event] for event in env.sound_events()]
            episode.append((tuple(env.grid_pose().tolist()), env.tiles(), heard))
        told.append(episode)
    return told


def _places_seen(episode: list) -> int:
    return len(
        {
            place
            for pose, tiles, _ in episode
            for place, tile in zip(map(tuple, place_of_view(np.array(pose)).tolist()), tiles, strict=True)
            if CATALOGUE.shows_place[tile]
        }
    )


def test_the_explorer_sees_more_than_a_random_walk():
    seen = {name: np.mean([_places_seen(e) for e in _run(name)]) for name in ("explorer", "random_walk")}
    assert seen["explorer"] > seen["random_walk"]
    assert seen["explorer"] > 130  # of the 169 places, outer walls and corners included


def test_a_walk_and_its_way_back_end_where_they_began():
    env, rng = GridRooms(), np.random.default_rng(0)
    for seed in range(30):
        env.reset(seed=seed)
        away = stroll(env, int(rng.integers(1, 25)), rng.integers(0, 2, 300).tolist())
        for action in away + backwards(away):
            env.step(action)
        assert env.grid_pose().tolist() == [0, 0, 0]


def test_looking_away_comes_back_more_than_exploring():
    back = {name: np.mean([_share_taken_again(e) for e in _run(name)]) for name in ("look_away_and_return", "explorer")}
    assert back["look_away_and_return"] > 0.5
    assert back["look_away_and_return"] > 2 * back["explorer"]


def _share_taken_again(episode: list, within: int = 60) -> float:
    """How many poses are taken again soon, after at least one other."""
    poses = [pose for pose, _, _ in episode]
    left = [now for now in range(len(poses) - within) if poses[now + 1] != poses[now]]
    return float(np.mean([poses[now] in poses[now + 2 : now + within] for now in left]))


def test_place_and_leave_puts_things_elsewhere():
    sounds = [sound for episode in _run("place_and_leave") for _, _, heard in episode for sound in heard]
    assert sounds.count("drop") >= 16
    assert sounds.count("pickup") >= sounds.count("drop")


def test_the_weird_one_bumps_and_grabs_more_than_the_explorer():
    count = lambda name, sound: sum(sound in heard for episode in _run(name) for _, _, heard in episode)
    assert count("weird", "bump") > 5 * count("explorer", "bump")
    assert count("weird", "pickup") > count("explorer", "pickup")


def test_an_unknown_policy_is_named():
    with pytest.raises(OptionError, match="Did you mean 'solver'"):
        make_policy("sovler", np.random.default_rng(0))


def test_viewers_stand_still_now_and_then_after_handling_something():
    env, hand = GridRooms(), Unhurried(make_policy("weird", np.random.default_rng(1)))
    env.reset(seed=1)
    actions = []
    for _ in range(800):
        actions.append(hand(env))
        env.step(actions[-1])
    handled = [after for before, after in pairwise(actions) if before in (3, 4, 5)]
    assert 0.25 < handled.count(6) / len(handled) < 0.6, "three in ten, and what the policy itself does"


def test_full_hands_often_try_to_take_another_thing_and_never_get_it():
    env, policy = GridRooms("explore"), make_policy("hands_full", np.random.default_rng(0))
    tried = 0
    for seed in range(5):
        env.reset(seed=seed)
        for _ in range(120):
            held, ahead, action = env.carrying, thing_at(env, front(env)), policy(env)
            env.step(action)
            if action == PICKUP and held and ahead and ahead.can_pickup():
                tried += 1
                assert env.carrying is held
                assert thing_at(env, front(env)) is ahead
    assert tried >= 10
