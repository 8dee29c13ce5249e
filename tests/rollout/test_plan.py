"""A plan says what every episode is, and nothing about how it is made."""

from __future__ import annotations

import numpy as np
import pytest

from wmenv.errors import ConfigError, OptionError
from wmenv.rollout.plan import CUES, POLICY, Cue, Plan

PLAN = Plan(world="pan", episodes=100, seed=7)


def test_shards_cover_every_episode_once():
    plan = Plan(world="pan", episodes=10, shard_episodes=3)
    numbers = [number for shard in plan.shards for number in plan.episodes_of(shard)]
    assert numbers == list(range(10))
    assert [len(plan.episodes_of(shard)) for shard in plan.shards] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("episodes", "max_steps", "size"), [(8, 128, 1), (100, 128, 7), (100_000, 128, 64), (100_000, 10_000, 1)]
)
def test_small_data_sets_have_shards_for_several_workers_and_large_ones_have_large_shards(episodes, max_steps, size):
    assert Plan(world="pan", episodes=episodes, max_steps=max_steps).with_shards().size == size


def test_an_episode_keeps_its_seed_and_its_streams_when_the_plan_grows():
    grown = PLAN.model_copy(update={"episodes": 1000})
    assert grown.recipe(42) == PLAN.recipe(42)
    assert grown.stream(42, POLICY).random() == PLAN.stream(42, POLICY).random()


def test_streams_are_apart():
    drawn = {PLAN.stream(number, use).random() for number in range(50) for use in (POLICY, CUES)}
    assert len(drawn) == 100


def test_futures_of_a_group_have_seeds_of_their_own():
    plan = Plan(world="pan", episodes=6, group=3)
    recipes = [plan.recipe(number) for number in range(6)]
    assert [recipe.group for recipe in recipes] == [0, 0, 0, 1, 1, 1]
    assert len({recipe.seed for recipe in recipes}) == 6


def test_templates_and_prompts_are_taken_in_turn():
    plan = Plan(world="pan", templates=("ice", "meadow"), prompts=("night falls",))
    assert [plan.starting(number).template for number in range(3)] == ["ice", "meadow", "ice"]
    assert plan.starting(1).prompt == "night falls"


def test_a_cue_is_drawn_from_its_range_by_the_episode_s_own_stream():
    cue = Cue.read("20-60: night falls | day breaks")
    plan = PLAN.model_copy(update={"directions": (cue,)})
    drawn = [plan.cues(number, ()) for number in range(40)]
    steps = [step for told in drawn for step in told]
    assert drawn == [plan.cues(number, ()) for number in range(40)]
    assert min(steps) >= 20
    assert max(steps) <= 60
    assert len(set(steps)) > 10
    assert {direction.text for told in drawn for direction in told.values()} == {"night falls", "day breaks"}


def test_what_would_be_said_at_once_is_said_in_turn():
    cues = (Cue.read("20: night falls"), Cue.read("20: day breaks"), Cue.read("21: it rains"))
    told = PLAN.model_copy(update={"directions": cues}).cues(0, ())
    assert {step: direction.text for step, direction in told.items()} == {
        20: "night falls",
        21: "day breaks",
        22: "it rains",
    }


def test_cues_that_are_fixed_leave_the_others_where_they_were():
    loose, fixed = Cue.read("0-1000:a"), Cue.read("5:b")
    rng = np.random.default_rng
    assert Cue.read("0-1000:a").draw(rng(1), ()) == loose.draw(rng(1), ())
    assert fixed.draw(rng(1), ())[0] == 5


def test_any_suggestion_needs_a_world_that_has_some():
    assert Cue.read("3:*").draw(np.random.default_rng(0), ["jump"])[1].text == "jump"
    with pytest.raises(OptionError, match="suggests no directions"):
        Cue.read("3:*").draw(np.random.default_rng(0), [])


@pytest.mark.parametrize("line", ["night falls", "x:night", "1-2-3:night", "5:", ":night"])
def test_a_cue_that_cannot_be_read_is_named(line):
    with pytest.raises(OptionError, match="a cue reads"):
        Cue.read(line)


def test_an_unknown_key_is_an_error():
    with pytest.raises(ConfigError, match="Did you mean 'episodes'"):
        Plan.load(world="pan", episode=3)
