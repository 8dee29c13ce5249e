"""A Gymnasium environment behind the protocol is still that environment, frame by frame; and its bytes hold no code."""

import functools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from wmenv.contract import (
    ActionTable,
    AudioSpec,
    Direction,
    Instructs,
    Receipt,
    Start,
    WorldSpec,
    pack_arrays,
    unpack_arrays,
)
from wmenv.errors import SnapshotError, UnsupportedError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.source import CUT, MAGIC, SourceWorld, gridrooms

SPACES = {
    "discrete": spaces.Discrete(3, start=1),
    "multi_discrete": spaces.MultiDiscrete([3, 2]),
    "box": spaces.Box(-1, 1, (2,), np.float32),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
}


class Lamp(gym.Env):
    """A plain environment: a grey level that actions and chance move; it ends when it is bright."""

    observation_space = spaces.Box(0, 255, (8, 6, 3), np.uint8)

    def __init__(self, action_space=SPACES["discrete"]):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.level = float(self.np_random.integers(60, 90))
        return self._picture(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.level += float(np.sum(action)) + self.np_random.integers(0, 3)
        return self._picture(), 1.0, self.level > 110, False, {}

    def _picture(self):
        return np.full((8, 6, 3), int(np.clip(self.level, 0, 255)), np.uint8)


class TalkingLamp(Lamp):
    """One that also tells what a world model must learn from."""

    world_spec = WorldSpec(
        name="talking-lamp",
        height=8,
        width=6,
        fps=5,
        actions=ActionTable(("dim", "stay", "bright"), noop=1),
        reward="env",
        terminates=True,
        directions=True,
        words=True,
        audio=AudioSpec(100, 20),
        pose="true",
        suggestions=("brighter",),
    )

    def direct(self, text):
        if text != "brighter":
            return Receipt(False, "a lamp only knows 'brighter'.")
        self.level += 15
        return Receipt(True)

    def look(self):
        return self._picture()

    def sound(self):
        return np.full(20, int(self.level), np.int16)

    def caption(self):
        return f"a lamp at {self.level:.0f}"

    def pose(self):
        return np.array([0, 0, 0], np.float32)

    def instruction(self):
        return "make it bright"


class Uncopyable(Lamp):
    """An environment that holds something that cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle 'Window' object")


WORLDS = {name: functools.partial(SourceWorld, functools.partial(Lamp, space)) for name, space in SPACES.items()} | {
    "talking": functools.partial(SourceWorld, TalkingLamp),
    "replayed forks": functools.partial(SourceWorld, Uncopyable, forks="replay"),
    "time limit": functools.partial(SourceWorld, lambda: gym.wrappers.TimeLimit(Lamp(), 3)),
    "gridrooms": gridrooms,
    "gridrooms reach": functools.partial(gridrooms, task="reach"),
}


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("name", WORLDS)
def test_it_keeps_the_contract(name, clause):
    check_clause(WORLDS[name](), clause)


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1"])
def test_gymnasiums_own_environments_keep_the_contract_through_their_rendering(name):
    make = functools.partial(gym.make, name, render_mode="rgb_array")
    world = SourceWorld(make, forks="replay", pixels="render")
    for clause in CLAUSES:
        check_clause(world, clause, steps=2)


def walk(world, state, actions, wish=None):
    outcomes = []
    for action in actions:
        state, outcome = world.advance(state, np.array([action]), [Direction(wish) if wish else None])
        outcomes.append(outcome)
        wish = None
    return state, outcomes


def test_it_shows_what_the_environment_shows():
    world, env = SourceWorld(Lamp), Lamp()
    state, first = world.open([Start()], [5])
    assert (first.frames[0] == env.reset(seed=5)[0]).all()
    _, outcomes = walk(world, state, [0, 2, 1])
    for outcome, action in zip(outcomes, [1, 3, 2], strict=True):  # the environment counts from 1
        frame, reward, terminated, _, _ = env.step(action)
        assert (outcome.frames[0] == frame).all()
        assert (outcome.reward[0], outcome.terminated[0]) == (reward, terminated)


def test_the_ends_of_a_range_in_float64_can_be_reached():
    world = SourceWorld(functools.partial(Lamp, spaces.Box(-0.1, 0.1, (2,), np.float64)))
    state, _ = world.open([Start()], [0])
    world.advance(state, np.array([[-0.1, 0.1]]), [None])  # a lamp asserts that its action is in its space


def test_an_ended_row_stays_as_it_ended():
    world = SourceWorld(TalkingLamp)
    state, _ = world.open([Start()], [0])
    while True:
        state, (outcome,) = walk(world, state, [2])
        if outcome.terminated[0]:
            break
    assert outcome.reward[0] == 1
    assert outcome.audio.any()
    _, (after,) = walk(world, state, [2], "brighter")
    assert (after.frames == outcome.frames).all()
    assert (after.reward[0], after.terminated[0], after.audio.any()) == (0, True, False)
    assert after.receipts[0] == Receipt(False, "this episode has ended.")


def test_the_environments_own_time_limit_is_an_event_and_no_end():
    world = SourceWorld(lambda: gym.wrappers.TimeLimit(Lamp(), 2))
    state, _ = world.open([Start()], [0])
    _, outcomes = walk(world, state, [0, 0, 0])
    assert [outcome.events[0] for outcome in outcomes] == [(), (CUT,), (CUT,)]
    assert not outcomes[-1].terminated[0]


def test_a_direction_shows_in_the_frame_it_came_with_and_comes_back_with_the_past():
    world = SourceWorld(TalkingLamp)
    state, first = world.open([Start()], [0])
    state, (outcome,) = walk(world, state, [0], "brighter")
    assert int(outcome.frames.max()) - int(first.frames.max()) >= 15
    revived = world.revive(state.to_bytes())
    assert world.describe(revived) == world.describe(state)
    _, (refused,) = walk(world, state, [0], "sing")
    assert "only knows" in refused.receipts[0].reason


def test_a_lock_is_refused_since_the_environment_cannot_keep_it():
    world = SourceWorld(TalkingLamp)
    state, _ = world.open([Start()], [0])
    _, outcome = world.advance(state, np.array([1]), [Direction("brighter", lock=(0, 0, 2, 2))])
    assert not outcome.receipts[0].applied


def test_words_and_instructions_come_from_the_environment():
    world = SourceWorld(TalkingLamp)
    state, _ = world.open([Start(), Start()], [0, 1])
    assert world.instructions(state) == ["make it bright"] * 2
    assert world.describe(state)[0].startswith("a lamp at")
    plain = SourceWorld(Lamp)
    with pytest.raises(UnsupportedError, match="words"):
        plain.describe(plain.open([Start()], [0])[0])
    assert isinstance(world, Instructs)
    assert not isinstance(plain, Instructs)


def test_a_moment_goes_on_with_new_chances_from_another_seed():
    world = SourceWorld(Lamp)
    state, _ = walk(world, world.open([Start()], [0])[0], [1, 1])
    moment = state.to_bytes()
    futures = []
    for seed in (1, 1, 2, 3, 4):
        branch, outcome = world.open([Start(moment=moment)], [seed])
        assert outcome.frames.max() == state.lives[0].frame.max()
        branch, outcomes = walk(world, branch, [0, 1, 0, 1])
        assert world.revive(branch.to_bytes()).lives[0].checksum == branch.lives[0].checksum
        futures.append([int(outcome.frames.max()) for outcome in outcomes])
    assert futures[0] == futures[1]
    assert len({tuple(future) for future in futures}) > 1


def test_templates_reach_the_environment():
    world = gridrooms()
    state, _ = world.open([Start(template=name) for name in world.spec.templates], [0] * len(world.spec.templates))
    assert len(set(world.instructions(state))) == len(world.spec.templates)


def test_an_environment_that_cannot_be_copied_says_what_to_do():
    world = SourceWorld(Uncopyable)
    state, _ = world.open([Start()], [0])
    with pytest.raises(SnapshotError, match="forks='replay'"):
        state.fork()


def test_a_past_that_leads_elsewhere_is_refused():
    class Brighter(Lamp):
        def _picture(self):
            return super()._picture() + 1

    data = SourceWorld(Lamp, spec=SourceWorld(Brighter).spec).open([Start()], [0])[0].to_bytes()
    with pytest.raises(SnapshotError, match="another picture"):
        SourceWorld(Brighter).revive(data)


@pytest.mark.parametrize(
    "lie",
    [
        {"seed": "zero"},
        {"template": "attic"},
        {"steps": 99},
        {"steps": -1},
        {"notes": [[0, "direct"]]},
        {"notes": 7},
        {"picture": None},
        {"seed": None},
    ],
)
def test_a_past_that_was_tampered_with_is_refused(lie):
    world = SourceWorld(Lamp)
    state, _ = walk(world, world.open([Start()], [0])[0], [1, 1])
    arrays, meta = unpack_arrays(state.to_bytes()[len(MAGIC) :])
    meta["lives"][0] |= lie
    with pytest.raises(SnapshotError):
        world.revive(MAGIC + pack_arrays(arrays, meta))


def test_a_past_of_another_world_is_refused():
    data = SourceWorld(TalkingLamp).open([Start()], [0])[0].to_bytes()
    with pytest.raises(SnapshotError, match="talking-lamp"):
        SourceWorld(Lamp).revive(data)


def test_rows_of_another_environment_are_not_put_among_ours():
    (state, _), (guest, _) = (SourceWorld(make).open([Start()], [0]) for make in (Lamp, TalkingLamp))
    for mix in (lambda: state.put([0], guest), lambda: type(state).concat([state, guest])):
        with pytest.raises(SnapshotError, match=r"'talking-lamp' .* among rows of 'Lamp'"):
            mix()
    assert [len(one.fork()) for one in (state, guest)] == [1, 1]


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (functools.partial(gym.make, "CartPole-v1"), "pixels='render'"),
        (lambda: Lamp(spaces.Dict({"a": spaces.Discrete(2)})), "Discrete, MultiDiscrete and Box"),
    ],
)
def test_an_environment_it_cannot_show_is_refused_with_advice(make, hint):
    with pytest.raises(UnsupportedError, match=hint):
        SourceWorld(make)


def test_names_of_actions_come_from_the_environment_when_it_has_them():
    class Named(Lamp):
        def get_action_meanings(self):
            return ["NOOP", "UP", "DOWN"]

    table = SourceWorld(Named).spec.actions
    assert table.names == ("NOOP", "UP", "DOWN")
    assert table.noop == 0
    assert SourceWorld(Lamp).spec.actions.noop is None
