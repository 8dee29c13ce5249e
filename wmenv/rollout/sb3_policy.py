"""A model that Stable-Baselines3 saved, as a policy of a rollout.

Its network is asked for all rows at once; what it draws comes from each episode's own stream and not from torch's. A
.zip holds pickled code: open only what you trust. Knows nothing of the world but the pictures it shows.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import Actions
from wmenv.env.spaces import ActionDecoder
from wmenv.errors import CheckpointError, OptionError, did_you_mean
from wmenv.rollout.policies import Mind, View

TOLD_BY = {"clip_range": "PPO", "target_entropy": "SAC", "policy_delay": "TD3", "exploration_fraction": "DQN"}
OTHERWISE = "A2C"


class SB3Policy:
    """The model in a .zip. Unless `deterministic`, actions are drawn from its distribution.

    `algorithm` is the name of its class, found out from the file if not given. A model that was trained on stacked
    frames gets the last ones of its own episode.
    """

    def __init__(
        self, path: str | Path, deterministic: bool = False, algorithm: str | None = None, device: str = "cpu"
    ) -> None:
        self._deterministic = deterministic
        self._model = load_model(Path(path), algorithm, device)
        shape = self._model.observation_space.shape
        if shape is None or len(shape) != 3:
            raise CheckpointError(f"the model in {path} does not act on pictures: it was trained on {shape}.")
        self._channels_first = shape[0] < shape[2]
        self._stack = max(1, min(shape[0], shape[2]) // 3)

    def __call__(self, view: View) -> Actions:
        seen = np.stack([self._seen(*pair) for pair in zip(view.frames, view.minds, strict=True)])
        padded = np.concatenate([seen, np.repeat(seen[:1], view.batch - len(seen), axis=0)])
        if self._channels_first:
            padded = padded.transpose(0, 3, 1, 2)
        likeliest = self._deterministic
        chosen = self._model.predict(padded, deterministic=True)[0] if likeliest else self._drawn(padded, view)
        return ActionDecoder(view.spec.actions)(chosen[: len(seen)], ignored=np.zeros(len(seen), np.bool_))

    def _seen(self, frame: np.ndarray, mind: Mind) -> np.ndarray:
        """The frames that the model sees of an episode, the newest last, black before the first."""
        if self._stack == 1:
            return frame
        before = mind.memory.get("frames", np.zeros((*frame.shape[:2], 3 * self._stack), np.uint8))
        mind.memory["frames"] = np.concatenate([before[:, :, 3:], frame], axis=2)
        return mind.memory["frames"]

    def _drawn(self, pictures: np.ndarray, view: View) -> np.ndarray:
        """Actions from the model's distribution, each with its own episode's chance."""
        import torch
        from torch.distributions import Categorical, Normal

        policy = self._model.policy
        if not hasattr(policy, "get_distribution"):
            raise OptionError(f"a {type(self._model).__name__} model has no distribution; set deterministic=true.")
        with torch.no_grad():
            chances = policy.get_distribution(policy.obs_to_tensor(pictures)[0]).distribution
        if isinstance(chances, Categorical):
            return np.array([pick(p, m.rng) for p, m in zip(chances.probs.cpu().numpy(), view.minds, strict=False)])
        if not isinstance(chances, Normal):
            raise OptionError(f"cannot draw from {chances}; set deterministic=true.")
        means, scales = chances.mean.cpu().numpy(), chances.stddev.cpu().numpy()
        space = self._model.action_space
        drawn = [m.rng.normal(mean, scale) for mean, scale, m in zip(means, scales, view.minds, strict=False)]
        return np.clip(np.stack(drawn), space.low, space.high).astype(np.float32)


def pick(chances: np.ndarray, rng: np.random.Generator) -> int:
    """A number drawn with these chances.

    >>> pick(np.array([0.0, 1.0, 0.0]), np.random.default_rng(0))
    1
    """
    edges = np.cumsum(chances.astype(float))
    return int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))


def load_model(path: Path, algorithm: str | None, device: str) -> Any:
    """The model in the file, as an object of its class."""
    import stable_baselines3

    try:
        with zipfile.ZipFile(path) as archive:
            told = json.loads(archive.read("data"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as problem:
        raise CheckpointError(f"{path} is no Stable-Baselines3 model that can be read: {problem}.") from problem
    name = algorithm or next((name for key, name in TOLD_BY.items() if key in told), OTHERWISE)
    if name not in {*TOLD_BY.values(), OTHERWISE}:
        raise OptionError(f"no algorithm is called {name!r}. {did_you_mean(name, {*TOLD_BY.values(), OTHERWISE})}")
    return getattr(stable_baselines3, name).load(path, device=device)
