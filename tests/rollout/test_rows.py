"""Rows are filled without a pause, and an episode is the same whichever rows it shared a batch with."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import CountingWorld, pixel
from wmenv.contract import ActionTable, Direction, Start
from wmenv.errors import ActionError, CheckpointError, OptionError, UnsupportedError
from wmenv.rollout.dataset import difference
from wmenv.rollout.plan import Plan
from wmenv.rollout.policies import random
from wmenv.rollout.rows import Rows
from wmenv.worlds.catalog import load_world
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.source import gridrooms


def run_of(world, batch, policy=random, **settings):
    """The episodes of a plan as they are finished."""
    plan = Plan(world="here", **({"episodes": 12, "max_steps": 10} | settings))
    shards = [range(start, min(start + 5, plan.episodes)) for start in range(0, plan.episodes, 5)]
    return Rows(world, policy, plan, batch).run(shards)


def roll(world, batch, policy=random, **settings):
    """All episodes of a plan, by number."""
    return {done.number: done.episode for done in run_of(world, batch, policy, **settings)}


def more(view):
    return np.full(len(view.frames), 2)


def apart(some, others):
    """How two runs differ."""
    assert some.keys() == others.keys()
    return [told for number in some if (told := difference(some[number], others[number]))]


@pytest.mark.parametrize(
    "world",
    [
        CountingWorld(goal=4),
        CountingWorld(extras=True, frames_per_step=3),
        CountingWorld(output="torch"),
        PanWorld(noise=2.0, dynamic=2, beacon=True),
        gridrooms("fetch"),
    ],
    ids=["counting", "all senses", "torch", "pan", "gridrooms"],
)
def test_an_episode_is_the_same_in_every_batch(world):
    settings = {"words": True, "directions": ({"step": (0, 8), "text": "*"},), "episodes": 7}
    alone, together = roll(world, 1, **settings), roll(world, 4, **settings)
    assert sorted(alone) == list(range(7))
    assert not apart(alone, together)
    assert not apart(together, roll(world, 16, **settings))
    assert len({episode.frames.tobytes() for episode in alone.values()}) == 7


def test_an_episode_of_a_longer_rollout_is_the_same():
    few, many = roll(CountingWorld(), 4, episodes=3), roll(CountingWorld(), 4, episodes=12)
    assert not apart(few, {number: many[number] for number in few})


def test_a_row_that_is_free_is_refilled_at_once():
    world = CountingWorld(goal=8)
    done = roll(world, 3, more, episodes=30, max_steps=6)
    steps = sum(episode.steps for episode in done.values())
    assert {episode.steps for episode in done.values()} == {4, 5, 6}
    assert world.calls["advance"] <= steps / 3 + 6  # no more than the last rows' idling


def test_long_and_short_episodes_end_for_their_own_reasons():
    done = roll(CountingWorld(goal=8), 4, more, episodes=10, max_steps=6)
    for number, episode in done.items():
        count = number % 5
        assert episode.terminated is (8 - count <= 6)
        assert episode.truncated is not episode.terminated
        assert pixel(episode.frames)[-1][0] == min(8, count + 6)


def test_an_episode_that_ends_with_its_last_step_is_terminated_and_not_truncated():
    (episode,) = roll(CountingWorld(goal=8), 1, more, episodes=1, max_steps=8).values()
    assert (episode.steps, episode.terminated, episode.truncated) == (8, True, False)


def test_a_world_without_reward_has_none_in_its_episodes():
    assert roll(CountingWorld(goal=None), 2, episodes=1)[0].rewards is None
    assert roll(CountingWorld(), 2, episodes=1)[0].rewards is not None


def wealth(outcome, actions):
    return outcome.frames[:, 0, 0, 0] / 2, outcome.frames[:, 0, 0, 0] >= 6


def test_a_task_pays_and_ends_episodes():
    done = roll(CountingWorld(goal=None), 2, more, task="tests.rollout.test_rows:wealth", episodes=5)
    assert done[0].terminated
    assert done[0].rewards.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_directions_of_the_script_and_of_the_policy_are_kept_with_what_became_of_them():
    def speaks(view):
        said = [Direction("sing") if mind.step == 4 else None for mind in view.minds]
        return more(view), said

    done = roll(CountingWorld(goal=100), 2, speaks, episodes=2, directions=({"step": 2, "text": "jump"},))
    first = done[0]
    assert [(told.step, told.text, told.applied) for told in first.directions] == [
        (2, "jump", True),
        (4, "sing", False),
    ]
    assert pixel(first.frames)[3][0] - pixel(first.frames)[2][0] == 11


def test_minds_belong_to_episodes_and_leave_notes():
    def counts(view):
        for mind in view.minds:
            mind.memory["calls"] = mind.memory.get("calls", 0) + 1
            mind.notes["calls"] = mind.memory["calls"]
            assert mind.memory["calls"] == mind.step + 1
            assert mind.instruction == "reach 8"
        return more(view)

    done = roll(CountingWorld(goal=8), 3, counts, episodes=9)
    for number, episode in done.items():
        assert episode.metadata["notes"] == {"calls": episode.steps}
        assert episode.metadata["episode"] == number
        assert episode.metadata["instruction"] == "reach 8"


def test_a_policy_is_never_asked_about_idle_rows():
    asked = []

    def listens(view):
        asked.append((len(view.frames), view.batch))
        return more(view)

    roll(CountingWorld(), 8, listens, episodes=3)
    assert asked[0] == (3, 8)
    assert all(rows <= 3 for rows, _ in asked)


def test_what_a_policy_cannot_do_is_named():
    with pytest.raises(ActionError, match=r"policy tests.rollout.test_rows:.* gave a wrong answer: action 7"):
        roll(CountingWorld(), 2, lambda view: np.full(len(view.frames), 7))


@pytest.mark.parametrize("batch", [1, 4])
def test_futures_of_a_group_share_a_past_and_part_from_there(batch):
    done = roll(CountingWorld(goal=100), batch, episodes=8, group=4, group_after=3)
    for group in (0, 1):
        members = [done[number] for number in range(4 * group, 4 * group + 4)]
        assert len({episode.frames[0].tobytes() for episode in members}) == 1
        assert len({episode.frames.tobytes() for episode in members}) == 4
        assert {episode.metadata["group"] for episode in members} == {group}
        assert {pixel(episode.frames)[0][1] for episode in members} == {3}
    assert not apart(done, roll(CountingWorld(goal=100), 3, episodes=8, group=4, group_after=3))


def test_a_kept_moment_is_where_all_begin(tmp_path):
    world = PanWorld()
    state, _ = world.open([Start()], [5])
    state, seen = world.advance(state, np.array([1]), [Direction("night falls")])
    (tmp_path / "moment").write_bytes(state.to_bytes())
    done = roll(world, 2, episodes=3, max_steps=3, moment=tmp_path / "moment")
    assert all((episode.frames[0] == seen.frames[0]).all() for episode in done.values())


def test_a_past_that_ends_too_soon_is_named():
    with pytest.raises(OptionError, match="the past of group 0 ended after 8 steps"):
        roll(CountingWorld(goal=8), 2, more, group=2, group_after=20, episodes=2)


def test_words_of_a_world_that_has_none_are_refused():
    world = CountingWorld()
    world.spec = world.spec.with_(words=False)
    with pytest.raises(UnsupportedError, match="no words"):
        roll(world, 2, words=True)


def test_actions_of_several_fields():
    table = ActionTable(("push", "lift"), kind="box", low=(-1, -1), high=(1, 1))
    done = roll(CountingWorld(actions=table), 3, episodes=4)
    assert done[0].actions.dtype == np.float32
    assert not apart(done, roll(CountingWorld(actions=table), 1, episodes=4))


@pytest.fixture(scope="module")
def learned():
    """A neural network as a world, whose arithmetic may depend on the shape of the batch."""
    try:
        return load_world("gridrooms")
    except CheckpointError as problem:
        pytest.skip(str(problem))


def in_two_orders(world):
    plan = Plan(world="here", episodes=6, max_steps=5)
    orders = ([range(3), range(3, 6)], [range(3, 6), range(3)])
    return [{done.number: done.episode for done in Rows(world, random, plan, 4).run(order)} for order in orders]


def test_with_one_pass_a_network_s_episode_is_bitwise_the_same_whoever_its_neighbours_are(learned):
    assert not apart(*in_two_orders(load_world("gridrooms", passes=1)))


def test_where_some_rows_look_again_only_sound_may_hear_of_neighbours(learned):
    one, other = in_two_orders(learned)
    assert set(apart(one, other)) <= {"audio"}
    for number, episode in one.items():
        assert np.abs(episode.audio.astype(int) - other[number].audio).max() <= 1


def test_a_network_s_episode_is_the_same_to_the_eye_in_every_batch(learned):
    few, many = (roll(learned, batch, episodes=5, max_steps=6) for batch in (2, 5))
    for number, episode in few.items():
        assert (episode.frames == many[number].frames).all()
        assert (episode.actions == many[number].actions).all()
        assert episode.rewards == pytest.approx(many[number].rewards, abs=1e-4)
        assert np.abs(episode.audio.astype(int) - many[number].audio).max() <= 1


def test_frames_that_somebody_holds_are_never_written_over():
    held = {done.number: done.episode.frames for done in run_of(CountingWorld(), 2, episodes=40)}
    fresh = roll(CountingWorld(), 2, episodes=40)
    assert all((held[number] == fresh[number].frames).all() for number in fresh)


def test_frames_that_nobody_holds_make_room_for_others():
    places = {done.episode.frames.ctypes.data for done in run_of(CountingWorld(), 2, episodes=40)}
    assert len(places) <= 4
