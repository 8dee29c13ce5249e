"""Where reward and the end of an episode come from: the world itself, a function of what it shows, or a judge.

Nothing is defaulted: a world without reward needs one of them named, or `reward="none"`. Knows nothing of episodes or
time limits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from wmenv.contract import Actions, Array, Outcome, WorldSpec
from wmenv.errors import OptionError, RewardError, UnsupportedError
from wmenv.runtime import to_host

TaskFunction = Callable[[Outcome, Actions], Any]
Reward = Literal["world", "none"] | TaskFunction


class RewardSource(Protocol):
    """What an environment asks after every step."""

    name: str
    tells_success: bool  # whether an end with a reward above zero means that the task is done

    def __call__(self, outcome: Outcome, actions: Actions) -> tuple[np.ndarray, np.ndarray]:
        """The reward of each row, and whether its episode has ended."""

    def opened(self, rows: Sequence[int], frames: Array) -> None:
        """`rows` go on from another moment now; `frames` are those of all rows."""


def reward_source(reward: Reward, spec: WorldSpec) -> RewardSource:
    """The source that `reward` names for a world of that spec, or a named error that says what to pass."""
    if callable(reward):
        return FromTask(reward, spec)
    if reward == "none":
        return NoReward(spec)
    if reward != "world":
        raise OptionError(f"reward is 'world', 'none' or a function of (outcome, actions), got {reward!r}.")
    if spec.reward is None:
        raise UnsupportedError(
            f"world {spec.name!r} gives no reward. Pass reward=<function of (outcome, actions)> or a Judge, "
            "or reward='none' to explore without one."
        )
    return FromWorld(spec)


def reward_of_twin(reward: Reward) -> Reward:
    """The same reward for an environment of its own: one that remembers what its rows showed is copied."""
    return copy.deepcopy(reward) if hasattr(reward, "opened") else reward


def ends(outcome: Outcome, spec: WorldSpec) -> np.ndarray:
    """Which rows the world itself has ended."""
    return np.array(outcome.terminated, np.bool_) if spec.terminates else np.zeros(len(outcome.frames), np.bool_)


class FromWorld:
    """Reward from the world's own simulator or head; `name` says which."""

    def __init__(self, spec: WorldSpec) -> None:
        self.name = str(spec.reward)
        self.tells_success = spec.terminates
        self._spec = spec

    def __call__(self, outcome: Outcome, actions: Actions) -> tuple[np.ndarray, np.ndarray]:
        return np.array(outcome.reward, np.float64), ends(outcome, self._spec)

    def opened(self, rows: Sequence[int], frames: Array) -> None:
        """The world knows for itself."""


class NoReward:
    """Exploration: the reward is zero because the caller said so."""

    name = "none"
    tells_success = False

    def __init__(self, spec: WorldSpec) -> None:
        self._spec = spec

    def __call__(self, outcome: Outcome, actions: Actions) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(outcome.frames)), ends(outcome, self._spec)

    def opened(self, rows: Sequence[int], frames: Array) -> None:
        """Nothing to remember."""


class FromTask:
    """Reward from a function that gives one number per row, or (reward, terminated).

    Where it gives reward alone, the world ends episodes. A function that compares moments has a method
    `opened(rows, frames)`, which is called whenever rows go on from another moment, with the frames of all rows; a twin
    of the environment has a copy of it.
    """

    def __init__(self, function: TaskFunction, spec: WorldSpec) -> None:
        self.name = f"task:{getattr(function, '__name__', type(function).__name__)}"
        self.tells_success = spec.terminates
        self._function, self._spec = function, spec

    def __call__(self, outcome: Outcome, actions: Actions) -> tuple[np.ndarray, np.ndarray]:
        given = self._function(outcome, actions)
        if not isinstance(given, tuple):
            given = given, ends(outcome, self._spec)
        else:
            self.tells_success = True
        reward, terminated = given
        rows = len(outcome.frames)
        return self._checked(reward, rows).astype(np.float64), self._checked(terminated, rows).astype(np.bool_)

    def opened(self, rows: Sequence[int], frames: Array) -> None:
        if hasattr(self._function, "opened"):
            self._function.opened(rows, to_host(frames))

    def _checked(self, given: Any, rows: int) -> np.ndarray:
        array = to_host(given)
        if array.shape != (rows,) or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise RewardError(f"{self.name} should give one finite number for each of {rows} rows, gave {given!r}.")
        return array


@dataclass(frozen=True)
class Judge:
    """A task that looks at pictures alone: `score` takes frames (rows, H, W, 3) and gives a number per row.

    The score is the reward; a row that reaches `success` has done the task.
    """

    score: Callable[[np.ndarray], Any]
    success: float = np.inf

    @property
    def __name__(self) -> str:
        return f"judge {getattr(self.score, '__name__', type(self.score).__name__)}"

    def __call__(self, outcome: Outcome, actions: Actions) -> tuple[np.ndarray, np.ndarray]:
        scores = to_host(self.score(outcome.frames))
        return scores, scores >= self.success
