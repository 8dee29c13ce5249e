"""A rollout of the counting world, which is quick and whose every number can be worked out by hand."""

from __future__ import annotations

import functools

import pytest

from wmenv.rollout.run import rollout

COUNTING = "tests.fakes:CountingWorld"


@pytest.fixture
def make(tmp_path):
    """Rolls out the counting world into a folder of its own, quietly; everything can be said otherwise."""
    quiet = functools.partial(rollout, world=COUNTING, report=False, progress=False)

    def made(out: str, episodes: int = 12, **settings):
        return quiet(episodes=episodes, out=tmp_path / out, **({"max_steps": 10, "shard_episodes": 3} | settings))

    return made
