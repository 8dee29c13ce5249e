"""Guards for those who learn inside a world: doubt, beginnings from real moments, and whose reward it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import CountingWorld, pixel
from wmenv.contract import Start
from wmenv.env.doubt import Doubt
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import OptionError, StartError, UnsupportedError
from wmenv.make import make_sb3, make_vector_env
from wmenv.metrics.disagreement import disagreement
from wmenv.worlds.begun import BegunWorld, kept_moments

STAY = 1


class TornWorld(CountingWorld):
    """From step 5 on, rows whose count is odd show noise that depends on their chances."""

    def _show(self, now, receipts):
        outcome = super()._show(now, receipts)
        for row in np.flatnonzero((now["step"] >= 5) & (now["count"] % 2 == 1)):
            rng = np.random.default_rng(int(now["stream"][row]))
            outcome.frames[row, 8:] = rng.integers(0, 256, outcome.frames[row, 8:].shape)
        return outcome


def torn(doubt=None, **settings):
    return WorldVectorEnv(TornWorld(), 2, doubt=doubt, **({"max_episode_steps": 12} | settings))


def test_episodes_end_where_the_world_disagrees_with_itself_and_nowhere_else():
    env = torn(Doubt(0.05, disagreement, every=4), autoreset_mode="SameStep")
    env.reset(seed=[1, 2])
    ends = {}
    for step in range(1, 13):
        _, _, terminated, truncated, infos = env.step([STAY, STAY])
        for row in np.flatnonzero(truncated):
            ends.setdefault(int(row), (step, infos["final_info"].get("events", {})))
        assert not terminated.any()
    assert ends[0][0] == 8  # steps 4 and 8 are asked about; at 4 it still agrees
    (event,) = ends[0][1][0]
    assert event.kind == "doubt"
    assert "over 0.05" in event.detail
    assert ends[1][0] == 12  # the time limit


def test_doubting_changes_no_frame():
    plain, doubting = torn(), torn(Doubt(1.0, disagreement, every=1))
    for env in (plain, doubting):
        env.reset(seed=[1, 2])
    for _ in range(11):
        a, b = plain.step([2, STAY])[0], doubting.step([2, STAY])[0]
        np.testing.assert_array_equal(a, b)


def test_doubt_is_asked_for_by_number_and_lands_in_the_record():
    env = make_vector_env(TornWorld(), 2, truncate_on_doubt=0.05, max_episode_steps=12, autoreset_mode="SameStep")
    env.reset(seed=[1, 2])
    records = [env.step([STAY, STAY])[-1].get("final_info", {}).get("wmenv") for _ in range(8)]
    assert records[-1]["event_counts"][0] == [["doubt", 1]]
    assert records[-1]["steps"][0] == 8
    assert records[-1]["reward_source"][0] == "env"


def test_what_cannot_be_doubted_says_so():
    world = CountingWorld()
    world.spec = replace(world.spec, starts=frozenset({"seed"}))
    with pytest.raises(UnsupportedError, match="truncate_on_doubt"):
        make_vector_env(world, 1, truncate_on_doubt=0.1)
    with pytest.raises(OptionError, match="limit >= 0"):
        Doubt(float("nan"), disagreement)


def test_the_record_says_whose_reward_it_was():
    def far(outcome, actions):
        return outcome.frames[:, 0, 0, 0] / 8

    for reward, name in (("world", "env"), ("none", "none"), (far, "task:far")):
        env = make_vector_env(CountingWorld(), 1, reward=reward, max_episode_steps=1)
        env.reset(seed=0)
        assert env.step([STAY])[-1]["wmenv"]["reward_source"][0] == env.reward_source == name


# --- beginnings ------------------------------------------------------------------------------------------------------


def test_rows_begin_where_others_have_been():
    inner = CountingWorld()
    pictures = [np.full((36, 36, 3), count, np.uint8) for count in (5, 6)]
    starts = kept_moments(inner, [Start(picture=picture) for picture in pictures])
    env = WorldVectorEnv(BegunWorld(inner, starts), 16, max_episode_steps=4)
    counts = [count for count, _, _ in pixel(env.reset(seed=0)[0])]
    assert set(counts) == {5, 6}
    again = [count for count, _, _ in pixel(env.reset(seed=0)[0])]
    assert again == counts
    told = env.reset(seed=0, options={"template": "low"})[0]
    assert {count for count, _, _ in pixel(told)} == {0}
    assert env.instructions()[0] == "reach 8"


def test_some_may_begin_afresh():
    world = BegunWorld(CountingWorld(), [Start(template="high")], afresh=0.5)
    _, outcome = world.open([Start()] * 200, range(200))
    begun = np.mean([count == 6 for count, _, _ in pixel(outcome.frames)])
    assert 0.35 < begun < 0.65


def test_it_is_a_world_like_others_and_trains():
    env = make_sb3(BegunWorld(CountingWorld(), [Start(template="high")]), 2, seed=0, max_episode_steps=9)
    env.reset()
    _, rewards, dones, infos = [env.step(np.array([2, 2])) for _ in range(2)][-1]
    assert rewards.tolist() == [1, 1]
    assert dones.all()
    assert infos[0]["is_success"]


def test_beginnings_are_checked_at_once():
    with pytest.raises(StartError, match="at least one"):
        BegunWorld(CountingWorld(), [])
    with pytest.raises(StartError, match="no template"):
        BegunWorld(CountingWorld(), [Start(template="middle")])
