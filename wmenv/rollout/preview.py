"""What a data set looks like: a contact sheet of its first episodes, or one episode as a sheet and a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wmenv.episodes import Episode
from wmenv.logs.video import SHEET_COLUMNS, SHEET_FRAMES, Film, contact_sheet, write_picture
from wmenv.rollout.dataset import Dataset


def preview(data: Dataset, out: Path, number: int | None = None) -> list[Path]:
    """Draw the pictures; gives their files."""
    if number is None:
        firsts = data.numbers[: SHEET_FRAMES // SHEET_COLUMNS]
        return [_sheet(out / "preview.png", [(one, data[one]) for one in firsts])]
    episode = data[number]
    film = out / f"episode-{number:06d}.webm"
    reel = Film(film, episode.spec.height, episode.spec.width, episode.spec.fps)
    for frame in episode.frames:
        reel.write(frame)
    reel.close()
    return [film, _sheet(film.with_suffix(".png"), [(number, episode)], SHEET_FRAMES)]


def _sheet(path: Path, episodes: list[tuple[int, Episode]], each: int = SHEET_COLUMNS) -> Path:
    """Some frames of each episode, evenly spaced from its first to its last."""
    frames, captions = [], []
    for number, episode in episodes:
        picked = np.unique(np.linspace(0, len(episode.frames) - 1, each).round().astype(int))
        frames += [episode.frames[at] for at in picked]
        captions += [f"{number}: {at}" for at in picked]
        blank = each - len(picked)
        frames += [np.full_like(episode.frames[0], 255)] * blank
        captions += [""] * blank
    write_picture(path, contact_sheet(frames, captions))
    return path


def worst_sheet(path: Path, data: Dataset, numbers: list[int]) -> Path:
    """One line of pictures for each of these episodes."""
    return _sheet(path, [(number, data[number]) for number in numbers])
