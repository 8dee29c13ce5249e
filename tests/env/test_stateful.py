"""Random sequences of everything a caller can do, against a reference that is a few numbers per row."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes import CountingWorld, pixel
from wmenv.env.vector import WorldVectorEnv

ROWS = 3
GOAL = 6
LIMIT = 9
MODES = ("NextStep", "SameStep", "Disabled")
MASKS = st.lists(st.booleans(), min_size=ROWS, max_size=ROWS).filter(any).map(np.array)
ROW = st.integers(0, ROWS - 1)
SEED = st.integers(0, 1000)


@dataclass
class Row:
    """What a row of `CountingWorld` is, worked out by hand."""

    stream: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    count: int = 0
    step: int = 0
    dice: int = 0
    seed: int = 0
    ended: bool = False
    waiting: list[str] = field(default_factory=list)

    def begin(self, seed=None):
        if seed is not None:
            self.stream = np.random.default_rng(seed)
        self.seed = int(self.stream.integers(2**31)) if seed is None else seed
        self.count, self.step, self.dice = self.seed % 5, 0, self.seed % 251
        self.ended, self.waiting = False, []

    def act(self, action):
        self.count += action - 1 + (10 if self.waiting and self.waiting.pop(0) == "jump" else 0)
        self.step += 1
        self.dice = (self.dice * 6364136223846793005 + self.seed * 2 + 1) % 2**32
        reached = self.count >= GOAL
        self.ended = reached or self.step >= LIMIT
        return float(reached), reached, self.step >= LIMIT

    @property
    def pixel(self):
        return [self.count % 256, self.step % 256, self.dice % 256]

    def become(self, other, keep_stream):
        stream = self.stream if keep_stream else copy.deepcopy(other.stream)
        self.__dict__.update(copy.deepcopy(other.__dict__), stream=stream)


class Lives(RuleBasedStateMachine):
    @initialize(mode=st.sampled_from(MODES), seed=SEED)
    def make(self, mode, seed):
        self.mode = mode
        self.env = WorldVectorEnv(CountingWorld(goal=GOAL), ROWS, autoreset_mode=mode, max_episode_steps=LIMIT)
        self.rows = [Row() for _ in range(ROWS)]
        self.kept = None
        self.reset(seed)

    @rule(seed=SEED)
    def reset(self, seed):
        self.frames, _ = self.env.reset(seed=seed)
        for place, row in enumerate(self.rows):
            row.begin(seed + place)

    @rule(mask=MASKS, seed=st.none() | SEED)
    def reset_some(self, mask, seed):
        self.frames, _ = self.env.reset(seed=seed, options={"reset_mask": mask})
        for place in np.flatnonzero(mask):
            self.rows[place].begin(None if seed is None else seed + int(place))

    @precondition(lambda self: self.mode != "Disabled" or not any(row.ended for row in self.rows))
    @rule(actions=st.lists(st.integers(0, 2), min_size=ROWS, max_size=ROWS))
    def step(self, actions):
        self.frames, rewards, terminated, truncated, infos = self.env.step(np.array(actions))
        for place, (row, action) in enumerate(zip(self.rows, actions, strict=True)):
            if row.ended:
                row.begin()
                expected = 0.0, False, False
            else:
                expected = row.act(action)
            assert (rewards[place], terminated[place], truncated[place]) == expected
            if row.ended and self.mode == "SameStep":
                assert pixel(infos["final_obs"][place]) == row.pixel
                row.begin()

    @rule(row=ROW, text=st.sampled_from(["jump", "sing"]))
    def direct(self, row, text):
        if not self.rows[row].ended:
            self.env.direct(text, [row])
            self.rows[row].waiting.append(text)

    @rule(row=ROW)
    def keep(self, row):
        self.kept = self.env.snapshot([row]), copy.deepcopy(self.rows[row])

    @precondition(lambda self: self.kept is not None)
    @rule(row=ROW)
    def restore(self, row):
        snapshot, was = self.kept
        self.frames = self.env.restore(snapshot, [row])
        self.rows[row].become(was, keep_stream=False)

    @rule(source=ROW, to=ROW)
    def fork(self, source, to):
        self.frames = self.env.fork([source], [to])
        self.rows[to].become(self.rows[source], keep_stream=True)

    @invariant()
    def every_row_is_as_worked_out(self):
        if hasattr(self, "frames"):
            assert pixel(self.frames) == [row.pixel for row in self.rows]
            assert self.env.episode_seeds.tolist() == [row.seed for row in self.rows]


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
