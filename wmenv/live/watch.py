"""Episodes inside a notebook: a recorded one as a film with its sound, a running one as it goes on.

Knows nothing of the live page; it shares only its films.
"""

from __future__ import annotations

import base64
import html
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import AudioSpec, Outcome, Step
from wmenv.episodes import Episode
from wmenv.errors import OptionError
from wmenv.live.film import film
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.logs.video import enlarged, enlargement, row_frames

KEPT = 2400  # frames of a running episode that its film holds, the last ones
REFRESH_S = 0.1  # between two pictures of a running episode: a notebook draws no faster


def watch(shown: Any, row: int = 0) -> Recorded | Running:
    """What a notebook shows of an episode: a recorded one (an `Episode`, or the path of its file) as a film, one that
    runs in an environment of ours as it goes on; `row` says which row of it.

    >>> from wmenv.make import make_env
    >>> env = make_env("pan", reward="none")
    >>> view = watch(env)
    >>> _ = env.reset(seed=1), env.step(0), env.step(0)
    >>> len(view)
    3
    """
    if isinstance(shown, Episode):
        return Recorded(shown)
    if isinstance(shown, str | Path):
        return Recorded(Episode.load(shown))
    return Running(shown, row)


class Recorded:
    """A recorded episode as a notebook shows it: a film, and beneath it who made it and what was said."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode

    def __len__(self) -> int:
        return len(self.episode.frames)

    def _repr_html_(self) -> str:
        episode, spec = self.episode, self.episode.spec
        sound = None if episode.audio is None else episode.audio.reshape(-1)
        data = film("webm", episode.frames, spec.fps, sound, spec.audio.rate if spec.audio else 0)
        said = [f"{directed.step}: {directed.text}" for directed in episode.directions]
        return _figure(data, [f"{spec.name}, {episode.steps} steps, seed {episode.seed}", *said])


class Running:
    """An episode that is under way: in a notebook a picture that follows it, and afterwards the film of what was seen.

    Watching changes nothing in the environment; `stop` ends it.
    """

    def __init__(self, env: Any, row: int = 0) -> None:
        env = getattr(env, "unwrapped", env)
        if not hasattr(env, "observer"):
            raise OptionError(
                f"{type(env).__name__} is no wmenv environment and no Episode: there is nothing to watch."
            )
        self._spec, self._row = env.world.spec, row
        if env.observer is None:
            env.watch(EpisodeRecorder(self._spec, getattr(env, "num_envs", 1)))
        self._recorder = env.observer
        self._recorder.add_sink(self)
        self._frames: deque[np.ndarray] = deque(maxlen=KEPT)
        self._sound: deque[np.ndarray] = deque(maxlen=KEPT)
        self._steps, self._drawn_at = 0, 0.0
        self._handle: Any = None

    def __len__(self) -> int:
        return len(self._frames)

    # --- what the recorder tells ---

    def opened(self, rows: Sequence[int], outcome: Outcome) -> None:
        """The row began a new episode; the old one is over."""
        if self._row in rows:
            self._frames.clear()
            self._sound.clear()
            self._steps = 0
            self._see([np.asarray(outcome.frames)[list(rows).index(self._row)]])

    def stepped(self, step: Step) -> None:
        if not step.active[self._row]:
            return
        self._steps += 1
        if step.outcome.audio is not None:
            self._sound.append(np.array(step.outcome.audio[self._row]))
        self._see(row_frames(step.outcome, self._row))

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """An episode ended: its last frame should be seen, however fast it came."""
        self._draw()

    def close(self) -> None:
        """The environment is closed; what was seen stays."""

    def stop(self) -> None:
        """Watch no more; what was seen stays."""
        self._recorder.remove_sink(self)

    # --- what the notebook shows ---

    def _see(self, frames: Sequence[np.ndarray]) -> None:
        self._frames.extend(np.array(frame) for frame in frames)
        if time.monotonic() - self._drawn_at >= REFRESH_S:
            self._draw()

    def _draw(self) -> None:
        if self._handle is not None and self._frames:
            self._drawn_at = time.monotonic()
            self._handle.update(_Html(self._still()))

    def _ipython_display_(self) -> None:
        """Called by the notebook when the cell's value is shown: from here on the picture follows the episode."""
        from IPython.display import display  # type: ignore[import-not-found]  # only notebooks have it

        self._handle = display(_Html(self._still()), display_id=True)

    def _still(self) -> str:
        if not self._frames:
            return "<p>Nothing to see yet: reset the environment.</p>"
        return _figure_of_still(self._frames[-1], f"{self._spec.name}, step {self._steps}")

    def _repr_html_(self) -> str:
        """The film of the episode so far."""
        if not self._frames:
            return self._still()
        whole = len(self._sound) * self._spec.frames_per_step == len(self._frames) - 1
        audio: AudioSpec | None = self._spec.audio
        sound = np.concatenate(self._sound) if whole and self._sound and audio else None
        data = film("webm", list(self._frames), self._spec.fps, sound, audio.rate if audio else 0)
        return _figure(data, [f"{self._spec.name}, step {self._steps}"])

    def film(self) -> Any:
        """What was seen so far, as something that a notebook plays."""
        return _Html(self._repr_html_())


class _Html:
    """A piece of HTML, as notebooks take it from any object."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text


def _figure(data: bytes, lines: Sequence[str]) -> str:
    source = base64.b64encode(data).decode()
    player = f'<video controls loop muted autoplay playsinline src="data:video/webm;base64,{source}"></video>'
    return _with_lines(player, lines)


def _figure_of_still(frame: np.ndarray, line: str) -> str:
    import cv2

    picture = enlarged(frame, enlargement(*frame.shape[:2]))
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))
    return _with_lines(f'<img src="data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}">', [line])


def _with_lines(shown: str, lines: Sequence[str]) -> str:
    said = "<br>".join(html.escape(line) for line in lines)
    return f'<figure style="margin:0">{shown}<figcaption>{said}</figcaption></figure>'
