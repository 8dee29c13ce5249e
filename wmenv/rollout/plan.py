"""What decides every episode of a data set, and nothing else: a plan made twice makes the same episodes.

How many processes run it, how many rows each steps at a time, and where it is written are no part of it. Knows nothing
of worlds or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from wmenv.config import Config
from wmenv.contract import Direction, Start
from wmenv.errors import OptionError

POLICY, CUES, PAST, FUTURE = range(4)  # what each random stream of an episode is for
SHARD_STEPS = 8192  # about as many as a shard holds
SHARDS_AT_LEAST = 16  # of a small data set, so that several workers have something to do
SHARD_MOST = 256  # episodes
ANY_SUGGESTION = "*"


class Cue(Config):
    """A direction of the script: at `step`, or at one drawn from a range; `text`, or one drawn from several.

    The text `*` is drawn from what the world suggests.
    """

    step: NonNegativeInt | tuple[NonNegativeInt, NonNegativeInt]
    text: str | tuple[str, ...]
    lock: tuple[int, int, int, int] | None = None

    @classmethod
    def read(cls, line: str) -> Self:
        """The cue in a line such as `20:night falls` or `20-60:night falls|day breaks`.

        >>> Cue.read("20-60:night falls|day breaks")
        Cue(step=(20, 60), text=('night falls', 'day breaks'), lock=None)
        """
        when, colon, what = line.partition(":")
        steps = [part.strip() for part in when.split("-")]
        if not colon or not what.strip() or len(steps) > 2 or not all(step.isdecimal() for step in steps):
            raise OptionError(f"a cue reads 'STEP:TEXT' or 'FROM-TO:TEXT|OTHER TEXT', got {line!r}.")
        low, high = int(steps[0]), int(steps[-1])
        texts = tuple(text.strip() for text in what.split("|"))
        return cls(step=low if len(steps) == 1 else (low, high), text=texts[0] if len(texts) == 1 else texts)

    def draw(self, rng: np.random.Generator, suggestions: Sequence[str]) -> tuple[int, Direction]:
        """The step and the direction of one episode; draws twice, whatever is fixed, so that cues do not shift."""
        low, high = (self.step, self.step) if isinstance(self.step, int) else self.step
        step = int(rng.integers(min(low, high), max(low, high) + 1))
        given = (self.text,) if isinstance(self.text, str) else self.text
        texts = [text for one in given for text in (suggestions if one == ANY_SUGGESTION else (one,))]
        if not texts:
            raise OptionError(f"the cue {self.text!r} asks for a suggestion, and this world suggests no directions.")
        return step, Direction(texts[int(rng.integers(len(texts)))], self.lock)


class Recipe(NamedTuple):
    """How one episode begins: its number, the group whose past it shares, and the seed of its world."""

    episode: int
    group: int | None
    seed: int


class Plan(Config):
    """What decides every episode. Episode i of a plan is the same whoever makes it.

    With `group` above 1, that many episodes in a row are futures of one moment: a world of the group's own seed, or the
    one in the file `moment`, `group_after` steps on.
    """

    world: str
    world_settings: dict[str, Any] = Field(default_factory=dict)
    policy: str = "random"
    policy_settings: dict[str, Any] = Field(default_factory=dict)
    task: str | None = None
    episodes: PositiveInt = 1
    max_steps: PositiveInt = 128
    seed: NonNegativeInt = 0
    templates: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    directions: tuple[Cue, ...] = ()
    group: PositiveInt = 1
    group_after: NonNegativeInt = 0
    moment: Path | None = None
    words: bool = False
    format: Literal["npz", "parquet"] = "npz"
    jpeg: int | None = Field(default=None, ge=1, le=100)
    shard_episodes: PositiveInt | None = None

    def with_shards(self) -> Self:
        """The same plan with the size of its shards decided, which a grown plan must keep."""
        if self.shard_episodes:
            return self
        by_steps = max(1, SHARD_STEPS // self.max_steps)
        return self.model_copy(
            update={"shard_episodes": min(by_steps, SHARD_MOST, -(-self.episodes // SHARDS_AT_LEAST))}
        )

    @property
    def size(self) -> int:
        """Episodes per shard."""
        assert self.shard_episodes, "decide on the shards first: plan.with_shards()"
        return self.shard_episodes

    @property
    def shards(self) -> range:
        return range(-(-self.episodes // self.size))

    def episodes_of(self, shard: int) -> range:
        """The numbers of the episodes in a shard."""
        return range(shard * self.size, min((shard + 1) * self.size, self.episodes))

    @property
    def in_groups(self) -> bool:
        """Whether episodes begin in the middle of something."""
        return self.group > 1 or self.moment is not None

    def recipe(self, episode: int) -> Recipe:
        if not self.in_groups:
            return Recipe(episode, None, self.seed + episode)
        future = int(self.stream(episode, FUTURE).integers(2**31))
        return Recipe(episode, episode // self.group, future)

    def stream(self, number: int, use: int) -> np.random.Generator:
        """A random stream that belongs to one episode (or group) and one use alone."""
        return np.random.default_rng([self.seed, number, use])

    def starting(self, number: int) -> Start:
        """How the episode (or group) with that number begins; templates and prompts are taken in turn."""
        given: dict[str, Any] = {"template": self.templates, "prompt": self.prompts}
        return Start(**{name: options[number % len(options)] for name, options in given.items() if options})

    def cues(self, episode: int, suggestions: Sequence[str]) -> dict[int, Direction]:
        """What is said at which step of an episode: one thing at a time, what would come together in turn."""
        rng, said = self.stream(episode, CUES), dict[int, Direction]()
        for cue in self.directions:
            step, direction = cue.draw(rng, suggestions)
            while step in said:
                step += 1
            said[step] = direction
        return said


@dataclass(frozen=True)
class Job:
    """A plan, the folder it goes to, and how a worker makes its part; `world` and `policy` stand for unnamed ones."""

    plan: Plan
    folder: Path
    batch: int
    record: bool = True
    world: Any = None
    policy: Any = None
