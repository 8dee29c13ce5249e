"""A director is part of the episode: the same seed is directed alike, whoever lives beside it, and users go first."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.env.director import Director
from wmenv.errors import OptionError, UnsupportedError
from wmenv.make import make_vector_env, settings_of


def said(env, steps=60, speak_at=None):
    """What was typed in row 0, by step."""
    told = {}
    for step in range(steps):
        if step == speak_at:
            env.direct("the lights go out")
        info = env.step(np.full(env.num_envs, 6))[-1]
        if "direction" in info and info["_direction"][0]:
            told[step] = info["direction"]["text"][0]
    return told


def rooms(rows=1, **settings):
    env = make_vector_env(num_envs=rows, **settings_of("wmenv/GridRoomsSourceDirected-v0") | settings)
    env.reset(seed=5)
    return env


def test_an_episode_is_directed_as_its_seed_says_and_no_neighbour_matters():
    alone = said(rooms())
    assert 1 <= len(alone) <= 10, "every twenty steps or so"
    assert alone == said(rooms(rows=3))
    assert set(alone.values()) <= set(rooms().world_spec.suggestions)


def test_what_the_user_says_goes_first():
    assert said(rooms(directed_every=1), speak_at=3)[3] == "the lights go out"


def test_a_restored_episode_is_directed_as_it_was():
    env = rooms(directed_every=4)
    said(env, 10)
    moment = env.snapshot()
    first = said(env, 30)
    env.restore(moment)
    assert said(env, 30) == first


def test_there_must_be_something_to_say():
    with pytest.raises(UnsupportedError, match="suggests no directions"):
        Director(replace(CountingWorld().spec, suggestions=()), every=5)
    with pytest.raises(OptionError, match="directed_every=-1"):
        rooms(directed_every=-1)
