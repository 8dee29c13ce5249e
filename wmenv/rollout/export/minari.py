"""A Minari data set: offline RL as Farama stores it, frames without loss.

Minari wants rewards; where a world gives none they are NaN, which is what they are. Worlds that make several frames per
step give the last of each step.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from wmenv.contract import ActionTable
from wmenv.env.spaces import action_space, picture_space
from wmenv.episodes import Episode
from wmenv.errors import MissingExtraError, OptionError
from wmenv.rollout.dataset import Dataset

ROOT = "MINARI_DATASETS_PATH"


def dataset_id(data: Dataset) -> str:
    """The name under which Minari finds it: `wmenv/<world>/<policy>-v0`."""
    world, policy = (re.sub(r"[^\w-]+", "-", name).strip("-") for name in (data.spec.name, data.plan.policy))
    return f"wmenv/{world}/{policy}-v0"


def to_minari(data: Dataset, out: Path) -> Path:
    """Write the data set below the Minari root `out`; `minari.load_dataset` finds it there by `dataset_id`."""
    try:
        import minari
    except ImportError as problem:
        raise MissingExtraError("Minari is not installed: pip install 'wmenv[minari]'.") from problem
    name = dataset_id(data)
    if (out / name).exists():
        raise OptionError(f"{out / name} exists already; remove it, or choose another root.")
    with _root(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about authors, links and reference scores, which a rollout has none of
        made: Any = None
        for shard in data.receipts.values():
            buffers = [buffer_of(number, data[number]) for number in range(shard.first, shard.stop)]
            if made is None:
                made = minari.create_dataset_from_buffers(name, buffers, **_described(data))
            else:
                made.update_dataset_from_buffer(buffers)
    return out / name


def buffer_of(number: int, episode: Episode) -> Any:
    """One episode as Minari holds it: T + 1 observations, T of everything else."""
    from minari.data_collector import EpisodeBuffer

    last = np.arange(episode.steps) == episode.steps - 1
    rewards = np.full(episode.steps, np.nan) if episode.rewards is None else episode.rewards
    return EpisodeBuffer(
        id=number,
        seed=episode.seed,
        observations=list(episode.frames[:: episode.spec.frames_per_step]),
        actions=list(episode.actions),
        rewards=rewards.tolist(),
        terminations=(last & episode.terminated).tolist(),
        truncations=(last & episode.truncated).tolist(),
        infos=None,
    )


def _described(data: Dataset) -> dict[str, Any]:
    rewards = "" if data.spec.reward or data.plan.task else " This world gives no reward: rewards are NaN."
    return {
        "action_space": stored_space(data.spec.actions),
        "observation_space": picture_space(data.spec),
        "algorithm_name": data.plan.policy,
        "description": f"{data.plan.episodes} episodes of {data.spec.name}, made by wmenv.{rewards}",
        "data_format": "hdf5",
        "jpeg_encoding": False,  # its default loses, and does not say so
    }


def stored_space(table: ActionTable) -> spaces.Space:
    """The space of the actions in the data: the world's own, in its own range."""
    if table.kind == "box":
        return spaces.Box(np.array(table.low, np.float32), np.array(table.high, np.float32))
    return action_space(table)


@contextmanager
def _root(folder: Path) -> Iterator[None]:
    """Let Minari write below `folder`."""
    before = os.environ.get(ROOT)
    os.environ[ROOT] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[ROOT]
        else:
            os.environ[ROOT] = before
