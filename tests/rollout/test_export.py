"""What other projects' own readers find in an exported data set, or what their documented layout asks for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from wmenv.errors import EpisodeFileError, OptionError
from wmenv.rollout.convert import convert
from wmenv.rollout.dataset import Dataset, differences


@pytest.fixture
def data(make):
    return make("data", world="pan", episodes=5, max_steps=6, world_settings={"beacon": True}, shard_episodes=2)


@pytest.mark.parametrize("first", ["npz", "parquet"])
def test_our_two_kinds_of_shards_turn_into_each_other(make, tmp_path, first):
    pytest.importorskip("pyarrow")
    second = {"npz": "parquet", "parquet": "npz"}[first]
    data = make("data", format=first, episodes=5, words=True, directions=({"step": 2, "text": "jump"},))
    there = Dataset(convert(data, second, tmp_path / "there"))
    assert there.complete
    assert not there.damaged()
    assert not differences(data, there)
    assert list(there.records) == list(data.records)
    back = Dataset(convert(there, first, tmp_path / "back"))
    assert [s["sha256"] for s in back.manifest["shards"]] == [s["sha256"] for s in data.manifest["shards"]]


@pytest.mark.filterwarnings("ignore")
def test_minari_reads_every_frame_as_it_was(data, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    from wmenv.rollout.export.minari import dataset_id

    convert(data, "minari", tmp_path / "root")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    loaded = minari.load_dataset(dataset_id(data))
    assert loaded.total_episodes == 5
    assert loaded.action_space.n == 5
    for number, episode in enumerate(loaded.iterate_episodes()):
        assert (episode.observations == data[number].frames).all()
        assert episode.actions.tolist() == data[number].actions.tolist()
        assert episode.rewards.tolist() == data[number].rewards.tolist()
        assert episode.terminations[-1] == data[number].terminated
        assert episode.truncations[-1] == data[number].truncated
    with pytest.raises(OptionError, match="exists already"):
        convert(data, "minari", tmp_path / "root")


@pytest.mark.filterwarnings("ignore")
def test_minari_is_told_that_there_is_no_reward(make, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    from wmenv.rollout.export.minari import dataset_id

    data = make("data", world="pan", episodes=1, max_steps=3)
    convert(data, "minari", tmp_path / "root")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    (episode,) = minari.load_dataset(dataset_id(data)).iterate_episodes()
    assert all(math.isnan(reward) for reward in episode.rewards)


def test_hdf5_has_the_columns_and_the_index_of_stable_worldmodel(data, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = convert(data, "hdf5", tmp_path / "data.h5")
    with h5py.File(path, "r", swmr=True) as file:  # as that project opens it
        lengths, offsets = file["ep_len"][:], file["ep_offset"][:]
        assert (lengths.dtype, offsets.dtype) == (np.int32, np.int64)
        assert offsets.tolist() == [0, *np.cumsum(lengths)[:-1]]
        for number, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
            rows = slice(offset, offset + length)
            assert (file["pixels"][rows] == data[number].frames).all()
            assert file["action"][rows][:-1, 0].tolist() == data[number].actions.tolist()
            assert np.isnan(file["action"][rows][-1]).all()
            assert file["reward"][rows][1:].tolist() == data[number].rewards.tolist()
            assert (file["pose"][rows] == data[number].pose).all()
            assert file["truncated"][rows].sum() == data[number].truncated
            assert set(file["episode_idx"][rows]) == {number}


def test_lerobot_has_the_files_columns_and_times_of_version_three(data, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    av = pytest.importorskip("av")
    out = convert(data, "lerobot", tmp_path / "lerobot")
    info = json.loads((out / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert info["total_frames"] == sum(episode.steps for episode in data)
    episodes = parquet.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert len(episodes) == info["total_episodes"] == 5
    for number, line in enumerate(episodes):
        at = {"chunk_index": line["data/chunk_index"], "file_index": line["data/file_index"]}
        table = parquet.read_table(out / info["data_path"].format(**at))
        assert set(table.column_names) | {"observation.image"} == set(info["features"])
        rows = [row for row in table.to_pylist() if row["episode_index"] == number]
        assert [row["index"] for row in rows] == list(range(line["dataset_from_index"], line["dataset_to_index"]))
        assert [row["action"] for row in rows] == data[number].actions.tolist()
        assert [row["frame_index"] for row in rows] == list(range(line["length"]))
        assert rows[1]["timestamp"] == pytest.approx(1 / info["fps"])
        with av.open(str(out / info["video_path"].format(video_key="observation.image", **at))) as video:
            shown = {float(frame.time): frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)}
        began = line["videos/observation.image/from_timestamp"]
        for row in rows:
            time = min(shown, key=lambda t: abs(t - began - row["timestamp"]))
            assert abs(time - began - row["timestamp"]) < 1e-4  # the tolerance of its reader
            seen = data[number].frames[row["frame_index"]].astype(int)
            assert np.abs(shown[time] - seen).mean() < 8
    stats = json.loads((out / "meta/stats.json").read_text())
    pictures = np.concatenate([episode.frames[:-1] for episode in data]).reshape(-1, 3) / 255
    assert np.ravel(stats["observation.image"]["mean"]) == pytest.approx(pictures.mean(0))
    assert np.ravel(stats["observation.image"]["std"]) == pytest.approx(pictures.std(0))


def test_tasks_come_back_as_the_frame_that_lerobot_indexes(data, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("av")
    out = convert(data, "lerobot", tmp_path / "lerobot")
    assert pandas.read_parquet(out / "meta/tasks.parquet").loc["explore"].task_index == 0


def test_films_have_every_frame(data, tmp_path):
    import cv2

    kinds = ["webm"]
    try:
        import av  # noqa: F401

        kinds.append("mp4")
    except ImportError:
        pass
    for kind in kinds:
        folder = convert(data, kind, tmp_path / kind)
        assert len(list(folder.glob(f"*.{kind}"))) == 5
        film = cv2.VideoCapture(str(folder / f"episode-000002.{kind}"))
        frames = 0
        while film.read()[0]:
            frames += 1
        assert frames == len(data[2].frames)


def test_an_unknown_format_is_named(data, tmp_path):
    with pytest.raises(OptionError, match="Did you mean 'minari'"):
        convert(data, "minary", tmp_path)


def test_a_data_set_without_an_episode_cannot_be_converted(data, tmp_path):
    for receipt in (data.folder / "shards").glob("*.json"):
        receipt.unlink()
    with pytest.raises(EpisodeFileError, match="no finished episode"):
        convert(Dataset(data.folder), "npz", tmp_path / "there")
