"""A world's pictures and actions as Gymnasium spaces, and an agent's actions as the world's.

Continuous actions are -1..1 for the agent, whatever their range in the world is. Knows nothing of time or episodes.
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
    return spaces.Box(-1.0, 1.0, (table.count,), np.float32)


class ActionDecoder:
    """Turns an agent's actions, one per row, into the world's; refuses what is not in the space."""

    def __init__(self, table: ActionTable) -> None:
        ones = (1.0,) * table.count
        self._agent = replace(table, low=tuple(-one for one in ones), high=ones) if table.kind == "box" else table
        self._scaled = table.kind == "box"
        self._low, self._high = np.array(table.low, np.float32), np.array(table.high, np.float32)
        self._idle = self._idle_action(table)

    def __call__(self, actions: Any, ignored: np.ndarray) -> Actions:
        """The world's actions; what was sent for the rows in the mask `ignored` is not even looked at."""
        array = to_host(actions)
        if ignored.any() and len(array) == len(ignored):
            array = np.array(array)
            array[ignored] = self._idle
        checked = self._agent.check(array, len(ignored))
        return self._low + (checked + 1) / 2 * (self._high - self._low) if self._scaled else checked

    def _idle_action(self, table: ActionTable) -> Any:
        """Some action that the table holds."""
        return 0 if table.kind != "box" else 0.0
