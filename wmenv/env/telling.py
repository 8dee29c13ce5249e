"""What a step tells besides observations, rewards and ends: pose, sound, more frames, events, and what became of
directions. No wall-clock, so that the same seed and actions tell the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from wmenv.contract import Outcome, Step
from wmenv.env.infos import InfoBatch
from wmenv.runtime import to_host

EXTRAS = ("pose", "audio", "chunk")  # what an outcome may bring besides frames and reward


def tell_outcome(infos: InfoBatch, rows: Sequence[int], outcome: Outcome, places: Sequence[int]) -> None:
    """Put into the infos of `rows` what an outcome shows, at `places`, besides frames and reward."""
    if not rows:
        return
    for name in EXTRAS:
        value = getattr(outcome, name)
        if value is not None:
            infos.put(name, rows, to_host(value)[list(places)])
    if outcome.events is not None and any(outcome.events):
        told = {row: outcome.events[place] for row, place in zip(rows, places, strict=True) if outcome.events[place]}
        infos.put_records({row: {"events": list(events)} for row, events in told.items()})


def tell_directions(infos: InfoBatch, rows: Sequence[int], step: Step) -> None:
    """What became of the directions that were given with this step."""
    if step.outcome.receipts is None or not any(step.directions):
        return
    told = {}
    for row in rows:
        direction, receipt = step.directions[row], step.outcome.receipts[row]
        if direction is not None and receipt is not None:
            told[row] = {"direction": {"text": direction.text, "applied": receipt.applied, "reason": receipt.reason}}
    infos.put_records(told)
