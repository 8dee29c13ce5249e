"""The vector environment is `SyncVectorEnv` of single environments, and a row does not know its neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tests.fakes import CountingWorld, Diary, pixel
from wmenv.env.single import WorldEnv
from wmenv.env.vector import WorldVectorEnv

ROWS = 4
SETTINGS = {"max_episode_steps": 11}
MODES = list(AutoresetMode)


def make_pair(mode, world=CountingWorld, **settings):
    settings = SETTINGS | settings
    ours = WorldVectorEnv(world(), ROWS, autoreset_mode=mode, observer=Diary(ROWS), **settings)
    singles = [lambda: WorldEnv(world(), observer=Diary(1), **settings)] * ROWS
    return ours, SyncVectorEnv(singles, autoreset_mode=mode)


def assert_same(ours, theirs, path="info"):
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), path
        assert ours.keys() == theirs.keys(), f"{path}: {sorted(ours)} against {sorted(theirs)}"
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{path}[{key!r}]")
    elif isinstance(theirs, list | tuple) or (isinstance(theirs, np.ndarray) and theirs.dtype == object):
        assert isinstance(theirs, list | tuple) or ours.dtype == object, path
        assert len(ours) == len(theirs), path
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other, path)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype, f"{path}: {ours.dtype} against {theirs.dtype}"
        np.testing.assert_array_equal(ours, theirs, path)
    else:
        assert type(ours) is type(theirs), path
        assert ours == theirs, path


def assert_same_walk(ours, theirs, steps, actions, mode, options=None):
    """Every array and info of a walk, with partial resets where the mode leaves resets to the caller."""
    assert_same(ours.reset(seed=31, options=options), theirs.reset(seed=31, options=options and dict(options)))
    for step in range(steps):
        mine, other = ours.step(actions[step]), theirs.step(actions[step])
        assert_same(mine, other, f"step {step}")
        ended = mine[2] | mine[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            assert_same(ours.reset(options={"reset_mask": ended}), theirs.reset(options={"reset_mask": ended.copy()}))


def random_actions(steps, seed=0):
    return np.random.default_rng(seed).choice(3, (steps, ROWS), p=[0.2, 0.2, 0.6])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extras", [False, True])
def test_a_walk_is_that_of_single_environments(mode, extras):
    ours, theirs = make_pair(mode, partial(CountingWorld, extras=extras, frames_per_step=2 if extras else 1))
    assert_same_walk(ours, theirs, 60, random_actions(60), mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{"prompt": "one more"}, {"template": "high", "max_episode_steps": 4}])
def test_options_hold_on_as_in_single_environments(mode, options):
    ours, theirs = make_pair(mode)
    assert_same_walk(ours, theirs, 30, random_actions(30, seed=1), mode, options)


@pytest.mark.parametrize("mode", MODES)
def test_options_are_forgotten_when_they_should_not_hold_on(mode):
    ours, theirs = make_pair(mode, sticky_reset_options=False)
    assert_same_walk(ours, theirs, 30, random_actions(30, seed=2), mode, {"prompt": "one more"})


@pytest.mark.parametrize("mode", MODES)
def test_partial_resets_with_seeds_and_options(mode):
    ours, theirs = make_pair(mode)
    ours.reset(seed=[5, None, 7, 8])
    assert ours.episode_seeds[[0, 2, 3]].tolist() == [5, 7, 8]
    assert_same(ours.reset(seed=5), theirs.reset(seed=5))
    for step, actions in enumerate(np.ones((9, ROWS), np.int64)):
        assert_same(ours.step(actions), theirs.step(actions))
        mask = np.arange(ROWS) % 2 == step % 2
        options = {"reset_mask": mask, "template": "low"}
        assert_same(ours.reset(seed=step, options=options), theirs.reset(seed=step, options=dict(options)))
        assert "reset_mask" in options  # the caller's dict is left alone


@pytest.mark.parametrize("mode", MODES)
def test_a_row_is_the_same_however_many_there_are(mode):
    walks = {}
    for rows in (1, 2, 7):
        env = WorldVectorEnv(CountingWorld(), rows, autoreset_mode=mode, **SETTINGS)
        seen = [env.reset(seed=3)[0][0]]
        for action in random_actions(50)[:, 0]:
            observations, _, terminated, truncated, _ = env.step(np.full(rows, action))
            if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
                observations, _ = env.reset(options={"reset_mask": terminated | truncated})
            seen.append(observations[0])
        walks[rows] = np.stack(seen)
    np.testing.assert_array_equal(walks[1], walks[2])
    np.testing.assert_array_equal(walks[1], walks[7])
    assert len({tuple(one) for one in pixel(walks[1])}) > 20


def test_each_row_may_have_options_of_its_own():
    ours = WorldVectorEnv(CountingWorld(), 3, **SETTINGS)
    observations, _ = ours.reset(seed=0, options=[{"template": "low"}, {}, {"template": "high", "prompt": "one more"}])
    assert [count for count, *_ in pixel(observations)] == [0, 1, 7]
