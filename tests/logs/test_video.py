"""Films that can be played, lossless ones that come back bit for bit, and named errors where a film cannot be."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from tests.fakes import CountingWorld
from wmenv.contract import AudioSpec, Outcome, Span, Step
from wmenv.errors import LogError, OptionError
from wmenv.logs.video import (
    CAPTION,
    SHEET_FRAMES,
    Camera,
    Film,
    Sheet,
    contact_sheet,
    enlarged,
    enlargement,
    write_sound,
)

cv2 = pytest.importorskip("cv2")
SIDE = 36


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def played(path) -> list[np.ndarray]:
    """The frames of a video file, RGB."""
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = video.read()
        if not there:
            return frames
        frames.append(frame[:, :, ::-1])


def shot(path, frames, **settings) -> list[np.ndarray]:
    film = Film(path, SIDE, SIDE, 10, **settings)
    for frame in frames:
        film.write(frame)
    film.close()
    return played(path)


def test_a_lossless_film_comes_back_bit_for_bit(tmp_path):
    frames = noise(5)
    found = shot(tmp_path / "film.mkv", frames)
    assert len(found) == 5
    for frame, back in zip(frames, found, strict=True):
        assert (frame == back).all()


def test_a_browser_film_is_enlarged_and_close(tmp_path):
    colours = [np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in ((200, 40, 40), (40, 40, 200))]
    found = shot(tmp_path / "film.webm", colours * 5)
    assert len(found) == 10
    assert found[0].shape == (SIDE * 8, SIDE * 8, 3)
    assert np.abs(found[0].astype(int) - colours[0][0, 0]).mean() < 12, "red is red, not blue"


def test_enlarging_keeps_every_pixel_a_square():
    frame = noise(1)[0]
    assert (enlarged(frame, 3)[1::3, 2::3] == frame).all()
    assert [enlargement(*size) for size in ((56, 56), (256, 300), (720, 1280))] == [5, 1, 1]


def test_a_film_that_cannot_be_is_a_named_error(tmp_path):
    with pytest.raises(OptionError, match="no video format is called 'avi'"):
        Film(tmp_path / "film.avi", SIDE, SIDE, 10)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogError, match="cannot make the folder"):
        Film(tmp_path / "file" / "film.webm", SIDE, SIDE, 10)
    with pytest.raises(LogError, match="took no frame"):
        Film(tmp_path / "film.webm", SIDE, SIDE, 10).write(noise(1)[0][:10])


def test_sound_is_written_as_it_is(tmp_path):
    samples = np.arange(-500, 500, dtype=np.int16)
    write_sound(tmp_path / "sound.wav", samples, 8000)
    with wave.open(str(tmp_path / "sound.wav")) as file:
        assert file.getframerate() == 8000
        assert (np.frombuffer(file.readframes(1000), "<i2") == samples).all()


def test_a_contact_sheet_shows_each_frame_in_its_place():
    frames = noise(8)
    sheet = contact_sheet(frames, [f"{step} left" for step in range(8)], columns=3)
    factor = 4  # 36 pixels are enlarged to more than 112
    height, width = SIDE * factor + CAPTION, SIDE * factor + 2
    assert sheet.shape == (3 * height, 3 * width, 3)
    assert (sheet[height : height + SIDE * factor : factor, width : width + SIDE * factor : factor] == frames[4]).all()
    assert sheet[SIDE * factor : height, :width].min() < 100, "a caption is written"


def test_a_sheet_thins_itself_out_evenly():
    sheet = Sheet()
    for step in range(1000):
        sheet.add(step, noise(1)[0], str(step))
    kept = [int(caption) for _, caption in sheet._kept]
    assert len(kept) <= SHEET_FRAMES
    assert len(set(np.diff(kept))) == 1
    assert kept[0] == 0
    assert kept[-1] > 900


def run(camera: Camera, episodes: int, steps: int = 6, chunk: int = 0) -> np.ndarray:
    """Film episodes of noise in one row; gives the frames of the last."""
    for number in range(episodes):
        frames = noise((steps + 1) * max(chunk, 1), number)
        camera.opened([0], Outcome(frames=frames[:1]))
        for step in range(1, steps + 1):
            part = frames[step * chunk : (step + 1) * chunk] if chunk else frames[step : step + 1]
            outcome = Outcome(
                frames=part[-1:], chunk=part[None] if chunk else None, audio=np.full((1, 4), step, np.int16)
            )
            last = np.array([step == steps])
            nothing = np.zeros(1, bool)
            camera.stepped(
                Step(np.ones(1, bool), np.array([2]), [None], outcome, np.zeros(1), nothing, last, Span(0, 0, 1))
            )
    return frames


def test_a_camera_films_every_nth_episode_with_sound_and_sheet(tmp_path):
    spec = CountingWorld().spec.with_(audio=AudioSpec(8000, 4))
    frames = run(Camera(spec, tmp_path, every=2, kind="mkv"), episodes=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"episode-00000{n}.{kind}" for n in (0, 2) for kind in ("mkv", "png", "wav")]
    for frame, back in zip(frames, played(tmp_path / "episode-000002.mkv"), strict=True):
        assert (frame == back).all()


def test_all_frames_of_a_chunk_are_filmed(tmp_path):
    run(Camera(CountingWorld().spec.with_(frames_per_step=3), tmp_path, kind="mkv"), episodes=1, steps=4, chunk=3)
    assert len(played(tmp_path / "episode-000000.mkv")) == 1 + 4 * 3


def test_a_second_run_numbers_on(tmp_path):
    for _ in range(2):
        run(Camera(CountingWorld().spec, tmp_path, kind="mkv", sheets=False), episodes=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["episode-000000.mkv", "episode-000001.mkv"]


def test_an_unfinished_episode_is_finished_when_the_camera_closes(tmp_path):
    camera = Camera(CountingWorld().spec, tmp_path, kind="mkv", sheets=False)
    camera.opened([0], Outcome(frames=noise(1)))
    camera.close()
    assert len(played(tmp_path / "episode-000000.mkv")) == 1


def test_a_camera_refuses_what_it_can_never_do(tmp_path):
    with pytest.raises(OptionError, match="at least 1"):
        Camera(CountingWorld().spec, tmp_path, every=0)
    with pytest.raises(OptionError, match="Did you mean 'webm'"):
        Camera(CountingWorld().spec, tmp_path, kind="web")
