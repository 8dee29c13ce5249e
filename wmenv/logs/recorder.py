"""The observer that every environment carries: folds each step, and makes one record per finished episode.

Never keeps, alters or hands out a frame of the environment's; take it away and the frames are the same bit for bit. A
sink that fails after it was opened is named in one warning and counted in the records; the environment goes on.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmenv.contract import Outcome, Span, Start, Step, WorldSpec
from wmenv.errors import LogError
from wmenv.logs.ledger import Ledger, start_record
from wmenv.logs.sinks import FrameSink, Sink
from wmenv.logs.timeline import Timeline
from wmenv.metrics import alarms, latency
from wmenv.metrics.governor import Governor
from wmenv.metrics.watch import VERSIONS, FrameWatch
from wmenv.runtime import one_thread

SCHEMA = "wmenv-episode-1"
ROWS_AT_FIRST = 4  # watched until the governor knows what steps cost here
ABILITIES = ("reward", "terminates", "directions", "words", "audio", "hears", "pose", "seeded", "snapshots")


class EpisodeRecorder:
    """Watches `rows` rows of a world, and tells its sinks of every episode that ends.

    `reward_source` says where reward comes from, the world if not given. `fps` is the rate that steps are judged by,
    the world's own if not given. `provenance` is added to what the world and this machine say of themselves.
    `governor` decides how much is watched.
    """

    def __init__(
        self,
        spec: WorldSpec,
        rows: int,
        *,
        env_id: str = "",
        reward_source: str | None = None,
        fps: float | None = None,
        sinks: Sequence[Sink] = (),
        provenance: Mapping[str, Any] | None = None,
        governor: Governor | None = None,
    ) -> None:
        self.spec, self.rows, self.env_id = spec, rows, env_id
        self.reward_source = reward_source or spec.reward or "none"
        self.fps = spec.fps if fps is None else fps
        self._provenance = dict(spec.provenance) | dict(provenance or {})
        self._governor = governor or Governor(start=max(1.0, rows / ROWS_AT_FIRST))
        self._ledger = Ledger(rows)
        self._timeline = Timeline(rows)
        self._watch = FrameWatch(spec.actions, rows, self._governor)
        self._sinks = list(sinks)
        self._silenced: set[int] = set()  # sinks whose failure was already told
        self._log_failures = 0
        self._unsupported = [name for name in ABILITIES if not getattr(spec, name)]

    @functools.cached_property
    def _made_on(self) -> dict[str, Any]:
        """What every record says of machine and world; asking takes a moment, so not before the first one."""
        return _machine() | self._provenance

    # --- sinks ------------------------------------------------------------------------------------------------------

    def add_sink(self, sink: Sink) -> None:
        """Tell this sink too, from the next episode that ends."""
        self._sinks.append(sink)

    def remove_sink(self, sink: Sink) -> None:
        """Tell this sink no more; closing it is its owner's business."""
        self._sinks.remove(sink)

    # --- watching ---------------------------------------------------------------------------------------------------

    def opened(
        self, rows: Sequence[int], seeds: Sequence[int], starts: Sequence[Start], outcome: Outcome, span: Span
    ) -> None:
        """`rows` began new episodes; what was still under way in them is recorded as abandoned."""
        self._abandon(rows)
        frames = np.asarray(outcome.frames)
        self._watch.open(rows, frames)
        for place, (row, seed, start) in enumerate(zip(rows, seeds, starts, strict=True)):
            line = self._ledger.open(row, seed, start, self._timeline.tick, span)
            if outcome.events is not None:
                line.log(0, outcome.events[place])
        for sink in self._frame_sinks():
            self._deliver(sink, functools.partial(sink.opened, rows, outcome))

    def stepped(self, step: Step) -> dict[int, dict[str, Any]]:
        """A step was taken; gives the record of each row whose episode ended with it."""
        began = time.perf_counter_ns()
        self._timeline.add(step.span, step.active)
        self._ledger.add(step)
        with one_thread():
            self._watch.look(step.active, step.actions, np.asarray(step.outcome.frames), step.outcome.pose)
        if any(step.directions):
            self._note_directions(step)
        ended = np.flatnonzero((step.terminated | step.truncated) & step.active).tolist()
        records = self._records({row: "terminated" if step.terminated[row] else "truncated" for row in ended})
        for row, record in records.items():
            record["truncated"] = bool(step.truncated[row])
        own_ns = time.perf_counter_ns() - began
        self._timeline.spent(own_ns)
        self._governor.account(own_ns, step.span.ready_ns - step.span.accepted_ns)
        for sink in self._frame_sinks():
            self._deliver(sink, functools.partial(sink.stepped, step))
        self._tell(records)
        return records

    def close(self) -> None:
        """Record what is under way as abandoned, and close the sinks."""
        self._abandon(sorted(self._ledger.lines))
        for sink in self._sinks:
            self._deliver(sink, sink.close)
        self._sinks.clear()

    def _note_directions(self, step: Step) -> None:
        for row in np.flatnonzero(step.active).tolist():
            if step.directions[row] is not None:
                self._ledger.told(row, step, self._watch.expect(row))

    def _abandon(self, rows: Sequence[int]) -> None:
        under_way = [row for row in rows if row in self._ledger.lines and self._ledger.steps[row]]
        self._tell(self._records(dict.fromkeys(under_way, "abandoned")))

    # --- records ----------------------------------------------------------------------------------------------------

    def _records(self, ends: Mapping[int, str]) -> dict[int, dict[str, Any]]:
        """The records of episodes that ended so, which leave the ledger; what they have in common, they share."""
        paces: dict[tuple[int, int], dict[str, Any]] = {}  # rows that began and ended together share their times
        records = {row: self._record(row, end, paces) for row, end in ends.items()}
        for row in ends:
            del self._ledger.lines[row]
        return records

    def _record(self, row: int, end: str, paces: dict[tuple[int, int], dict[str, Any]]) -> dict[str, Any]:
        line, steps = self._ledger.lines[row], int(self._ledger.steps[row])
        times = (line.first_tick, steps)
        if times not in paces:
            paces[times] = self._pace(row, line.first_tick)
        pace, seen = paces[times], self._watch.record(row)
        record = {
            "schema": SCHEMA,
            "env_id": self.env_id,
            "world": self.spec.name,
            "row": row,
            "seed": line.seed,
            "start": start_record(line.start),
            "end": end,
            "terminated": end == "terminated",
            "truncated": end == "truncated",
            "steps": steps,
            "return": float(self._ledger.returns[row]),
            "reward_source": self.reward_source,
            "total_steps": self._ledger.total_steps,
            "fps_target": self.fps,
            "frames_per_step": self.spec.frames_per_step,
            "ttff_ms": line.ttff_ms,
            "cold": line.cold,
            **pace,
            **seen,
            "unique_fps": _product(seen["unique_share"], pace["steps_per_second"]),
            "effect_lag_ms": _quotient(seen["effect_lag_steps"], pace["steps_per_second"]),
            "damaged_steps": int(self._ledger.damaged[row]),
            "directions": [told.record() for told in line.directions],
            "directions_count": line.directions_count,
            "events": line.events,
            "event_counts": [list(count) for count in sorted(line.event_counts.items())],
            "unsupported": self._unsupported,
            "log_failures": self._log_failures,
            "provenance": self._made_on,
        }
        return record | {"alarms": list(alarms.alarms(record))}

    def _pace(self, row: int, since: int) -> dict[str, Any]:
        slot_ms = 1e3 * self.spec.frames_per_step / self.fps
        pace = latency.pace_record(self._timeline.times(row, since), slot_ms)
        return pace | {"metrics_overhead_frac": self._timeline.overhead(row, since)}

    # --- telling ----------------------------------------------------------------------------------------------------

    def _frame_sinks(self) -> list[FrameSink]:
        return [sink for sink in self._sinks if isinstance(sink, FrameSink)]

    def _tell(self, records: Mapping[int, dict[str, Any]]) -> None:
        if records:
            for sink in self._sinks:
                self._deliver(sink, functools.partial(sink.write, list(records.values())))

    def _deliver(self, sink: Sink, call: Any) -> None:
        """Call a sink; its first failure is warned of, and every one is counted."""
        try:
            call()
        except LogError as problem:
            self._log_failures += 1
            if id(sink) not in self._silenced:
                self._silenced.add(id(sink))
                warnings.warn(f"LogError: {problem} The environment goes on without it.", RuntimeWarning, stacklevel=4)


@functools.cache
def _machine() -> dict[str, Any]:
    from wmenv.runtime import environment_facts

    return environment_facts() | {"metrics": [*VERSIONS, latency.VERSION, alarms.VERSION]}


def _product(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _quotient(steps: int | None, per_second: float | None) -> float | None:
    return None if steps is None or per_second is None else 1e3 * steps / per_second
