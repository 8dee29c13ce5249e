"""Players: scripts, policies and hands, on the pan world."""

from __future__ import annotations

import numpy as np
import pytest

from wmenv.env.single import WorldEnv
from wmenv.errors import ActionError, OptionError, UnsupportedError
from wmenv.play import Direct, Hands, follow, make_player, play_episode, read_script
from wmenv.worlds.pan import ACTIONS, PanWorld


@pytest.fixture
def env():
    with WorldEnv("pan", reward="none", max_episode_steps=6) as env:
        yield env


class TypedKeys:
    """A console whose keys and lines were typed beforehand."""

    def __init__(self, *keys: str | None) -> None:
        self.keys, self.shown = list(keys), 0

    def show(self, frame: np.ndarray, caption: str) -> None:
        self.shown += 1
        self.caption = caption

    def pressed(self, wait_s: float | None) -> str | None:
        return self.keys.pop(0)

    def ask(self, prompt: str) -> str:
        return "night falls"


def frames_of(env, player, seed=3):
    frames = []
    finished = play_episode(env, player, seed=seed, watch=frames.append)
    return finished, frames


def test_a_script_is_followed_and_stops_where_it_ends(env):
    finished, frames = frames_of(env, follow(read_script("right*2,left*2", ACTIONS)))
    assert not finished
    assert len(frames) == 5
    assert (frames[0] == frames[4]).all()
    assert (frames[0] != frames[2]).any()


def test_an_episode_that_ends_ends_the_play(env):
    finished, frames = frames_of(env, follow(read_script("right*20", ACTIONS)))
    assert finished
    assert len(frames) == 7


def test_a_direction_in_a_script_changes_the_world_with_the_next_action(env):
    _, plain = frames_of(env, follow(read_script("noop*2", ACTIONS)))
    _, directed = frames_of(env, follow(read_script("noop, direct:night falls, noop", ACTIONS)))
    assert (plain[1] == directed[1]).all()
    assert directed[-1].mean() < plain[-1].mean()


@pytest.mark.parametrize("script", ["rigth", "right*x", "right*", "right*-1", "right*1.5"])
def test_a_script_with_a_slip_names_it(script):
    with pytest.raises(ActionError, match=r"rigth|right"):
        read_script(script, ACTIONS)


def test_the_random_policy_is_seeded(env):
    _, once = frames_of(env, make_player("random", env, seed=5))
    _, again = frames_of(env, make_player("random", env, seed=5))
    _, other = frames_of(env, make_player("random", env, seed=6))
    assert (np.stack(once) == np.stack(again)).all()
    assert (np.stack(once) != np.stack(other)).any()


def test_a_policy_can_be_anybodys_factory(env):
    finished, _ = frames_of(env, make_player("tests.test_play:always_right", env, seed=0))
    assert finished


def always_right(env, seed):
    return lambda frame: ACTIONS.index("right")


@pytest.mark.parametrize("policy", ["randon", "no.such.module:policy", "wmenv.play:no_such_policy"])
def test_an_unknown_policy_is_named(env, policy):
    with pytest.raises(OptionError, match=policy.split(":")[-1].split(".")[0]):
        make_player(policy, env, seed=0)


def test_hands_act_direct_and_stop(env):
    console = TypedKeys("d", "?", "/", "d", "Escape")
    before, *_, after = frames_of(env, Hands(console, env))[1]
    assert after.mean() < before.mean()  # it is night
    assert console.keys == []
    assert "/:direct" in console.caption


def test_hands_let_a_live_world_go_on(env):
    finished, frames = frames_of(env, Hands(TypedKeys("d", *[None] * 5), env, live=True))
    assert finished
    assert len(frames) == 7


def test_a_world_without_keys_asks_for_another_player(env):
    world = PanWorld()
    world.spec = world.spec.with_(actions=type(ACTIONS)(("left", "right")))
    keyless = WorldEnv(world, reward="none")
    with pytest.raises(UnsupportedError, match="no keys"):
        Hands(TypedKeys(), keyless)


def test_follow_answers_none_for_ever_after():
    player = follow([Direct("night falls")])
    assert [player(None), player(None), player(None)] == [Direct("night falls"), None, None]
