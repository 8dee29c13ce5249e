"""The single environment: a view of the one row of a vector environment, which does all the work.

Knows only how to take off the row axis, and how Gymnasium likes its numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from wmenv.contract import Array, EpisodeObserver, Span, World
from wmenv.env.doubt import Doubt
from wmenv.env.infos import row_info
from wmenv.env.snapshot import Snapshot
from wmenv.env.tasks import Reward
from wmenv.env.vector import Chunk, WorldVectorEnv
from wmenv.runtime import is_tensor, to_host


class WorldEnv(gymnasium.Env):
    """A world as a Gymnasium environment; the arguments are those of `WorldVectorEnv`.

    >>> env = WorldEnv("pan", reward="none", max_episode_steps=3)
    >>> observation, info = env.reset(seed=7)
    >>> observation, reward, terminated, truncated, info = env.step(env.action_meanings.index("right"))
    >>> observation.shape, info["pose"].tolist()
    ((64, 64, 3), [1.0, 0.0, 0.0])
    """

    metadata = WorldVectorEnv.metadata

    def __init__(
        self,
        world: World | str,
        *,
        max_episode_steps: int | None = None,
        output: Literal["numpy", "torch"] = "numpy",
        reward: Reward = "world",
        realtime: bool = False,
        doubt: Doubt | None = None,
        directed_every: int | None = None,
        observer: EpisodeObserver | None = None,
        render_mode: str | None = None,
        sticky_reset_options: bool = True,
    ) -> None:
        self._row = WorldVectorEnv(
            world,
            max_episode_steps=max_episode_steps,
            autoreset_mode=AutoresetMode.DISABLED,
            output=output,
            reward=reward,
            realtime=realtime,
            doubt=doubt,
            directed_every=directed_every,
            observer=observer,
            render_mode=render_mode,
            sticky_reset_options=sticky_reset_options,
        )
        self.metadata = {key: value for key, value in self._row.metadata.items() if key != "autoreset_mode"}
        self.render_mode = render_mode
        self.observation_space = self._row.single_observation_space
        self.action_space = self._row.single_action_space

    @property
    def world(self) -> World:
        return self._row.world

    @property
    def observer(self) -> EpisodeObserver | None:
        """Who watches the episodes."""
        return self._row.observer

    def watch(self, observer: EpisodeObserver) -> None:
        """Let `observer` watch from now on; to it, what is under way begins from this moment."""
        self._row.watch(observer)

    @property
    def reward_source(self) -> str:
        """Where reward comes from: "env", "head", "none", or "task:<name>"."""
        return self._row.reward_source

    @property
    def episode_seed(self) -> int:
        """The seed that this episode began with: given to `reset` again, it begins so again."""
        return int(self._row.episode_seeds[0])

    @property
    def last_step(self) -> Span | None:
        """When the last step was due, accepted and there; None before the first."""
        return self._row.last_step

    @property
    def instruction(self) -> str:
        """The task of this episode, in words."""
        return self._row.instructions()[0]

    @property
    def action_meanings(self) -> list[str]:
        """The names of the actions, in order."""
        return self._row.get_action_meanings()

    def get_action_meanings(self) -> list[str]:
        """The names of the actions, in order."""
        return self.action_meanings

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin a new episode: `template`, `picture`, `moment`, `prompt` and `max_episode_steps` are options."""
        observations, infos = self._row.reset(seed=seed, options=None if options is None else [options])
        super().reset(seed=seed)
        return observations[0], row_info(infos, 0)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step of the world."""
        observations, rewards, terminated, truncated, infos = self._row.step(self._one_row(action))
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), row_info(infos, 0)

    def step_chunk(self, actions: Sequence[Any]) -> Chunk:
        """Several steps in a row, fewer if the episode ends: every array has one entry per step."""
        chunk = self._row.step_chunk(self._one_row(actions))
        infos = [row_info(info, 0) for info in chunk.infos]
        return Chunk(chunk.observations[0], chunk.rewards[0], chunk.terminated[0], chunk.truncated[0], infos)

    def direct(self, text: str, lock: tuple[int, int, int, int] | None = None) -> None:
        """Change the world with the next step; `lock` is a region (top, left, height, width) that must not change."""
        self._row.direct(text, [0], lock)

    def hear(self, sound: Any) -> None:
        """Play a sound (int16, at `world_spec.audio.rate`) to the world from the next step on: for as long as it lasts,
        it does what it hears instead of the action."""
        self._row.hear(sound, [0])

    def describe(self) -> str:
        """What is in view, in the world's words."""
        return self._row.describe()[0]

    def snapshot(self) -> Snapshot:
        """This moment, kept."""
        return self._row.snapshot()

    def restore(self, snapshot: Snapshot) -> Array:
        """Go on from a kept moment; gives its observation."""
        return self._row.restore(snapshot)[0]

    def fork(self, observer: EpisodeObserver | None = None) -> WorldEnv:
        """An independent environment on the same world at the same moment; nobody watches it but `observer`."""
        twin = copy.copy(self)
        twin._row = self._row.twin(observer)
        twin._np_random, twin.action_space = copy.deepcopy(self._np_random), copy.deepcopy(self.action_space)
        return twin

    def render(self) -> np.ndarray | None:
        """The last frame, if a render mode was asked for."""
        frames = self._row.render()
        return frames[0] if frames else None

    def close(self) -> None:
        """Let the world's state go; closing twice is fine."""
        self._row.close()

    def _one_row(self, action: Any) -> Any:
        return to_host(action)[None] if is_tensor(action) else np.asarray(action)[None]
