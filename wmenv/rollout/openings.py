"""How episodes begin: opened some at a time, in blocks that depend on the plan alone, and kept until a row is free.

A block always has the same episodes, so a beginning is computed in the same batch shape whoever opens it. Beginnings
in the middle of something share a past, which is lived once. Knows nothing of what happens after the first frame.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from wmenv.contract import Instructs, Outcome, Span, Start, World, no_directions
from wmenv.errors import OptionError, StartError
from wmenv.rollout.plan import PAST, Plan, Recipe
from wmenv.rollout.policies import Mind, Policy, View
from wmenv.sim.session import Moment, Session

TOGETHER = 8  # beginnings computed in one batch
PASTS_KEPT = 4


@dataclass(frozen=True)
class Opening:
    """The beginning of one episode, ready to be put in a row; `outcome` has that row alone."""

    recipe: Recipe
    start: Start
    moment: Moment
    outcome: Outcome
    span: Span
    instruction: str | None
    words: str | None


class Openings:
    """Opens the episodes of a plan in a world; `policy` lives the past that a group has in common."""

    def __init__(self, world: World, policy: Policy, plan: Plan) -> None:
        self._world, self._policy, self._plan = world, policy, plan
        self._session = Session(world)
        self._past = functools.lru_cache(PASTS_KEPT)(self._lived)
        if plan.in_groups:
            self._check_groups()

    def of(self, shards: Iterable[range]) -> Iterator[Opening]:
        """The beginnings of all episodes of these shards, in order; a shard is asked for when it is needed."""
        for numbers in shards:
            queue = iter(numbers)
            while block := list(islice(queue, TOGETHER)):
                yield from self._block([self._plan.recipe(number) for number in block])

    def _block(self, recipes: list[Recipe]) -> list[Opening]:
        starts = [self._start(recipe) for recipe in recipes]
        shown = self._session.open(starts, [recipe.seed for recipe in recipes])
        told = self._world.instructions(self._session.state) if isinstance(self._world, Instructs) else None
        words = self._world.describe(self._session.state) if self._plan.words else None  # type: ignore[attr-defined]
        return [
            Opening(
                recipe,
                starts[row],
                self._session.snapshot([row]),
                shown.outcome.select([row]),
                shown.span,
                told[row] if told else None,
                words[row] if words else None,
            )
            for row, recipe in enumerate(recipes)
        ]

    def _start(self, recipe: Recipe) -> Start:
        if recipe.group is None:
            return self._plan.starting(recipe.episode)
        return Start(moment=self._past(recipe.group))

    def _lived(self, group: int) -> bytes:
        """The moment from which the futures of a group part."""
        plan, session = self._plan, Session(self._world)
        start = plan.starting(group)
        if plan.moment is not None:
            start = replace(start, moment=read_moment(plan))
        mind = Mind(group, plan.stream(group, PAST))
        shown = session.open([start], [plan.seed + group])
        for mind.step in range(plan.group_after):
            view = View(shown.outcome.frames, [mind], session.spec, batch=1)
            given = self._policy(view)
            actions, directions = given if isinstance(given, tuple) else (given, no_directions(1))
            shown = session.advance(session.spec.actions.check(actions, 1), directions)
            if shown.outcome.terminated is not None and shown.outcome.terminated[0]:
                raise OptionError(
                    f"the past of group {group} ended after {mind.step + 1} steps, before its futures could part at "
                    f"step {plan.group_after}. Choose a smaller group_after, or another policy."
                )
        return session.state.to_bytes()

    def _check_groups(self) -> None:
        spec = self._world.spec
        spec.need("snapshots")
        if "moment" not in spec.starts:
            raise StartError(f"world {spec.name!r} cannot start from a moment, so it has no groups of futures.")


def read_moment(plan: Plan) -> bytes:
    """The bytes of the kept moment that all episodes begin at."""
    assert plan.moment is not None, "only a plan that names a moment has one to read"
    try:
        return plan.moment.read_bytes()
    except OSError as problem:
        raise StartError(f"no moment can be read from {plan.moment}: {problem.strerror}.") from problem


def beginning(openings: list[Opening], rows: int) -> Moment:
    """A batch of `rows` rows that begin so; rows that are left over begin like the first, and nobody looks at them."""
    moments = [opening.moment for opening in openings]
    moments += moments[:1] * (rows - len(moments))
    state = type(moments[0].state).concat([moment.state for moment in moments])
    return Moment(state, np.concatenate([np.asarray(moment.frames) for moment in moments]))
