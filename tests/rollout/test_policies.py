"""Policies by name, and the streams they draw from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.errors import CheckpointError, OptionError, UnsupportedError
from wmenv.rollout.policies import Mind, View, load_policy, policy_name

SPEC = CountingWorld().spec


def view(*seeds, spec=SPEC, step=0):
    minds = [Mind(seed, np.random.default_rng(seed), step=step) for seed in seeds]
    return View(np.zeros((len(seeds), 36, 36, 3), np.uint8), minds, spec, batch=4)


@pytest.mark.parametrize("name", ["random", "wander"])
def test_chance_belongs_to_the_episode(name):
    policy = load_policy(name, {})
    alone, beside = view(1), view(0, 1, 2)
    drawn = [(policy(alone)[0], policy(beside)[1]) for _ in range(30)]
    assert all(one == other for one, other in drawn)
    assert len({one for one, _ in drawn}) == 3


def test_a_wanderer_holds_on_to_an_action_and_a_random_walker_does_not():
    def changes(name):
        policy, seen = load_policy(name, {}), view(3)
        return np.count_nonzero(np.diff([policy(seen)[0] for _ in range(300)]))

    assert changes("wander") < 0.6 * changes("random")


def test_idling_needs_an_action_that_does_nothing():
    assert load_policy("idle", {})(view(0, 1)).tolist() == [1, 1]
    from dataclasses import replace

    restless = SPEC.with_(actions=replace(SPEC.actions, noop=None))
    with pytest.raises(UnsupportedError, match="does nothing"):
        load_policy("idle", {})(view(0, spec=restless))


def always(view, action=0):
    return np.full(len(view.frames), action)


class Always:
    def __init__(self, action):
        self.action = action

    def __call__(self, view):
        return always(view, self.action)


@pytest.mark.parametrize("name", ["always", "Always"])
def test_functions_and_classes_take_settings(name):
    policy = load_policy(f"tests.rollout.test_policies:{name}", {"action": 2})
    assert policy(view(0, 1)).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("randon", {}, "Did you mean 'random'"),
        ("no.such:thing", {}, "cannot be loaded"),
        ("tests.rollout.test_policies:nobody", {}, "cannot be loaded"),
        ("tests.rollout.test_policies:always", {"speed": 3}, "does not take the settings"),
        ("tests.rollout.test_policies:Always", {}, "does not take the settings"),
    ],
)
def test_a_policy_that_cannot_be_had_is_named(name, settings, said):
    with pytest.raises(OptionError, match=said):
        load_policy(name, settings)


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "model.zip").write_bytes(b"PK")
    with pytest.raises(CheckpointError, match=r"model.zip is no Stable-Baselines3 model"):
        load_policy(str(tmp_path / "model.zip"), {})


def test_how_a_policy_is_called_in_the_data():
    assert policy_name("random") == "random"
    assert policy_name(always) == "tests.rollout.test_policies:always"
    assert policy_name(Always(1)) == "tests.rollout.test_policies:Always"
