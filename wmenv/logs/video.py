"""Films of episodes: VP9 in WebM for browsers, FFV1 in Matroska where every bit counts, and contact sheets.

Small frames are enlarged by whole factors, each pixel a square, so that they can be seen. OpenCV writes no sound: a
.wav goes beside the film. Knows nothing of metrics.
"""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import Outcome, Step, WorldSpec
from wmenv.errors import LogError, OptionError, did_you_mean

CODECS: Mapping[str, str] = {"webm": "VP90", "mkv": "FFV1"}
READABLE = 256  # pixels that the shorter side of a film should have at least
SHEET_FRAMES = 24
SHEET_COLUMNS = 6
CAPTION = 14  # pixels under each picture of a contact sheet
INK, PAPER = (20, 20, 20), 255


def enlargement(height: int, width: int) -> int:
    """The whole factor by which frames of that size are shown."""
    return max(1, math.ceil(READABLE / min(height, width)))


def enlarged(frame: np.ndarray, factor: int) -> np.ndarray:
    """A copy with every pixel as a square of `factor` pixels."""
    return np.repeat(np.repeat(frame, factor, axis=0), factor, axis=1)


class Film:
    """One video file, written frame by frame (H, W, 3 uint8 RGB).

    The kind follows from the ending, .webm or .mkv. Unless a `factor` is given, frames are enlarged in a .webm until
    they can be seen, and left as they are in a lossless .mkv.
    """

    def __init__(self, path: Path | str, height: int, width: int, fps: float, factor: int | None = None) -> None:
        import cv2

        self.path = Path(path)
        kind = self.path.suffix.removeprefix(".")
        if kind not in CODECS:
            raise OptionError(f"no video format is called {kind!r}. {did_you_mean(kind, CODECS)}")
        lossless = kind == "mkv"
        self._factor = factor or (1 if lossless else enlargement(height, width))
        size = (width * self._factor, height * self._factor)
        _make_folder(self.path.parent)
        self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*CODECS[kind]), fps, size)
        if not self._writer.isOpened():
            raise LogError(
                f"cannot open {self.path} for {CODECS[kind]} video of {size[0]} x {size[1]} at {fps:g} fps. "
                "Is the folder writable, and does this OpenCV have the encoder?"
            )

    def write(self, frame: np.ndarray) -> None:
        picture = np.ascontiguousarray(enlarged(frame, self._factor)[:, :, ::-1])
        if self._writer.write(picture) is False:  # OpenCV before 5 says None, whatever happened
            raise LogError(f"{self.path} took no frame of shape {frame.shape}. Is the disk full?")

    def close(self) -> None:
        self._writer.release()
        if not self.path.is_file() or not self.path.stat().st_size:
            raise LogError(f"{self.path} came out empty. Is the disk full?")


def write_sound(path: Path | str, samples: np.ndarray, rate: int) -> None:
    """Mono int16 PCM as a .wav."""
    try:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.astype("<i2").tobytes())
    except OSError as problem:
        raise LogError(f"cannot write {path}: {problem.strerror}.") from problem


def contact_sheet(frames: Sequence[np.ndarray], captions: Sequence[str], columns: int = SHEET_COLUMNS) -> np.ndarray:
    """Pictures in a grid, each with its caption beneath, as one (H, W, 3) uint8 picture."""
    import cv2

    factor = max(1, math.ceil(112 / min(frames[0].shape[:2])))
    height, width = (side * factor for side in frames[0].shape[:2])
    columns = min(columns, len(frames))
    lines = math.ceil(len(frames) / columns)
    sheet = np.full((lines * (height + CAPTION), columns * (width + 2), 3), PAPER, np.uint8)
    for place, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
        top, left = place // columns * (height + CAPTION), place % columns * (width + 2)
        sheet[top : top + height, left : left + width] = enlarged(frame, factor)
        at = (left + 2, top + height + CAPTION - 4)
        cv2.putText(sheet, caption, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, INK, 1, cv2.LINE_AA)
    return sheet


def write_picture(path: Path | str, picture: np.ndarray) -> None:
    """An RGB picture in the format that the ending names."""
    import cv2

    _make_folder(Path(path).parent)
    if not cv2.imwrite(str(path), np.ascontiguousarray(picture[:, :, ::-1])):
        raise LogError(f"cannot write the picture {path}. Is the folder writable?")


class Sheet:
    """Keeps at most 24 evenly spaced frames of an episode of any length, with the step and the action before each."""

    def __init__(self) -> None:
        self._kept: list[tuple[np.ndarray, str]] = []
        self._every = 1

    def add(self, step: int, frame: np.ndarray, caption: str) -> None:
        if step % self._every:
            return
        self._kept.append((frame.copy(), caption))
        if len(self._kept) > SHEET_FRAMES:
            self._kept, self._every = self._kept[::2], self._every * 2

    def picture(self) -> np.ndarray:
        frames, captions = zip(*self._kept, strict=True)
        return contact_sheet(frames, captions)


class Take:
    """One filmed episode: the film, its contact sheet, and its sound."""

    def __init__(self, spec: WorldSpec, stem: Path, kind: str, sheets: bool, first: np.ndarray) -> None:
        self._spec, self._stem = spec, stem
        self._film = Film(stem.with_suffix(f".{kind}"), spec.height, spec.width, spec.fps)
        self._sheet = Sheet() if sheets else None
        self._sound: list[np.ndarray] = []
        self._steps = 0
        self._show([first], "start")

    def step(self, step: Step, row: int) -> None:
        self._steps += 1
        action = step.actions[row]
        name = self._spec.actions.names[action] if self._spec.actions.kind == "discrete" else ""
        self._show(row_frames(step.outcome, row), f"{self._steps} {name}".strip())
        if step.outcome.audio is not None:
            self._sound.append(np.array(step.outcome.audio[row], np.int16))

    def close(self) -> None:
        self._film.close()
        if self._sheet is not None:
            write_picture(self._stem.with_suffix(".png"), self._sheet.picture())
        if self._sound and self._spec.audio is not None:
            write_sound(self._stem.with_suffix(".wav"), np.concatenate(self._sound), self._spec.audio.rate)

    def _show(self, frames: Sequence[np.ndarray], caption: str) -> None:
        for frame in frames:
            self._film.write(frame)
        if self._sheet is not None:
            self._sheet.add(self._steps, frames[-1], caption)


class Camera:
    """A sink that films every n-th episode of all rows, counted as they begin, into `folder`."""

    def __init__(
        self, spec: WorldSpec, folder: Path | str, every: int = 1, kind: str = "webm", sheets: bool = True
    ) -> None:
        if every < 1:
            raise OptionError(f"every n-th episode is filmed with n of at least 1, got {every}.")
        if kind not in CODECS:
            raise OptionError(f"no video format is called {kind!r}. {did_you_mean(kind, CODECS)}")
        self._spec, self._folder, self._every = spec, Path(folder), every
        self._kind, self._sheets = kind, sheets
        self._takes: dict[int, Take] = {}
        self._numbers = iter_episodes(self._folder)
        _make_folder(self._folder)

    def opened(self, rows: Sequence[int], outcome: Outcome) -> None:
        for place, row in enumerate(rows):
            self._cut(row)
            number = next(self._numbers)
            if number % self._every == 0:
                stem = self._folder / f"episode-{number:06d}"
                first = np.asarray(outcome.frames)[place]
                self._takes[row] = Take(self._spec, stem, self._kind, self._sheets, first)

    def stepped(self, step: Step) -> None:
        for row in [row for row in self._takes if step.active[row]]:
            take = self._takes.pop(row)  # a film that fails is given up
            take.step(step, row)
            self._takes[row] = take
            if step.terminated[row] or step.truncated[row]:
                self._cut(row)

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Films are complete by themselves."""

    def close(self) -> None:
        for row in list(self._takes):
            self._cut(row)

    def _cut(self, row: int) -> None:
        take = self._takes.pop(row, None)
        if take is not None:
            take.close()


def row_frames(outcome: Outcome, row: int) -> list[np.ndarray]:
    """All frames that a step made for one row."""
    return list(outcome.chunk[row]) if outcome.chunk is not None else [outcome.frames[row]]


def iter_episodes(folder: Path) -> Iterator[int]:
    """Numbers for episodes, after those that earlier runs left in `folder`."""
    taken = [int(path.stem.rpartition("-")[2]) for path in folder.glob("episode-[0-9]*.*")]
    number = max(taken, default=-1) + 1
    while True:
        yield number
        number += 1


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise LogError(f"cannot make the folder {folder}: {problem.strerror}.") from problem
