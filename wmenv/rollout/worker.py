"""One worker: a world, a policy and a batch of rows, which makes shards for as long as the desk has some.

The same in this process, in another one, and in a Ray actor; only its seat at the desk differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from wmenv.contract import World
from wmenv.episodes import spec_facts
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.rollout.desk import Seat
from wmenv.rollout.plan import Job
from wmenv.rollout.policies import Policy, load_policy
from wmenv.rollout.press import Press
from wmenv.rollout.rows import Finished, Rows, task_of
from wmenv.runtime import environment_facts
from wmenv.worlds.catalog import load_world

BEAT_S = 0.5


def work(job: Job, seat: Seat) -> None:
    """Make shards until there are none left to claim."""
    plan = job.plan
    world: World = job.world or load_world(plan.world, **plan.world_settings)
    policy: Policy = job.policy or load_policy(plan.policy, plan.policy_settings)
    seat.introduce(json.loads(json.dumps(spec_facts(world.spec))))  # as it will be read from the manifest
    source = task_of(plan, world.spec).name
    observer = EpisodeRecorder(world.spec, job.batch, reward_source=source) if job.record else None
    pulse = Pulse(seat)
    rows = Rows(world, policy, plan, job.batch, observer, pulse.stepped)
    with Press(plan, job.folder, job.batch, behind=job.batch, made_on=environment_facts()) as press:
        for finished in rows.run(claimed(job, seat)):
            pulse.finished(finished)
            for receipt in press.add(finished):
                seat.hand_in(receipt.light)
        for receipt in press.rest():
            seat.hand_in(receipt.light)
    pulse.beat()


def claimed(job: Job, seat: Seat) -> Iterator[range]:
    """The episodes of one shard after another, each claimed when the one before is under way."""
    while (shard := seat.claim()) is not None:
        yield job.plan.episodes_of(shard)


class Pulse:
    """Tells the desk every half second how far this worker has come."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._steps = 0
        self._ended: list[tuple[int, float | None]] = []
        self._last = time.monotonic()

    def stepped(self, steps: int) -> None:
        self._steps += steps
        if time.monotonic() - self._last > BEAT_S:
            self.beat()

    def finished(self, finished: Finished) -> None:
        rewards = finished.episode.rewards
        self._ended.append((finished.episode.steps, None if rewards is None else float(rewards.sum())))

    def beat(self) -> None:
        self._seat.beat(self._steps, self._ended)
        self._steps, self._ended, self._last = 0, [], time.monotonic()
