"""Does each online metric catch the fault it is meant for, and leave sound worlds alone?

Plays every fault, and every sound variant, with a sticky random policy and asks the alarms of each episode record. The
thresholds stand in `wmenv/metrics`; nothing is decided here. Run: python benchmarks/calibration.py [--quick]
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from wmenv.contract import Span, Start, Step, World, no_directions
from wmenv.logs.recorder import EpisodeRecorder
from wmenv.metrics.governor import FixedStride
from wmenv.runtime import environment_facts
from wmenv.worlds.broken import FAULTS, BrokenWorld
from wmenv.worlds.catalog import load_world

STEPS = 500
STICKINESS = 0.85  # chance that an action is taken again
FIRST_SEED = 9000  # scenes that no threshold was chosen on
LAG = 5

COLUMNS = ("world", "meant for it", "alarms (scenes)", "omega2", "lag", "snaps / exposed", "drift at", "verdict")

Record = Mapping[str, Any]

MEANT_FOR = {  # fault -> the alarm that should ring
    "frozen": "unresponsive",
    "ignores_actions": "unresponsive",
    "random_walk": "unresponsive",
    "ping_pong": "unresponsive",
    "reverts_every": "reverts",
    "reverts_once": "reverts",
    "blur_drift": "drift",
    "pixelate_drift": "drift",
    "hue_drift": "drift",
    "stalls": "stalls",
    "nan_frames": "damaged",
}
SOUND_FAULTS = ("noisy", "lag")  # planted, but no world is to be blamed for them; lag is reported as a number
SOUND_PAN = {"noise": {"noise": 6.0}, "dynamic": {"dynamic": 6}, "late": {"lag": LAG}}
NEEDS_PROBES = {
    "forgets_unseen": "going away and coming back on purpose",
    "forgets_edits": "looking away from an edit",
    "edit_vanishes": "a second world without the edit",
    "ignores_directions": "a second world without the direction",
    "tints": "a second world without the direction",
    "always_blurred": "a picture of what it should look like",
    "never_rewards": "the true reward",
}


@dataclass(frozen=True)
class Verdict:
    """What the alarms said of one world over all its scenes."""

    name: str
    meant: str | None  # the alarm that should ring; None for a sound world
    records: Sequence[Record]

    @property
    def rung(self) -> Counter[str]:
        return Counter(alarm for record in self.records for alarm in record["alarms"])

    @property
    def silent(self) -> bool:
        """Whether the metric itself said, in most scenes, that it cannot see such a thing here."""
        blind = [record for record in self.records if record["reverts"]["exposed_steps"] == 0]
        return self.meant == "reverts" and 2 * len(blind) > len(self.records)

    @property
    def caught(self) -> bool:
        """Whether the alarm that is meant for it rang in most scenes."""
        return self.meant is not None and 2 * self.rung[self.meant] > len(self.records)

    @property
    def blamed(self) -> bool:
        """Whether any alarm rang in any scene of a sound world."""
        return self.meant is None and bool(self.rung)

    @property
    def word(self) -> str:
        if self.meant is None:
            return "BLAMED" if self.blamed else "sound"
        return "says nothing" if self.silent else "caught" if self.caught else "MISSED"


def play(world: World, scenes: int) -> list[Record]:
    """The episode records of a sticky random policy in `scenes` scenes."""
    records: list[Record] = []
    recorder = EpisodeRecorder(world.spec, scenes, sinks=[Gathered(records)], governor=FixedStride())
    clock, seeds, starts = OwnClock(), range(FIRST_SEED, FIRST_SEED + scenes), [Start()] * scenes
    (state, outcome), span = clock.timed(lambda: world.open(starts, seeds))
    recorder.opened(range(scenes), seeds, starts, outcome, span)
    rng, every, silence = np.random.default_rng(FIRST_SEED), np.ones(scenes, bool), no_directions(scenes)
    actions = world.spec.actions.sample(rng, scenes)
    for step in range(1, STEPS + 1):
        again = rng.random(scenes) < STICKINESS
        actions = np.where(again, actions, world.spec.actions.sample(rng, scenes))
        (state, outcome), span = clock.timed(functools.partial(world.advance, state, actions, silence))
        nothing, last = np.zeros(scenes), every & (step == STEPS)
        recorder.stepped(Step(every, actions, silence, outcome, nothing, ~every, last, span))
    return records


class OwnClock:
    """Charges a step the processor time it took, or all of its time if it chose to wait.

    So a stall is the world's own, and what other programs on this machine take is not laid at its door.
    """

    def __init__(self) -> None:
        self._now_ns = 0

    def timed(self, call: Callable[[], Any]) -> tuple[Any, Span]:
        waits, busy, began = self._waits(), time.thread_time_ns(), time.monotonic_ns()
        result = call()
        waited = self._waits() > waits
        took = time.monotonic_ns() - began if waited else time.thread_time_ns() - busy
        accepted, self._now_ns = self._now_ns, self._now_ns + took
        return result, Span(accepted, accepted, self._now_ns)

    @staticmethod
    def _waits() -> int:
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class Gathered:
    """A sink that is a list."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records

    def write(self, records: Sequence[Record]) -> None:
        self._records.extend(records)

    def close(self) -> None:
        """Nothing is held open."""


def cases(name: str) -> Iterator[tuple[str, str | None, Callable[[], World]]]:
    """Each world to play: what it is called, the alarm meant for it, and how it is made."""
    yield name, None, lambda: load_world(name)
    if name == "pan":
        for variant, settings in SOUND_PAN.items():
            yield f"{name} {variant}", None, lambda settings=settings: load_world(name, **settings)
    for fault in (*SOUND_FAULTS, *MEANT_FOR):
        yield f"+{fault}", MEANT_FOR.get(fault), lambda fault=fault: BrokenWorld(load_world(name), fault)


def judge(name: str, scenes: int) -> list[Verdict]:
    return [Verdict(title, meant, play(make(), scenes)) for title, meant, make in cases(name)]


def table(name: str, verdicts: Sequence[Verdict]) -> Table:
    shown = Table(title=f"tier-1 metrics on {name}, {len(verdicts[0].records)} scenes x {STEPS} steps")
    for column in COLUMNS:
        shown.add_column(column)
    for verdict in verdicts:
        records = verdict.records
        rung = ", ".join(f"{alarm} {count}" for alarm, count in verdict.rung.most_common()) or "-"
        snaps, exposed = (sum(record["reverts"][key] for record in records) for key in ("events", "exposed_steps"))
        shown.add_row(
            verdict.name,
            verdict.meant or "-",
            rung,
            median_of(record["omega2"] for record in records),
            median_of(record["effect_lag_steps"] for record in records),
            f"{snaps} / {exposed}",
            median_of(record["health"]["flag_step"] for record in records),
            verdict.word,
        )
    return shown


def median_of(values: Iterator[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.median(known):.3g}" if known else "N/A"


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    planted = [verdict for verdict in verdicts if verdict.meant is not None and not verdict.silent]
    late = [record["effect_lag_steps"] for verdict in verdicts if verdict.name == "+lag" for record in verdict.records]
    return {
        "planted": len(planted),
        "caught": sum(verdict.caught for verdict in planted),
        "missed": [verdict.name for verdict in planted if not verdict.caught],
        "false_alarms": sum(verdict.blamed for verdict in verdicts),
        "blamed": {verdict.name: dict(verdict.rung) for verdict in verdicts if verdict.blamed},
        "sound": sum(verdict.meant is None for verdict in verdicts),
        "says_nothing": [verdict.name for verdict in verdicts if verdict.silent],
        "lag_planted": LAG,
        "lag_reported": late,
        "needs_probes": sorted(NEEDS_PROBES),
        "scenes": len(verdicts[0].records),
        "steps": STEPS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 scenes, not 16")
    parser.add_argument("--world", default="pan", help="the sound world to plant faults in (default: pan)")
    asked = parser.parse_args()
    unplaced = set(FAULTS) - set(MEANT_FOR) - set(SOUND_FAULTS) - set(NEEDS_PROBES)
    assert not unplaced, f"nobody has said which metric is meant for {sorted(unplaced)}"
    console = Console(width=140)
    verdicts = judge(asked.world, scenes=4 if asked.quick else 16)
    console.print(table(asked.world, verdicts))
    for fault, needed in NEEDS_PROBES.items():
        console.print(f"  +{fault} cannot be seen online: it takes {needed}.")
    print(json.dumps({"benchmark": "calibration", "world": asked.world, **summary(verdicts), **environment_facts()}))


if __name__ == "__main__":
    main()
