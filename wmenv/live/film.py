"""A stretch of moments as one film with its sound, made in memory: WebM for browsers, MP4 for everybody else.

Knows pictures and samples, nothing of worlds.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from wmenv.errors import LogError, MissingExtraError
from wmenv.logs.video import enlarged, enlargement

CODECS = {"webm": ("libvpx-vp9", "libopus"), "mp4": ("libx264", "aac")}
OPTIONS = {
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6"},
    "libx264": {"crf": "18", "preset": "veryfast"},
}
SOUND_RATE = 48_000  # what both codecs take
TICKS = 90_000  # per second: divides every usual frame rate


def film(kind: str, frames: Iterable[np.ndarray], fps: float, sound: np.ndarray | None, rate: int = 0) -> bytes:
    """The bytes of a film: frames (H, W, 3) uint8 at `fps`, and mono int16 samples at `rate` if there is sound."""
    try:
        import av
    except ModuleNotFoundError as problem:
        raise MissingExtraError("films need PyAV: pip install 'wmenv[live]'.") from problem
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=kind) as container:
            voice = container.add_stream(CODECS[kind][1], rate=SOUND_RATE, layout="mono") if sound is not None else None
            _add_pictures(container, CODECS[kind][0], iter(frames), fps)
            if sound is not None and voice is not None:
                _add_sound(container, voice, sound, rate)
    except (av.error.FFmpegError, OSError) as problem:
        raise LogError(f"this PyAV cannot make {kind}: {problem}. Choose the other kind.") from problem
    return file.getvalue()


def _add_pictures(container: Any, codec: str, frames: Iterator[np.ndarray], fps: float) -> None:
    import av

    first = next(frames)
    factor = _even_factor(*first.shape[:2])
    height, width = (side * factor // 2 * 2 for side in first.shape[:2])  # colour is halved
    stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
    stream.height, stream.width, stream.pix_fmt, stream.options = height, width, "yuv420p", OPTIONS[codec]
    stream.codec_context.time_base = Fraction(1, TICKS)
    for shown, frame in enumerate(itertools.chain([first], frames)):
        whole = np.ascontiguousarray(enlarged(frame, factor)[:height, :width])
        picture = av.VideoFrame.from_ndarray(whole, format="rgb24")
        picture.pts, picture.time_base = round(shown * TICKS / fps), Fraction(1, TICKS)
        container.mux(stream.encode(picture))
    container.mux(stream.encode())


def _add_sound(container: Any, stream: Any, sound: np.ndarray, rate: int) -> None:
    """The samples, at the rate that the codecs take."""
    import av

    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
    whole = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
    whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
    for samples in (*resampler.resample(whole), *resampler.resample(None)):
        container.mux(stream.encode(samples))
    container.mux(stream.encode())


def _even_factor(height: int, width: int) -> int:
    """How much to enlarge: until it can be seen, and by an even number where a side is odd, so that no pixel is cut."""
    factor = enlargement(height, width)
    return factor + 1 if factor % 2 and factor > 1 and (height % 2 or width % 2) else factor
