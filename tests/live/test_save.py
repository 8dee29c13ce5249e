"""What is saved can be read by others: a film has every frame and its sound, an episode replays to the pixel."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from wmenv.contract import ActionTable, ArrayState, AudioSpec, Start, WorldSpec
from wmenv.episodes import Directed, Episode
from wmenv.errors import OptionError
from wmenv.live.film import film
from wmenv.live.save import Stretch, save
from wmenv.live.timeline import Moment
from wmenv.serve.book import Sight
from wmenv.worlds.replay import ReplayWorld

av = pytest.importorskip("av", reason="films need PyAV, in the extra `live`")

SIDE, STEPS = 24, 12
TABLE = ActionTable(("left", "right", "stay"), noop=2)
SPEC = WorldSpec(
    "toy rooms", SIDE, SIDE, fps=10.0, actions=TABLE, reward="env", terminates=True, directions=True,
    audio=AudioSpec(8000, 800), pose="true", snapshots="copy", starts=frozenset({"seed", "moment"}),
)  # fmt: skip


def sight(step: int) -> Sight:
    chance = np.random.default_rng(step)
    frames = np.repeat(np.repeat(chance.integers(0, 256, (1, 3, 3, 3), dtype=np.uint8), 8, 1), 8, 2)
    sound = chance.integers(-9000, 9000, 800).astype(np.int16)
    return Sight("row", step, frames, step / 10, False, sound, np.array([step, 0, 0], np.float32))


def stretch(first: int = 0, last: int = STEPS) -> Stretch:
    moments = [Moment.of(sight(step), step, action=np.int64(step % 3) if step else None) for step in range(last + 1)]
    if last >= 4:
        moments[4].directed = Directed(4, "night falls", True)
    state = ArrayState("toy", {"at": np.array([first])})
    return Stretch(SPEC, "a / branch", {"seed": 5, "template": None}, moments[first:], state)


@pytest.mark.parametrize("kind", ["webm", "mp4"])
def test_a_film_has_every_frame_and_the_sound(kind):
    one = stretch()
    with av.open(io.BytesIO(film(kind, one.frames, SPEC.fps, one.sound.reshape(-1), 8000))) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(pictures) == STEPS + 1
    factor = pictures[0].shape[0] // SIDE
    middle = factor * 4  # of the first block of 8 pixels, away from what compression blurs
    shown = np.array([picture[middle, middle] for picture in pictures], int)
    assert np.abs(shown - one.frames[:, 4, 4].astype(int)).mean() < 20


def test_a_film_of_odd_sides_comes_out_even():
    frames = np.zeros((3, 33, 301, 3), np.uint8)
    with av.open(io.BytesIO(film("mp4", frames, 5.0, None))) as container:
        assert container.streams.video[0].width % 2 == 0 == container.streams.video[0].height % 2


def test_the_archive_has_the_film_the_actions_and_the_records():
    saved = save("webm", stretch())
    with zipfile.ZipFile(io.BytesIO(saved.data)) as archive:
        assert set(archive.namelist()) == {"toy-rooms-a-branch-0-12.webm", "actions.json", "records.jsonl"}
        actions = json.loads(archive.read("actions.json"))
        records = [json.loads(line) for line in archive.read("records.jsonl").splitlines()]
    assert actions["actions"] == [step % 3 for step in range(1, STEPS + 1)]
    assert records[4]["direction"] == {"text": "night falls", "applied": True, "reason": ""}
    assert len(records) == STEPS + 1


@pytest.mark.parametrize("first", [0, 3])
def test_an_episode_replays_to_the_pixel(first):
    one = stretch(first)
    episode = Episode.from_bytes(save("episode", one).data)
    world = ReplayWorld(episode)
    state, outcome = world.open([Start()], [0])
    shown = [outcome.frames[0]]
    for action in episode.actions:
        state, outcome = world.advance(state, np.array([action]), [None])
        shown.append(outcome.frames[0])
    assert (np.stack(shown) == one.frames).all()
    assert (episode.audio == one.sound).all()
    assert episode.rewards.tolist() == pytest.approx([moment.reward for moment in one.steps])
    assert [(told.step, told.text) for told in episode.directions] == [(3 - first, "night falls")]
    assert (episode.start.moment is not None) == (first > 0)


def test_a_moment_is_its_state():
    saved = save("moment", stretch(3, 3))
    assert ArrayState.from_bytes(saved.data, "toy").arrays["at"].tolist() == [3]


def test_no_film_of_nothing():
    with pytest.raises(OptionError, match="at least one step"):
        save("webm", stretch(0, 0))
