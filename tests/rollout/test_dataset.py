"""A data set is a sequence of episodes that can be trained on, replayed, summed up and checked."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import pixel
from wmenv.contract import Start, no_directions
from wmenv.errors import EpisodeFileError
from wmenv.rollout.dataset import Dataset, verified
from wmenv.rollout.preview import preview
from wmenv.rollout.report import worst_first, write_report


def test_it_is_a_sequence(make):
    data = make("data", episodes=7)
    assert len(data) == 7
    assert [episode.metadata["episode"] for episode in data] == list(range(7))
    assert [episode.metadata["episode"] for episode in data[2:5]] == [2, 3, 4]
    assert data.spec.name == "counting"
    with pytest.raises(IndexError):
        data[7]


def test_it_plays_as_a_world(make):
    data = make("data", episodes=5)
    world = data.replay([3, 4])
    state, seen = world.open([Start(template="episode-1")], [0])
    assert (seen.frames[0] == data[4].frames[0]).all()
    state, seen = world.advance(state, np.array([0]), no_directions(1))
    assert (seen.frames[0] == data[4].frames[1]).all()


def test_the_seed_of_an_episode_is_the_seed_of_an_environment(make):
    """Episode i is what anybody sees who resets the same world with seed + i and acts the same."""
    from tests.fakes import CountingWorld
    from wmenv.env.single import WorldEnv

    data = make("data", episodes=4, seed=20)
    env = WorldEnv(CountingWorld())
    for number, episode in enumerate(data):
        frame, _ = env.reset(seed=20 + number)
        frames = [frame] + [env.step(action)[0] for action in episode.actions]
        assert (np.stack(frames) == episode.frames).all()


def test_an_unfinished_data_set_says_what_is_there(make):
    data = make("data")
    (data.folder / "shards" / "shard-000001.json").unlink()
    part = Dataset(data.folder)
    assert not part.complete
    assert part.numbers == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert len(list(part)) == 9
    with pytest.raises(EpisodeFileError, match="episode 4 has not been made yet"):
        part[4]
    assert "3 are not made yet" in verified(part)
    assert part.facts()["episodes"] == "9 of 12"


def test_damage_is_named_by_verify_and_when_read(make):
    data = make("data")
    path = data.folder / "shards" / "shard-000002.npz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EpisodeFileError, match=r"shard-000002.npz is damaged"):
        Dataset(data.folder)[7]
    with pytest.raises(EpisodeFileError, match=r"1 of 4 shards are damaged. shard-000002.npz: it has 300 bytes"):
        verified(Dataset(data.folder))


def test_a_folder_without_a_rollout_is_named(tmp_path):
    with pytest.raises(EpisodeFileError, match="holds no rollout"):
        Dataset(tmp_path)


def test_every_episode_has_its_record(make):
    data = make("data", episodes=6)
    for record, episode in zip(data.records, data, strict=True):
        assert record["steps"] == episode.steps
        assert record["return"] == float(episode.rewards.sum())
        assert record["latency_ms"]["n"] == episode.steps


def test_recording_changes_no_episode(make):
    watched, unwatched = make("watched"), make("unwatched", record=False)
    assert [s["sha256"] for s in watched.manifest["shards"]] == [s["sha256"] for s in unwatched.manifest["shards"]]
    assert "latency_ms" not in next(iter(unwatched.records))


def test_the_report_shows_figures_alarms_directions_and_the_worst(make):
    data = make("data", directions=({"step": 3, "text": "jump"},))
    told = write_report(data).read_text()
    for said in ("12 of 12", "first frame, ms", "| jump |", "Worst episodes", "report-worst.png"):
        assert said in told
    assert (data.folder / "report-worst.png").stat().st_size > 1000
    assert "without records" in write_report(make("unwatched", record=False)).read_text()


def test_worst_is_most_alarms_then_least_return():
    records = [
        {"episode": 0, "return": 1.0, "alarms": []},
        {"episode": 1, "return": 5.0, "alarms": ["cuts", "drift"]},
        {"episode": 2, "return": -1.0, "alarms": []},
    ]
    assert [record["episode"] for record in worst_first(records)] == [1, 2, 0]


def test_previews_are_pictures_and_films(make, tmp_path):
    data = make("data", episodes=3)
    assert [path.name for path in preview(data, tmp_path)] == ["preview.png"]
    film, sheet = preview(data, tmp_path, number=2)
    assert film.name == "episode-000002.webm"
    assert sheet.stat().st_size > 500


def test_frames_with_loss_are_marked(make):
    data = make("data", world="pan", episodes=2, max_steps=4, jpeg=80)
    assert data.manifest["lossless"] is False
    assert "jpeg, quality 80, with loss" in data.facts()["frames"]
    assert pixel(data[0].frames)
