"""An episode file gives back exactly what was put in, or says by name why it cannot."""

import dataclasses
import os

import numpy as np
import pytest

from wmenv.contract import ActionTable, AudioSpec, Start, WorldSpec
from wmenv.episodes import Directed, Episode, spec_facts, spec_of
from wmenv.errors import EpisodeFileError, LogError
from wmenv.worlds.pan import PanWorld

STEPS = 5
SPEC = WorldSpec(
    name="toy",
    height=6,
    width=4,
    fps=10,
    actions=ActionTable(("left", "right", "stay"), noop=2, inverse={0: 1, 1: 0}, pans=(0, 1), keys={"a": 0}),
    reward="env",
    terminates=True,
    directions=True,
    words=True,
    audio=AudioSpec(8000, 800),
    pose="true",
    starts=frozenset({"seed", "template", "picture"}),
    templates=("hall",),
    provenance={"version": "1"},
)


def full_episode(**changes):
    rng = np.random.default_rng(0)
    fields = {
        "frames": rng.integers(0, 256, (STEPS + 1, 6, 4, 3), dtype=np.uint8),
        "actions": rng.integers(0, 3, STEPS),
        "spec": SPEC,
        "rewards": rng.random(STEPS, dtype=np.float32),
        "terminated": True,
        "directions": (
            Directed(1, "a blue ball appears", True),
            Directed(3, "night falls", False, "it is night", (0, 0, 2, 2)),
        ),
        "audio": rng.integers(-9, 9, (STEPS, 800), dtype=np.int16),
        "pose": rng.random((STEPS + 1, 3), dtype=np.float32),
        "words": tuple(f"caption {step}, é" for step in range(STEPS + 1)),
        "seed": 2**40,
        "start": Start(picture=rng.integers(0, 256, (6, 4, 3), dtype=np.uint8), prompt="a quiet place"),
        "metadata": {"policy": "random", "nested": {"list": [1, 2.5, None]}},
    }
    return Episode(**(fields | changes))


def same(one, other):
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Start):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return one == other


def assert_same(one, other):
    different = [f.name for f in dataclasses.fields(one) if not same(getattr(one, f.name), getattr(other, f.name))]
    assert not different


@pytest.mark.parametrize(
    "episode",
    [
        full_episode(),
        Episode(np.zeros((1, 6, 4, 3), np.uint8), np.zeros(0, np.int64), SPEC),
        full_episode(start=Start(moment=b"\x00\x01\xff")),
        full_episode(start=Start(template="hall"), truncated=True, terminated=False),
    ],
    ids=["full", "bare", "moment", "template"],
)
def test_what_is_saved_is_loaded(tmp_path, episode):
    assert_same(Episode.load(episode.save(tmp_path / "deep" / "one.episode")), episode)


def test_fields_of_several_actions_and_frames_per_step_are_kept():
    spec = SPEC.with_(
        actions=ActionTable(("x", "y"), noop=(0.0, 0.0), kind="box", low=(-1.0, -1.0), high=(1.0, 1.0)),
        frames_per_step=3,
    )
    frames = np.zeros((STEPS * 3 + 1, 6, 4, 3), np.uint8)
    episode = full_episode(spec=spec, frames=frames, actions=np.ones((STEPS, 2), np.float32))
    assert_same(Episode.from_bytes(episode.to_bytes()), episode)


def test_loaded_arrays_can_be_written_to():
    frames = Episode.from_bytes(full_episode().to_bytes()).frames
    frames[0] = 7
    assert (frames[0] == 7).all()


@pytest.mark.parametrize("spec", [SPEC, PanWorld().spec, PanWorld(beacon=True).spec])
def test_a_spec_survives_as_facts(spec):
    assert spec_of(spec_facts(spec)) == spec


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": np.zeros((STEPS, 6, 4, 3), np.uint8)},
        {"frames": np.zeros((STEPS + 1, 6, 4, 3), np.float32)},
        {"frames": np.zeros((STEPS + 1, 4, 6, 3), np.uint8)},
        {"actions": np.zeros((STEPS, 2), np.int64)},
        {"rewards": np.zeros(STEPS + 1, np.float32)},
        {"rewards": np.zeros(STEPS)},
        {"audio": np.zeros((STEPS, 3), np.int16)},
        {"pose": np.zeros((STEPS, 3), np.float32)},
        {"words": ("one",)},
        {"directions": (Directed(STEPS, "too late", True),)},
    ],
)
def test_parts_that_do_not_align_are_refused(changes):
    with pytest.raises(EpisodeFileError):
        full_episode(**changes)


def test_every_damaged_byte_is_noticed():
    data = full_episode().to_bytes()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(data), 200, replace=False):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        try:
            loaded = Episode.from_bytes(bytes(damaged))
        except EpisodeFileError:
            continue
        assert_same(loaded, full_episode())  # a byte of padding or of a header name that nobody reads


@pytest.mark.parametrize("kept", [0, 7, 8, 200, -1])
def test_a_file_cut_short_is_refused(kept):
    with pytest.raises(EpisodeFileError):
        Episode.from_bytes(full_episode().to_bytes()[:kept])


def test_a_file_that_is_no_episode_is_named_in_the_error(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, which are no episode at all")
    with pytest.raises(EpisodeFileError, match=r"notes\.txt"):
        Episode.load(path)
    with pytest.raises(EpisodeFileError, match="nowhere"):
        Episode.load(tmp_path / "nowhere")


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = full_episode().save(tmp_path / "one.episode")
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LogError, match="No space left"):
        full_episode(seed=1).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_frames_of_a_real_walk_are_kept_small():
    world = PanWorld()
    state, first = world.open([Start()], [0])
    frames, actions = [first.frames[0]], np.arange(40) // 10
    for action in actions:
        state, outcome = world.advance(state, np.array([action]), [None])
        frames.append(outcome.frames[0])
    episode = Episode(np.stack(frames), actions, world.spec)
    assert len(episode.to_bytes()) < episode.frames.nbytes / 3
