"""GridRooms as a Gymnasium environment: its contract, its tasks, and that a copy lives its own life."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from wmenv.contract import SourceEnv
from wmenv.errors import ActionError, LifecycleError, OptionError
from wmenv.sources.gridrooms import TASKS, GridRooms
from wmenv.sources.gridrooms.layout import SIZE, reachable

PICKUP, DROP, TOGGLE, FORWARD, STAY = 3, 4, 5, 2, 6


@pytest.mark.parametrize("task", TASKS)
def test_gymnasium_accepts_it(task):
    spec = gym.envs.registration.EnvSpec("GridRoomsUnderTest-v0", entry_point=GridRooms, kwargs={"task": task})
    check_env(gym.make(spec, render_mode="rgb_array").unwrapped)


def test_it_is_a_source():
    env = GridRooms("fetch")
    assert isinstance(env, SourceEnv)
    spec = env.world_spec
    assert (spec.height, spec.width, 3) == env.observation_space.shape
    assert (spec.actions.count, spec.actions.noop) == (env.action_space.n, STAY)
    assert (spec.reward, spec.terminates) == ("env", True)
    assert (GridRooms().world_spec.reward, GridRooms().world_spec.terminates) == (None, False)


def test_the_seed_alone_decides(walk):
    first = [(frame.tobytes(), env.sound().tobytes(), env.caption()) for env, frame in walk("explore", 100, seed=5)]
    again = [(frame.tobytes(), env.sound().tobytes(), env.caption()) for env, frame in walk("explore", 100, seed=5)]
    other = [(frame.tobytes(), env.sound().tobytes(), env.caption()) for env, frame in walk("explore", 100, seed=6)]
    assert first == again
    assert first != other


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_alike_and_disturbs_nothing(walk, clone):
    *_, (env, _) = walk("put_next", 30)
    twin, stray, rng = clone(env), clone(env), np.random.default_rng(0)
    for action in rng.integers(0, 7, 50):
        stray.step(int(action))
    stray.direct("the lights go out")
    stray.reset()
    for action in rng.integers(0, 7, 50):
        ours, theirs = env.step(int(action)), twin.step(int(action))
        assert (ours[0] == theirs[0]).all()
        assert ours[1:4] == theirs[1:4]
        assert (env.sound() == twin.sound()).all()
    assert (env.reset()[0] == twin.reset()[0]).all()


@pytest.mark.parametrize("task", TASKS)
def test_every_place_can_be_reached(task):
    for seed in range(30):
        env = GridRooms(task)
        env.reset(seed=seed)
        reached = reachable(env.grid, env.agent_pos)
        for index, thing in enumerate(env.grid.grid):
            if thing is None or thing.type in ("door", "goal"):
                assert (index % SIZE, index // SIZE) in reached


@pytest.mark.parametrize("rooms", [1, 2, 3, 4])
def test_the_number_of_rooms_can_be_fixed(rooms):
    env = GridRooms(rooms=rooms)
    env.reset(seed=0)
    assert sum(thing is not None and thing.type == "door" for thing in env.grid.grid) >= rooms - 1
    walled = sum(thing is not None and thing.type in ("wall", "door") for thing in env.grid.grid)
    assert (walled == 4 * (SIZE - 1)) == (rooms == 1)


def _count(env: GridRooms, kind: str) -> int:
    return sum(thing is not None and thing.type == kind for thing in env.grid.grid)


def test_each_task_has_what_it_needs():
    for seed in range(20):
        envs = {task: GridRooms(task) for task in TASKS}
        for env in envs.values():
            env.reset(seed=seed)
        assert _count(envs["reach"], "goal") == 1
        assert _count(envs["fetch"], "ball") == 1
        assert _count(envs["put_next"], "ball") == _count(envs["put_next"], "box") == 1
        locked = [t for t in envs["unlock"].grid.grid if t is not None and t.type == "door" and t.is_locked]
        assert len(locked) == 1
        assert ("key", locked[0].color) in {(t.type, t.color) for t in envs["unlock"].grid.grid if t is not None}


def test_fetching_the_wrong_thing_ends_with_nothing(begin_where):
    env = begin_where("a red key appears ahead", "fetch")
    assert env.step(PICKUP)[1:4] == (0.0, True, False)
    env = begin_where("a red ball appears ahead", "fetch")
    assert env.step(PICKUP)[1:4] == (1.0, True, False)


def test_a_ball_dropped_beside_a_box_is_a_success(begin_where):
    env = begin_where("a grey box appears two ahead", "put_next")
    assert env.direct("a red ball appears ahead").applied
    assert env.step(PICKUP)[1:4] == (0.0, False, False)
    assert env.step(DROP)[1:4] == (1.0, True, False)


def test_opening_the_box_loses_it(begin_where):
    env = begin_where("a red box appears ahead", "put_next")
    assert env.step(TOGGLE)[1:4] == (0.0, True, False)


def test_explore_never_pays_and_never_ends(begin_where):
    env = GridRooms()
    env.reset(seed=0, options={"template": "fetch"})
    assert env.instruction() == "pick up the ball"
    env = begin_where("a red ball appears ahead")
    assert env.step(PICKUP)[1:4] == (0.0, False, False)


def test_a_template_lays_out_another_task():
    env = GridRooms("reach")
    env.reset(seed=0, options={"template": "unlock"})
    assert env.instruction() == "open the locked door"
    assert _count(env, "goal") == 0
    env.reset()
    assert env.instruction() == "go to the green goal"


def test_the_step_limit_is_kept_only_where_it_was_asked_for():
    env = GridRooms(max_steps=2)
    env.reset(seed=0)
    assert [env.step(STAY)[3] for _ in range(2)] == [False, True]


def test_misuse_gets_a_named_error():
    with pytest.raises(OptionError, match="Did you mean 'fetch'"):
        GridRooms("fetsh")
    with pytest.raises(OptionError, match="2 to 4 rooms"):
        GridRooms("unlock", rooms=1)
    env = GridRooms()
    with pytest.raises(LifecycleError, match="before reset"):
        env.step(0)
    with pytest.raises(LifecycleError, match="before reset"):
        env.direct("the lights go out")
    with pytest.raises(OptionError, match="template"):
        env.reset(options={"templat": "fetch"})
    env.reset(seed=0)
    with pytest.raises(ActionError, match="action 7"):
        env.step(7)
