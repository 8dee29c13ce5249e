"""The first thing to ask of a changed model: can it learn one episode by heart? What cannot, will not learn ten
thousand, and says so within minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from wmenv.models.config import StreamConfig
from wmenv.models.streaming import Streamer
from wmenv.train.collect import Source, collect
from wmenv.train.data import Episodes
from wmenv.train.loop import TrainConfig, train
from wmenv.train.quality.forced import decibels, run_forced
from wmenv.train.traits import folded

EPISODE = 1_000_007


class OneEpisode(Source):
    """A source whose files hold a single episode."""

    def recorder(self) -> Any:
        return SimpleNamespace(**vars(super().recorder()) | {"shard": 1})


def learn_by_heart(model: StreamConfig, steps: int = 240) -> float:
    """Train a new model of that size on one episode, plainly, and walk beside it: decibels over all its frames."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        collect(OneEpisode("gridrooms"), data, 1, first=EPISODE, workers=1)
        lesson = TrainConfig(
            data=str(data),
            out=f"{folder}/run",
            model=model,
            steps=steps,
            batch=8,
            time=4,
            directed=0,
            average=0.98,
            warmup=20,
            compile=False,
            bf16=False,
        )
        run, episodes = train(lesson), Episodes(data, model.slot)
    forced = run_forced(Streamer(folded(run.averaged)), episodes, np.zeros(1, np.int64), len(episodes) - 1, passes=2)
    error = forced.error[forced.alive]
    return decibels(float(error.sum()), error.size)
