"""What one episode record says is wrong, by name. The thresholds stand beside the metrics they belong to.

An alarm is a claim about what was seen, not a diagnosis: drift may be new scenery, a deaf world may be a stuck agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wmenv.metrics import cuts, flicker, health, latency, responsiveness, reverts
from wmenv.metrics.rates import poisson

VERSION = "alarms-1"
Record = Mapping[str, Any]


def _unresponsive(record: Record) -> bool:
    omega2 = record["omega2"]
    return omega2 is not None and omega2 <= max(record["omega2_perm95"], responsiveness.UNRESPONSIVE)


def _reverts(record: Record) -> bool:
    return record["reverts"]["events"] >= reverts.REVERTING


def _cuts(record: Record) -> bool:
    interval = record["cuts"]["per_1000_ci"]
    return interval is not None and interval[0] > cuts.CUTTING


def _flicker(record: Record) -> bool:
    return record["flicker"] is not None and record["flicker"] > flicker.FLICKERING


def _drift(record: Record) -> bool:
    return record["health"]["flag_step"] is not None


def _blank(record: Record) -> bool:
    share = record["health"]["constant_share"]
    return share is not None and share > health.BLANK


def _damaged(record: Record) -> bool:
    return record["damaged_steps"] > 0


def _stalls(record: Record) -> bool:
    count, steps = record["stutters"], record["latency_ms"]["n"]
    return count is not None and poisson(count, steps, per=1000).low > latency.STALLING


ALARMS: Mapping[str, Callable[[Record], bool]] = {
    "unresponsive": _unresponsive,
    "reverts": _reverts,
    "cuts": _cuts,
    "flicker": _flicker,
    "drift": _drift,
    "blank": _blank,
    "damaged": _damaged,
    "stalls": _stalls,
}


def alarms(record: Record) -> tuple[str, ...]:
    """The names of the alarms that an episode record raises."""
    return tuple(name for name, rings in ALARMS.items() if rings(record))
