"""What a training run shows of itself while it goes: curves for TensorBoard, and sheets of dreams beside the truth.

A loss has never shown anyone a world. A sheet begins where an episode began and takes its actions and directions, true
above, dreamt below, so that the first frame that goes wrong can be pointed at.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from wmenv.errors import MissingExtraError
from wmenv.logs.sinks import TensorBoard
from wmenv.logs.video import contact_sheet, write_picture
from wmenv.models.streaming import Streamer
from wmenv.train.data import Episodes
from wmenv.train.footage import Footage
from wmenv.train.loop import Run
from wmenv.train.palette import palette_of
from wmenv.train.traits import folded

SHOWN = (0, 1, 2, 4, 8, 16, 32, 64)  # frames of a sheet
SCENES = 3
SHEET_SECONDS = 600.0


class Onlooker:
    """Called with the run and its figures now and then; writes curves at once and a sheet every ten minutes."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._sheet_due = time.monotonic() + SHEET_SECONDS
        self._curves = _curves(out)

    def __call__(self, run: Run, told: dict[str, float], episodes: Episodes | Footage) -> None:
        if self._curves:
            self._curves.write([{**told, "total_steps": told["step"]}])
        if time.monotonic() > self._sheet_due:
            self.draw_sheet(run, episodes)
            self._sheet_due = time.monotonic() + SHEET_SECONDS

    def draw_sheet(self, run: Run, episodes: Episodes | Footage) -> Path:
        """Write `sheet-STEP.png`; returns where."""
        path = self._out / f"sheet-{run.step:06d}.png"
        write_picture(path, beside_the_truth(Streamer(folded(run.averaged).eval()), episodes))
        return path


def _curves(out: Path) -> TensorBoard | None:
    try:
        return TensorBoard(out / "tensorboard")
    except MissingExtraError:  # a run without curves is still a run
        return None


@torch.inference_mode()
def beside_the_truth(streamer: Streamer, episodes: Episodes | Footage, passes: int = 2) -> np.ndarray:
    """A picture of the longest episodes, each true above and dreamt from its first frame below."""
    lengths = episodes.stop - episodes.begin
    chosen = np.sort(np.argsort(lengths, kind="stable")[-SCENES:])
    sheet = [frame for frame in SHOWN if frame < lengths[chosen].min()]
    true, dreamt = [], []
    told = torch.from_numpy(episodes.text_words[episodes.instruction[chosen]])
    memory = streamer.empty(torch.from_numpy(chosen), told)
    pictures, palette = streamer.model.pictures, palette_of(streamer.model, episodes.facts)
    for frame in range(sheet[-1] + 1):
        index = episodes.begin[chosen] + frame
        tiles = torch.from_numpy(episodes.tiles[index]).to(palette.stored)
        if frame == 0:
            drawn = streamer.begin(memory, given=palette.canvas(tiles))
        else:
            action = torch.from_numpy(episodes.action[index].astype(np.int64))
            drawn = streamer.step(memory, action, episodes.words_at(index), passes)
        if frame in sheet:
            true.append(pictures.draw(palette.kept(tiles)).numpy())
            dreamt.append(pictures.draw(drawn.shown).numpy())
    lines = [line for scene in range(len(chosen)) for line in ([f[scene] for f in true], [f[scene] for f in dreamt])]
    captions = [f"{kind} {frame}" for _ in chosen for kind in ("true", "dreamt") for frame in sheet]
    return contact_sheet([frame for line in lines for frame in line], captions, columns=len(sheet))
