"""The wrapper on single and vector environments: it writes what happened and changes nothing."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.env.single import WorldEnv
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import LogError, OptionError
from wmenv.logs.record_episodes import RecordEpisodes, RecordVectorEpisodes
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.logs.sinks import read_jsonl


def single(observed: bool = True) -> WorldEnv:
    world = CountingWorld()
    return WorldEnv(world, max_episode_steps=9, observer=EpisodeRecorder(world.spec, 1) if observed else None)


def vector(observed: bool = True, rows: int = 3) -> WorldVectorEnv:
    world = CountingWorld()
    recorder = EpisodeRecorder(world.spec, rows) if observed else None
    return WorldVectorEnv(world, rows, max_episode_steps=9, observer=recorder)


def play(env: gymnasium.Env, episodes: int = 3) -> list:
    rng, seen = np.random.default_rng(0), []
    for episode in range(episodes):
        seen.append(env.reset(seed=episode)[0])
        ended = False
        while not ended:
            frame, reward, terminated, truncated, _ = env.step(int(rng.integers(3)))
            seen.append((frame.copy(), reward))
            ended = terminated or truncated
    return seen


@pytest.mark.parametrize("observed", [True, False])
def test_episodes_of_a_single_environment_are_written(tmp_path, observed):
    env = RecordEpisodes(single(observed), tmp_path, formats=("jsonl", "csv"))
    play(env)
    env.close()
    records = read_jsonl(tmp_path / "episodes.jsonl")
    assert [record["seed"] for record in records] == [0, 1, 2]
    assert (tmp_path / "episodes.csv").read_text().count("\n") == 4


def test_recording_changes_no_frame_and_no_reward(tmp_path):
    plain, recorded = play(single(False)), play(RecordEpisodes(single(), tmp_path, video_every=1, video="mkv"))
    for a, b in zip(plain, recorded, strict=True):
        if isinstance(a, tuple):
            assert a[1] == b[1]
            a, b = a[0], b[0]
        assert (a == b).all()


def test_a_vector_environment_stays_one(tmp_path):
    env = RecordEpisodes(vector(), tmp_path, video_every=2, video="mkv")
    assert isinstance(env, RecordVectorEpisodes)
    assert isinstance(env, gymnasium.vector.VectorEnv)
    env.reset(seed=0)
    for _ in range(25):
        env.step(np.ones(3, np.int64))
    env.close()
    records = read_jsonl(tmp_path / "episodes.jsonl")
    assert {record["row"] for record in records} == {0, 1, 2}
    assert {record["end"] for record in records} >= {"truncated", "abandoned"}
    assert len(list((tmp_path / "videos").glob("*.mkv"))) >= 3


def test_loggers_hear_of_every_episode(tmp_path):
    class Run:
        steps: list[int] = []  # noqa: RUF012

        def log(self, values, step):
            self.steps.append(step)

    play(RecordEpisodes(single(), tmp_path, formats=(), loggers=[Run()]))
    assert len(Run.steps) == 3
    assert Run.steps == sorted(Run.steps)


def test_what_can_never_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogError, match="cannot write to"):
        RecordEpisodes(single(), tmp_path / "file")
    with pytest.raises(OptionError, match="Did you mean 'csv'"):
        RecordEpisodes(single(), tmp_path, formats=("cvs",))


def test_a_foreign_environment_is_refused(tmp_path):
    with pytest.raises(OptionError, match="is no wmenv environment"):
        RecordEpisodes(gymnasium.make("CartPole-v1"), tmp_path)
