"""What a person does between two steps: presses that each want a step of their own, and what is held meanwhile.

Knows nothing of keys; the page turns those into actions.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from wmenv.contract import Actions, ActionTable

MOST_PRESSES = 3  # waiting ones; more than that, and the world would lag behind the fingers


class Press(NamedTuple):
    """An action wanted once; `person` and `id` say whom to tell, and of what."""

    action: Any
    person: int
    id: int


class Hands:
    """The presses of one room, and what is held."""

    def __init__(self, table: ActionTable) -> None:
        self._table = table
        self._presses: deque[Press] = deque()
        self._held: Any = None

    @property
    def pressed(self) -> bool:
        """Whether somebody waits for a step."""
        return bool(self._presses)

    @property
    def idle(self) -> bool:
        """Whether nobody does anything, in a world that has no action for that."""
        return not self._presses and self._held is None and self._table.noop is None

    def press(self, press: Press) -> None:
        """One step with that action; beyond a few, the presses that wait are more than anyone can see."""
        self._table.check([press.action], 1)
        if len(self._presses) < MOST_PRESSES:
            self._presses.append(press)

    def hold(self, action: Any) -> None:
        """That action with every step nobody pressed for; None lets go."""
        if action is not None:
            self._table.check([action], 1)
        self._held = action

    def let_go(self) -> None:
        self._presses.clear()
        self._held = None

    def take(self) -> tuple[Actions, list[Press]]:
        """The action of the next step, as the table's array for one row, and the presses that it answers."""
        answered = [self._presses.popleft()] if self._presses else []
        wanted = answered[0].action if answered else self._held if self._held is not None else self._table.noop
        return self._table.check(np.asarray([wanted]), 1), answered
