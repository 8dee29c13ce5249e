"""A shard gives back what was put in, says the same in the same bytes, and notices damage."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.contract import ActionTable
from wmenv.errors import EpisodeFileError, LogError
from wmenv.rollout.dataset import difference
from wmenv.rollout.files import PartFile
from wmenv.rollout.plan import Plan
from wmenv.rollout.policies import random
from wmenv.rollout.rows import Rows
from wmenv.rollout.shards import open_reader, open_writer

BOX = ActionTable(("push", "lift"), kind="box", low=(-1, -1), high=(1, 1))
KINDS = ("npz", "parquet")


def episodes(world=None, **settings):
    plan = Plan(world="here", **({"episodes": 5, "max_steps": 7} | settings))
    done = Rows(world or CountingWorld(goal=6), random, plan, 4).run([range(plan.episodes)])
    return {finished.number: finished.episode for finished in sorted(done, key=lambda finished: finished.number)}


def written(path, done, jpeg=None):
    part = PartFile(path)
    writer = open_writer(path.suffix[1:], part.file, jpeg)
    try:
        for number, episode in done.items():
            writer.add(number, episode)
        writer.finish()
        part.commit()
    finally:
        writer.abandon()
        part.discard()
    return path


def need(kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("world", "settings"),
    [
        (CountingWorld(goal=6), {}),
        (CountingWorld(extras=True, frames_per_step=3), {"words": True, "directions": ({"step": 2, "text": "jump"},)}),
        (CountingWorld(goal=None, actions=BOX), {"directions": ({"step": 0, "text": "sing", "lock": (0, 0, 4, 4)},)}),
        (CountingWorld(goal=60), {"group": 2, "group_after": 2}),
    ],
    ids=["plain", "all senses", "fields", "moments"],
)
def test_what_goes_in_comes_out(tmp_path, kind, world, settings):
    need(kind)
    done = episodes(world, **settings)
    reader = open_reader(written(tmp_path / f"shard.{kind}", done))
    assert reader.numbers == tuple(done)
    for number in reversed(done):
        assert difference(reader.episode(number), done[number]) == ""
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_episodes_make_the_same_bytes(tmp_path, kind):
    need(kind)
    one, other = (written(tmp_path / f"{name}.{kind}", episodes()) for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_numpy_alone_can_read_a_shard(tmp_path):
    done = episodes()
    with np.load(written(tmp_path / "shard.npz", done)) as arrays:
        assert (arrays["frames/3"] == done[3].frames).all()
        assert arrays["actions"].tolist() == [action for episode in done.values() for action in episode.actions]


def test_futures_of_one_moment_keep_it_once(tmp_path):
    done = episodes(CountingWorld(goal=60), group=5, group_after=2)
    with np.load(written(tmp_path / "shard.npz", done)) as arrays:
        assert len([name for name in arrays.files if name.startswith("moment/")]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_frames_with_loss_are_smaller_and_close(tmp_path, kind):
    need(kind)
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.integers(-3, 4, (36, 36, 1)), axis=0).repeat(3, axis=2).clip(-100, 100) + 128
    done = episodes(episodes=1)
    done[0].frames[:] = smooth
    exact = written(tmp_path / f"exact.{kind}", done)
    reader = open_reader(written(tmp_path / f"lossy.{kind}", done, jpeg=90))
    frames = reader.episode(0).frames
    assert frames.shape == done[0].frames.shape
    assert 0 < np.abs(frames.astype(int) - done[0].frames).mean() < 4
    assert open_reader(exact).episode(0).frames.tobytes() == done[0].frames.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_or_overwritten_shard_is_named(tmp_path, kind):
    need(kind)
    data = written(tmp_path / f"whole.{kind}", episodes()).read_bytes()
    path = tmp_path / f"damaged.{kind}"
    for spoilt in (b"", data[: len(data) // 2], b"\0" * len(data)):
        path.write_bytes(spoilt)
        with pytest.raises(EpisodeFileError, match=f"damaged.{kind} is damaged"):
            open_reader(path)


def test_notes_that_json_cannot_hold_are_refused(tmp_path):
    done = episodes(episodes=1)
    done[0].metadata["notes"] = {"seen": object()}
    with pytest.raises(LogError, match="go into JSON"):
        written(tmp_path / "shard.npz", done)
