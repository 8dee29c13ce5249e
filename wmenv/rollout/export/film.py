"""Films: one .webm or .mp4 per episode. Both lose a little of every frame; shards keep them whole.

WebM (VP9) needs OpenCV alone; MP4 (H.264) needs PyAV, and gives every frame the time it has in the world.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.errors import LogError, MissingExtraError
from wmenv.logs.video import Film
from wmenv.rollout.dataset import Dataset

QUALITY = 18  # of x264; 0 loses nothing but colour resolution, 23 is its own default
TICKS = 90_000  # per second, as everybody counts in MP4


def to_webm(data: Dataset, out: Path) -> Path:
    """A .webm per episode, small frames enlarged."""
    for number in data.numbers:
        film = Film(out / f"episode-{number:06d}.webm", data.spec.height, data.spec.width, data.spec.fps)
        for frame in data[number].frames:
            film.write(frame)
        film.close()
    return out


def to_mp4(data: Dataset, out: Path) -> Path:
    """An .mp4 per episode, frames in their own size."""
    for number in data.numbers:
        write_mp4(out / f"episode-{number:06d}.mp4", [data[number].frames], data.spec.fps)
    return out


def write_mp4(path: Path, episodes: Iterable[np.ndarray], fps: float) -> None:
    """The frames of some episodes, one after another, as H.264; an odd side is padded by repeating its last line."""
    try:
        import av
    except ImportError as problem:
        raise MissingExtraError("MP4 needs PyAV: pip install 'wmenv[video]'.") from problem
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path), "w") as container:
            stream: Any = None
            shown = 0
            for frames in episodes:
                stream = stream or _stream(container, frames, fps)
                for frame in _even(frames):
                    picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                    picture.pts, picture.time_base = round(shown * TICKS / fps), Fraction(1, TICKS)
                    container.mux(stream.encode(picture))
                    shown += 1
            container.mux(stream.encode())
    except OSError as problem:
        raise LogError(f"cannot write {path}: {problem}.") from problem


def _stream(container: Any, frames: np.ndarray, fps: float) -> Any:
    height, width = _even(frames[:1]).shape[1:3]
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {"crf": str(QUALITY), "g": "2"}  # readers jump to any frame, so key frames are near
    stream.codec_context.time_base = Fraction(1, TICKS)
    return stream


def _even(frames: np.ndarray) -> np.ndarray:
    """H.264 halves the resolution of colour, so sides are even numbers."""
    _, height, width, _ = frames.shape
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
