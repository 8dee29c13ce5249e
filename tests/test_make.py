"""The composition root: ids as plain data, and names that are imported when they are asked for."""

from __future__ import annotations

import json

import gymnasium
import pytest

import wmenv
from wmenv.env.vector import WorldVectorEnv
from wmenv.make import ENVIRONMENTS, make_env, make_vector_env, register


def test_the_table_of_ids_is_plain_data():
    assert json.loads(json.dumps(ENVIRONMENTS)) == ENVIRONMENTS


def test_registering_again_changes_nothing():
    before = dict(gymnasium.registry)
    register()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize("name", sorted(wmenv.LAZY))
def test_public_names_are_there(name):
    assert getattr(wmenv, name).__name__.rpartition(".")[2] == name  # "rollout" is a package that can be called


def test_a_name_that_is_not_there_is_missing_as_everywhere():
    with pytest.raises(AttributeError, match="WorldEnvs"):
        wmenv.WorldEnvs  # noqa: B018


def test_settings_of_the_world_are_added_to_those_of_the_id():
    env = gymnasium.make("wmenv/GridRooms-Fetch-v0", world_settings={"passes": 1}).unwrapped
    assert (env.world.task, env.world.passes) == ("fetch", 1)
    envs = gymnasium.make_vec("wmenv/GridRoomsSource-Fetch-v0", num_envs=1, world_settings={})
    assert envs.unwrapped.reward_source == "env"
    assert make_env("gridrooms", world_settings={"passes": 1}, reward="none").world.task == "reach"


def test_records_are_kept_unless_nobody_wants_them():
    assert make_env("pan", reward="none").observer is not None
    assert make_env("pan", reward="none", record=False).observer is None
    env = make_vector_env("pan", 2, world_settings={"beacon": True})
    assert isinstance(env, WorldVectorEnv)
    assert (env.reward_source, env.observer.rows) == ("env", 2)
