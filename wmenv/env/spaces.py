"""A world's pictures and actions as Gymnasium spaces, and an agent's actions as the world's.

Continuous actions are -1..1 for the agent, whatever their range in the world is, unless a range has no end. Knows
nothing of time or episodes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces

from wmenv.contract import Actions, ActionTable, WorldSpec
from wmenv.runtime import to_host


def picture_space(spec: WorldSpec) -> spaces.Box:
    """One RGB frame, channels last."""
    return spaces.Box(0, 255, (spec.height, spec.width, 3), np.uint8)


def action_space(table: ActionTable) -> spaces.Space:
    """What an agent chooses from."""
    if table.kind == "discrete":
        return spaces.Discrete(table.count)
    if table.kind == "multi_discrete":
        return spaces.MultiDiscrete(np.array(table.sizes))
    low, high = agent_range(table)
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


def agent_range(table: ActionTable) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lowest and highest value of each field of a continuous table, for the agent."""
    if not np.isfinite([table.low, table.high]).all():
        return table.low, table.high
    return (-1.0,) * table.count, (1.0,) * table.count


class ActionDecoder:
    """Turns an agent's actions, one per row, into the world's; refuses what is not in the space."""

    def __init__(self, table: ActionTable) -> None:
        self._agent = table
        self._low, self._high = np.array(table.low, np.float32), np.array(table.high, np.float32)
        if table.kind == "box":
            low, high = agent_range(table)
            self._agent = replace(table, low=low, high=high)
        self._scaled = self._agent != table
        self._idle = np.clip(0, self._agent.low, self._agent.high) if table.kind == "box" else 0

    def __call__(self, actions: Any, ignored: np.ndarray) -> Actions:
        """The world's actions; what was sent for the rows in the mask `ignored` is not even looked at."""
        array = to_host(actions)
        if ignored.any() and len(array) == len(ignored):
            array = np.array(array)
            array[ignored] = self._idle
        checked = self._agent.check(array, len(ignored))
        if not self._scaled:
            return checked
        scaled = self._low + (checked + 1) / 2 * (self._high - self._low)
        return np.clip(scaled, self._low, self._high)  # rounding may overshoot by the last bit of a float32
