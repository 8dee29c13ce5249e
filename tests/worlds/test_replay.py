"""A replay shows what was recorded, frame by frame, and admits that it can do no more."""

import numpy as np
import pytest

from wmenv.contract import AudioSpec, Start
from wmenv.episodes import Episode
from wmenv.errors import EpisodeFileError, SnapshotError, UnsupportedError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.replay import OVER, ReplayWorld

STEPS = 6


def record(seed, **changes):
    """A walk in the pan world, with a sound that a pan world does not make."""
    world = PanWorld()
    rng = np.random.default_rng(seed)
    state, outcome = world.open([Start()], [seed])
    frames, pose, words, actions = (
        [outcome.frames[0]],
        [outcome.pose[0]],
        world.describe(state),
        rng.integers(0, 5, STEPS),
    )
    for action in actions:
        state, outcome = world.advance(state, np.array([action]), [None])
        frames.append(outcome.frames[0])
        pose.append(outcome.pose[0])
        words += world.describe(state)
    fields = {
        "frames": np.stack(frames),
        "actions": actions,
        "spec": world.spec.with_(reward="env", terminates=True, audio=AudioSpec(8000, 400)),
        "rewards": np.arange(STEPS, dtype=np.float32),
        "terminated": True,
        "audio": rng.integers(-99, 99, (STEPS, 400), dtype=np.int16),
        "pose": np.stack(pose),
        "words": tuple(words),
    }
    return Episode(**(fields | changes))


@pytest.fixture(scope="module")
def episodes():
    return [record(0), record(1, terminated=False)]


@pytest.mark.parametrize("clause", CLAUSES)
def test_it_keeps_the_contract(episodes, clause):
    check_clause(ReplayWorld(episodes), clause)


@pytest.mark.parametrize("clause", CLAUSES)
def test_it_keeps_the_contract_with_several_frames_per_step(episodes, clause):
    spec = episodes[0].spec.with_(frames_per_step=2, reward=None, audio=None, pose=None)
    slow = Episode(episodes[0].frames[:7], np.zeros(3, np.int64), spec)
    world = ReplayWorld(slow)
    assert world.spec.frames_per_step == 2
    check_clause(world, clause)


def test_it_plays_the_recording_whatever_is_done(episodes):
    world = ReplayWorld(episodes)
    state, outcome = world.open([Start(template="episode-1")], [0])
    played = [outcome]
    for step in range(STEPS):
        state, outcome = world.advance(state, np.array([step % 5]), [None])
        played.append(outcome)
    recorded = episodes[1]
    assert (np.stack([o.frames[0] for o in played]) == recorded.frames).all()
    assert (np.stack([o.pose[0] for o in played]) == recorded.pose).all()
    assert [o.reward[0] for o in played[1:]] == recorded.rewards.tolist()
    assert (np.stack([o.audio[0] for o in played[1:]]) == recorded.audio).all()
    assert world.describe(state) == [recorded.words[-1]]


def test_after_the_end_the_last_frame_stays_and_the_world_says_so(episodes):
    world = ReplayWorld(episodes)
    state, _ = world.open([Start(), Start()], [0, 1])
    for _ in range(STEPS + 2):
        state, outcome = world.advance(state, np.array([0, 0]), [None, None])
    assert (outcome.frames[0] == episodes[0].frames[-1]).all()
    assert outcome.events == [(OVER,), (OVER,)]
    assert outcome.terminated.tolist() == [True, False]
    assert outcome.reward.tolist() == [0, 0]
    assert not outcome.audio.any()


def test_the_spec_promises_only_what_every_episode_has(episodes):
    silent = record(2, audio=None, rewards=None, words=None, pose=None, terminated=False)
    spec = ReplayWorld([*episodes, silent]).spec
    assert (spec.audio, spec.reward, spec.words, spec.pose) == (None, None, False, None)
    assert spec.terminates
    assert not spec.actions.pans
    assert not spec.actions.inverse
    world = ReplayWorld(silent)
    state, _ = world.open([Start()], [0])
    with pytest.raises(UnsupportedError, match="words"):
        world.describe(state)


def test_recordings_that_do_not_fit_together_are_refused(episodes):
    slower = record(3, spec=episodes[0].spec.with_(fps=5))
    with pytest.raises(EpisodeFileError, match="episode 1"):
        ReplayWorld([episodes[0], slower])
    with pytest.raises(EpisodeFileError, match="none"):
        ReplayWorld([])


def test_a_state_over_another_recording_is_refused(episodes):
    data = ReplayWorld(episodes[0]).open([Start()], [0])[0].to_bytes()
    with pytest.raises(SnapshotError):
        ReplayWorld(episodes[1]).revive(data)
