"""What can be counted of each row's episode without looking at a frame: steps, return, directions, events.

Knows nothing of time or pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wmenv.contract import Direction, Event, Receipt, Span, Start, Step
from wmenv.metrics.onset import Onset

EVENTS_KEPT = 64  # in full, per episode; all are counted
DIRECTIONS_KEPT = 256


@dataclass(slots=True)
class Told:
    """A direction, the step it came with, what the world made of it, and when it began to show."""

    direction: Direction
    step: int
    receipt: Receipt | None
    onset: Onset | None

    def record(self) -> dict[str, Any]:
        applied = self.receipt.applied if self.receipt else None
        return {
            "text": self.direction.text,
            "lock": list(self.direction.lock) if self.direction.lock else None,
            "received_step": self.step,
            "applied": applied,
            "applied_step": self.step if applied else None,
            "refused": None if applied or self.receipt is None else self.receipt.reason,
            "onset_step": self.onset.began if self.onset else None,
        }


@dataclass(slots=True)
class Line:
    """One episode, as far as it has come."""

    seed: int
    start: Start
    first_tick: int
    ttff_ms: float
    cold: bool
    directions: list[Told] = field(default_factory=list)
    directions_count: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    event_counts: Counter[str] = field(default_factory=Counter)

    def log(self, step: int, events: Iterable[Event]) -> None:
        for event in events:
            self.event_counts[event.kind] += 1
            if len(self.events) < EVENTS_KEPT:
                self.events.append({"step": step, "kind": event.kind, "detail": event.detail})


class Ledger:
    """One line per row; the figures that change with every step are arrays over rows."""

    def __init__(self, rows: int) -> None:
        self.lines: dict[int, Line] = {}
        self.steps = np.zeros(rows, np.int64)
        self.returns = np.zeros(rows)
        self.damaged = np.zeros(rows, np.int64)  # steps whose reward or pose was no number
        self.total_steps = 0

    def open(self, row: int, seed: int, start: Start, tick: int, span: Span) -> Line:
        self.steps[row] = self.returns[row] = self.damaged[row] = 0
        self.lines[row] = Line(int(seed), start, tick, span.latency_ms, span.cold)
        return self.lines[row]

    def add(self, step: Step) -> None:
        self.steps += step.active
        self.returns += np.where(step.active, step.reward, 0.0)
        self.total_steps += int(np.count_nonzero(step.active))
        told = [numbers for numbers in (step.outcome.reward, step.outcome.pose) if numbers is not None]
        whole = [np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1) for numbers in told]
        self.damaged += step.active & ~np.all(whole, axis=0)
        if step.outcome.events is not None:
            self._log(np.flatnonzero(step.active).tolist(), step.outcome.events)

    def told(self, row: int, step: Step, onset: Onset | None) -> None:
        """A direction reached `row` with this step."""
        line, direction = self.lines[row], step.directions[row]
        assert direction is not None, f"row {row} was given no direction with this step"
        receipt = step.outcome.receipts[row] if step.outcome.receipts is not None else None
        line.directions_count += 1
        if len(line.directions) < DIRECTIONS_KEPT:
            line.directions.append(Told(direction, int(self.steps[row]), receipt, onset))

    def _log(self, rows: Sequence[int], events: Sequence[Iterable[Event]]) -> None:
        for row in rows:
            if events[row]:
                self.lines[row].log(int(self.steps[row]), events[row])


def start_record(start: Start) -> dict[str, Any]:
    """How an episode began, without the bytes of pictures and moments."""
    return {"kinds": sorted(start.kinds), "template": start.template, "prompt": start.prompt}
