"""Verdicts read off pictures are those of the true environment, step by step, and catch a reward that is not earned."""

from __future__ import annotations

import numpy as np
import pytest

from wmenv.contract import Outcome
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import OptionError
from wmenv.sources.gridrooms.env import GridRooms
from wmenv.sources.gridrooms.policies import make_policy
from wmenv.sources.gridrooms.verdicts import VERDICTS, DecodedTask
from wmenv.worlds.source import SourceWorld


def episodes(task: str, policy: str, count: int):
    """(frame before, action, frame after, reward, over) of every step."""
    env, act = GridRooms(task), make_policy(policy, np.random.default_rng(1))
    for seed in range(count):
        before, _ = env.reset(seed=seed)
        for _ in range(80):
            action = act(env)
            after, reward, over, _, _ = env.step(action)
            yield before, action, after, reward, over
            before = after
            if over:
                break


@pytest.mark.parametrize("task", VERDICTS)
@pytest.mark.parametrize("policy", ["solver", "weird"])
def test_pictures_say_what_the_simulator_says(task, policy):
    seen = {"done": 0, "over": 0}
    for before, action, after, reward, over in episodes(task, policy, 40):
        judge = DecodedTask(task)
        judge.opened([0], before[None])
        told = judge(Outcome(frames=after[None]), np.array([action]))
        assert (told[0][0], told[1][0]) == (reward, over)
        seen["done"] += reward > 0
        seen["over"] += over
    assert seen["done"] or policy == "weird"
    assert seen["over"] >= seen["done"]


def test_failing_is_seen_too():
    failed = {
        task: sum(over and not reward for *_, reward, over in episodes(task, "weird", 80))
        for task in ("fetch", "put_next")
    }
    assert all(failed.values())


def test_as_the_reward_of_an_environment_it_is_the_reward_of_the_environment():
    """Across resets, autoresets, restores and forks."""
    plain, judged = (
        WorldVectorEnv(
            SourceWorld(lambda: GridRooms("fetch", rooms=1)), 3, reward=reward, autoreset_mode="SameStep",
            max_episode_steps=30,
        )
        for reward in ("world", DecodedTask("fetch"))
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for env in (plain, judged):
        env.reset(seed=5)
    paid = 0
    for step in range(400):
        actions = rng.choice(4, 3, p=(0.2, 0.2, 0.4, 0.2))
        told = [env.step(actions) for env in (plain, judged)]
        for a, b in zip(told[0][:4], told[1][:4], strict=True):
            np.testing.assert_array_equal(a, b)
        paid += told[0][1].sum()
        if step % 50 == 20:
            for env in (plain, judged):
                env.fork([0], [2])
                env.restore(env.snapshot([1]), [0])
    assert paid >= 3
    assert (plain.reward_source, judged.reward_source) == ("env", "task:decoded fetch")


def test_a_task_that_no_picture_shows_is_refused():
    with pytest.raises(OptionError, match="Did you mean 'fetch'"):
        DecodedTask("fetsh")
