"""Continuous batching: a world with a fixed number of rows, and a new episode in a row as soon as its last one ends.

The batch never changes its shape; a row without work goes on unseen. So an episode comes out the same bit for bit
whichever rows it shared the batch with. Knows nothing of files or of who hands out the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from wmenv.contract import Actions, Direction, EpisodeObserver, Outcome, Step, World, WorldSpec, no_directions
from wmenv.env.tasks import RewardSource, reward_source
from wmenv.episodes import Episode
from wmenv.errors import ActionError
from wmenv.rollout.openings import Opening, Openings, beginning
from wmenv.rollout.plan import POLICY, Plan
from wmenv.rollout.policies import Mind, Policy, View, load_attribute, policy_name
from wmenv.rollout.tape import Reels, Tape
from wmenv.sim.session import Session


@dataclass(frozen=True)
class Finished:
    """An episode that has ended, and what the observer made of it."""

    number: int
    episode: Episode
    record: Mapping[str, Any]


@dataclass
class Run:
    """The episode that a row is busy with."""

    opening: Opening
    mind: Mind
    tape: Tape
    cues: dict[int, Direction]


class Rows:
    """`batch` rows of a world where `policy` acts out the episodes of a plan; `stepped` hears how many rows moved."""

    def __init__(
        self,
        world: World,
        policy: Policy,
        plan: Plan,
        batch: int,
        observer: EpisodeObserver | None = None,
        stepped: Callable[[int], None] = lambda steps: None,
    ) -> None:
        if plan.words:
            world.spec.need("words")
        self._world, self._policy, self._plan, self._batch = world, policy, plan, batch
        self._observer, self._stepped = observer, stepped
        self._session = Session(world)
        self._openings = Openings(world, policy, plan)
        self._task = task_of(plan, world.spec)
        table = world.spec.actions
        rest = table.noop if table.noop is not None else table.sample(np.random.default_rng(0), 1)[0]
        self._resting = np.array([rest] * batch)
        self._reels = Reels(world.spec, plan.max_steps)
        self._runs: dict[int, Run] = {}

    def run(self, shards: Iterable[range]) -> Iterator[Finished]:
        """Every episode of these shards, as they end."""
        waiting = self._openings.of(shards)
        first = list(islice(waiting, self._batch))
        if not first:
            return
        self._session.revive(beginning(first, self._batch))
        for row, opening in enumerate(first):
            self._begin(row, opening)
        while self._runs:
            for row, finished in self._step():
                yield finished
                for opening in islice(waiting, 1):
                    self._session.restore(opening.moment, [row])
                    self._begin(row, opening)

    def _begin(self, row: int, opening: Opening) -> None:
        number = opening.recipe.episode
        self._runs[row] = Run(
            opening,
            Mind(number, self._plan.stream(number, POLICY), opening.instruction),
            Tape(self._world.spec, self._reels.take(), opening.outcome, opening.words),
            self._plan.cues(number, self._world.spec.suggestions),
        )
        if self._observer is not None:
            self._observer.opened([row], [opening.recipe.seed], [opening.start], opening.outcome, opening.span)

    def _step(self) -> list[tuple[int, Finished]]:
        """One step of all rows; those whose episode ended with it, and the episode."""
        rows = sorted(self._runs)
        actions, directions = self._decide(rows)
        shown = self._session.advance(actions, directions)
        reward, over = self._task(shown.outcome, actions)
        self._record(rows, actions, directions, shown.outcome, None if self._task.name == "none" else reward)
        active, late = np.zeros((2, self._batch), np.bool_)
        active[rows] = True
        late[rows] = [self._runs[row].mind.step >= self._plan.max_steps for row in rows]
        over, late = over & active, late & ~over
        step = Step(active, actions, directions, shown.outcome, reward, over, late, shown.span)
        records = self._observer.stepped(step) if self._observer is not None else {}
        self._stepped(len(rows))
        return [(row, self._end(row, step, records.get(row, {}))) for row in np.flatnonzero(over | late).tolist()]

    def _decide(self, rows: list[int]) -> tuple[Actions, list[Direction | None]]:
        """What the policy does in `rows`, and what it and the script say there."""
        minds = [self._runs[row].mind for row in rows]
        frames = np.asarray(self._session.frames)
        seen = frames if len(rows) == self._batch else frames[rows]
        view = View(seen, minds, self._world.spec, self._batch)
        given = self._policy(view)
        chosen, said = given if isinstance(given, tuple) else (given, no_directions(len(rows)))
        try:
            chosen = self._world.spec.actions.check(chosen, len(rows))
        except ActionError as problem:
            raise ActionError(f"policy {policy_name(self._policy)} gave a wrong answer: {problem}") from problem
        actions = self._resting.copy()
        actions[rows] = chosen
        directions: list[Direction | None] = [None] * self._batch
        for row, mind, direction in zip(rows, minds, said, strict=True):
            directions[row] = self._runs[row].cues.get(mind.step, direction)
        return actions, directions

    def _record(
        self, rows: list[int], actions: Actions, directions: Any, outcome: Outcome, reward: np.ndarray | None
    ) -> None:
        words = self._world.describe(self._session.state) if self._plan.words else None  # type: ignore[attr-defined]
        taken, paid = actions.tolist(), [None] * self._batch if reward is None else reward.tolist()
        for row in rows:
            run, earned = self._runs[row], paid[row]
            run.tape.add(taken[row], outcome, row, earned, words[row] if words else None)
            if directions[row] is not None:
                run.tape.told(directions[row], outcome.receipts[row] if outcome.receipts is not None else None)
            run.mind.step, run.mind.reward = run.mind.step + 1, earned

    def _end(self, row: int, step: Step, record: Mapping[str, Any]) -> Finished:
        run = self._runs.pop(row)
        recipe, start = run.opening.recipe, run.opening.start
        told: dict[str, Any] = {"episode": recipe.episode, "policy": self._plan.policy}
        told |= {} if recipe.group is None else {"group": recipe.group}
        told |= {} if run.mind.instruction is None else {"instruction": run.mind.instruction}
        told |= {"notes": run.mind.notes} if run.mind.notes else {}
        ended = bool(step.terminated[row]), bool(step.truncated[row])
        return Finished(recipe.episode, run.tape.episode(*ended, recipe.seed, start, told), record)


def task_of(plan: Plan, spec: WorldSpec) -> RewardSource:
    """Where reward and the end of episodes come from."""
    if plan.task is not None:
        return reward_source(load_attribute(plan.task, "task"), spec)
    return reward_source("world" if spec.reward else "none", spec)
