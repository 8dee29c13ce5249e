"""A world that plays what was recorded, whatever is done in it.

It is a floor for control (no action matters) and a ceiling for everything that a recording can show. Knows episodes,
and nothing of the world they came from.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wmenv.contract import ArrayState, Directions, Event, Outcome, Start, State, WorldSpec, check_directions
from wmenv.episodes import Episode
from wmenv.errors import EpisodeFileError
from wmenv.worlds.door import one_row, own

OVER = Event("recording-over", "the last frame stays")


class ReplayWorld:
    """Plays `episodes` from their first frame to their last, and then shows the last one.

    A row plays the episode that its start names ("episode-0", "episode-1", ...), or else the one its seed falls on.
    The spec keeps what every episode has, and claims no pans and no inverse actions, since here they would be untrue.
    """

    def __init__(self, episodes: Episode | Sequence[Episode]) -> None:
        self.episodes = [episodes] if isinstance(episodes, Episode) else list(episodes)
        self.spec = common_spec(self.episodes)
        self._tag = f"replay {fingerprint(self.episodes)}"

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        rows = [self._open_row(start.check(self.spec), seed) for start, seed in zip(starts, seeds, strict=True)]
        state = ArrayState.concat(rows)
        return state, self._show(state.arrays)

    def advance(self, state: State, actions: np.ndarray, directions: Directions) -> tuple[State, Outcome]:
        self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        now = own(state, ArrayState, self._tag).consume().arrays
        now["clock"] += 1
        return ArrayState(self._tag, now), self._show(now)

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, self._tag)

    def describe(self, state: State) -> list[str]:
        """The recorded caption of each row's frame."""
        self.spec.need("words")
        state.check_live()
        now = own(state, ArrayState, self._tag).arrays
        rows = zip(now["episode"], now["clock"], strict=True)
        return [words_at(self.episodes[number], int(clock)) for number, clock in rows]

    def _open_row(self, start: Start, seed: int) -> ArrayState:
        if start.moment is not None:
            return one_row(self.revive(start.moment))
        named = self.spec.templates.index(start.template) if start.template else int(seed) % len(self.episodes)
        return ArrayState(self._tag, {"episode": np.array([named]), "clock": np.array([0])})

    def _show(self, now: dict[str, np.ndarray]) -> Outcome:
        """What each row's recording holds at its clock, in the fields that the spec promises."""
        playing = [(self.episodes[n], int(clock)) for n, clock in zip(now["episode"], now["clock"], strict=True)]
        chunk = np.stack([chunk_at(episode, clock) for episode, clock in playing])
        spec = self.spec
        return Outcome(
            frames=chunk[:, -1].copy(),
            chunk=chunk if spec.frames_per_step > 1 else None,
            reward=np.array([reward_at(*row) for row in playing], np.float32) if spec.reward else None,
            terminated=np.array([e.terminated and clock >= e.steps for e, clock in playing])
            if spec.terminates
            else None,
            audio=np.stack([sound_at(*row) for row in playing]) if spec.audio else None,
            pose=np.stack([pose_at(*row) for row in playing]) if spec.pose else None,
            events=[(OVER,) if clock > episode.steps else () for episode, clock in playing],
        )


# --- what a recording holds at a clock: 0 is before the first action --------------------------------------------------


def chunk_at(episode: Episode, clock: int) -> np.ndarray:
    """The frames that step `clock` made; before the first step and after the last, one frame held."""
    per_step = episode.spec.frames_per_step
    index = np.arange((clock - 1) * per_step + 1, clock * per_step + 1)
    return episode.frames[np.clip(index, 0, len(episode.frames) - 1)]


def reward_at(episode: Episode, clock: int) -> float:
    assert episode.rewards is not None, "the spec promises rewards only if every episode has them"
    return float(episode.rewards[clock - 1]) if 1 <= clock <= episode.steps else 0.0


def sound_at(episode: Episode, clock: int) -> np.ndarray:
    assert episode.audio is not None, "the spec promises sound only if every episode has it"
    silence = np.zeros(episode.audio.shape[1], np.int16)
    return episode.audio[clock - 1] if 1 <= clock <= episode.steps else silence


def pose_at(episode: Episode, clock: int) -> np.ndarray:
    assert episode.pose is not None, "the spec promises a pose only if every episode has it"
    return episode.pose[min(clock, episode.steps)]


def words_at(episode: Episode, clock: int) -> str:
    assert episode.words is not None, "the spec promises words only if every episode has them"
    return episode.words[min(clock, episode.steps)]


# --- several recordings as one world --------------------------------------------------------------------------------


def common_spec(episodes: Sequence[Episode]) -> WorldSpec:
    """What holds for every one of these episodes."""
    if not episodes:
        raise EpisodeFileError("a replay needs at least one episode, got none.")
    first = episodes[0].spec
    for number, spec in enumerate(episode.spec for episode in episodes):
        if format_of(spec) != format_of(first):
            raise EpisodeFileError(
                f"episode {number} has (height, width, fps, frames per step, actions) {format_of(spec)}, "
                f"episode 0 has {format_of(first)}. Replay them as two worlds."
            )
    return WorldSpec(
        name=f"replay-{first.name}",
        height=first.height,
        width=first.width,
        fps=first.fps,
        actions=replace(first.actions, inverse={}, pans=()),
        frames_per_step=first.frames_per_step,
        reward=first.reward if all(episode.rewards is not None for episode in episodes) else None,
        terminates=any(episode.terminated for episode in episodes),
        words=all(episode.words is not None for episode in episodes),
        audio=first.audio if all(episode.audio is not None for episode in episodes) else None,
        pose=first.pose if all(episode.pose is not None for episode in episodes) else None,
        snapshots="copy",
        starts=frozenset({"seed", "template", "moment"}),
        templates=tuple(f"episode-{number}" for number in range(len(episodes))),
        provenance={"replayed": str(len(episodes))},
    )


def format_of(spec: WorldSpec) -> tuple[int, int, float, int, tuple[str, ...]]:
    """What two episodes must share to be rows of one world."""
    return spec.height, spec.width, spec.fps, spec.frames_per_step, spec.actions.names


def fingerprint(episodes: Sequence[Episode]) -> str:
    """Tells one set of recordings from another, so that a state is never revived over the wrong one."""
    crc = 0
    for episode in episodes:
        crc = zlib.crc32(episode.frames.tobytes(), crc)
    return f"{crc:08x}"
