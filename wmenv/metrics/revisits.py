"""Does a place look as it did when one comes back to it by chance? Found in ordinary episodes, without a script.

Back at a place: the actions since then undo each other exactly, or the world's own pose is the same again. Such a
return counts once the picture had been clearly another one in between, and is scored against what was last seen
there: 1 when it looks the same, 0 when it looks no more like that place than the other places of the episode do. A
direction may change any place, so it makes all of them unknown. Knows nothing of the true world: a consistent dream
scores well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from wmenv.contract import ActionTable

VERSION = "revisits-1"
PLACES = 64  # remembered at one time; the one not seen for longest is forgotten first
ABSENT = 4  # steps, below which a return is no return
EXCURSION = 6.0  # times the idle change, that the picture must have differed by in between
LEAST_EXCURSION = 0.05  # luma; less is no excursion even in a still world
POSE_CELL = 0.25  # poses that round to the same multiple of this are the same place
WANDER = 256  # pans in a row that are remembered for being undone


class Revisits:
    """The natural revisits of one episode of a world with this table of actions."""

    def __init__(self, table: ActionTable) -> None:
        self._table = table
        self._slots: OrderedDict[Hashable, int] = OrderedDict()  # place -> its row below, the last seen at the end
        self._thumbs = np.zeros((PLACES, 0, 0), np.float32)  # what was seen there last
        self._seen = np.zeros(PLACES, np.int64)  # at which step
        self._furthest = np.zeros(PLACES)  # how different the picture has been since
        self._path: list[int] = []
        self._ground = 0  # what cannot be undone leads to new ground, of that number
        self._scores: list[float] = []
        self._longest: int | None = None

    def fold(
        self, thumbs: np.ndarray, actions: Sequence[int], poses: Sequence[np.ndarray | None], first: int, idle: float
    ) -> None:
        """Thumbnails of consecutive steps from step `first` on, with the actions before them and the poses there.

        `idle` is the change that comes without acting. Where actions are no numbers, only poses tell the place.
        """
        if not self._thumbs.size:
            self._thumbs = np.zeros((PLACES, *thumbs.shape[1:]), np.float32)
        gate = max(EXCURSION * idle, LEAST_EXCURSION)
        for step, (thumb, action, pose) in enumerate(zip(thumbs, actions, poses, strict=True), start=first):
            self._follow(action)
            self._see(thumb, self._key(pose), step, gate)

    def _see(self, thumb: np.ndarray, key: Hashable, step: int, gate: float) -> None:
        known = np.fromiter(self._slots.values(), np.int64, len(self._slots))
        apart = np.abs(self._thumbs[known] - thumb).mean(axis=(1, 2))
        here = self._slots.get(key)
        if here is not None and step - self._seen[here] > ABSENT and self._furthest[here] > gate:
            self._score(apart[known == here][0], apart[known != here], int(step - self._seen[here]))
        self._furthest[known] = np.maximum(self._furthest[known], apart)
        if here is None:
            here = self._slots.popitem(last=False)[1] if len(known) == PLACES else self._free()
        self._slots[key] = here
        self._slots.move_to_end(key)
        self._thumbs[here], self._seen[here], self._furthest[here] = thumb, step, 0.0

    def _free(self) -> int:
        """A row that no place has."""
        return min(set(range(PLACES)) - set(self._slots.values()))

    def directed(self) -> None:
        """A direction was given: nothing is known to be as it was."""
        self._slots.clear()

    def lost(self) -> None:
        """Steps went unseen: where one stands, as told by actions, is not known any more."""
        self._begin_anew()

    def record(self) -> dict[str, Any]:
        """`persistence` is None when nothing was revisited."""
        return {
            "persistence": float(np.mean(self._scores)) if self._scores else None,
            "revisits": len(self._scores),
            "longest_absence_steps": self._longest,
        }

    def _score(self, here: float, elsewhere: np.ndarray, absence: int) -> None:
        """How much nearer the picture is to what was here than to what was elsewhere."""
        usual = float(np.median(elsewhere)) if elsewhere.size else 0.0
        self._scores.append(float(np.clip(1 - here / max(usual, LEAST_EXCURSION), 0.0, 1.0)))
        self._longest = max(absence, self._longest or 0)

    def _follow(self, action: int) -> None:
        """Where the action leads: along the path, back along it, nowhere, or to where nothing leads back from."""
        if action == self._table.noop:
            return
        if action not in self._table.inverse:
            self._begin_anew()
        elif self._path and self._table.inverse.get(action) == self._path[-1]:
            self._path.pop()
        else:
            self._path.append(action)
            if len(self._path) > WANDER:
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._ground += 1
        self._path = []

    def _key(self, pose: np.ndarray | None) -> Hashable:
        """A name for the place: the world's own pose if it has one, else the way here."""
        if pose is None:
            return self._ground, tuple(self._path)
        turned = np.append(pose[:2], (np.cos(pose[2]), np.sin(pose[2])))
        return tuple(np.rint(turned / POSE_CELL).astype(int).tolist())
