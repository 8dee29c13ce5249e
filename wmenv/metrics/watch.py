"""Looks at the frames of many rows as they come, and folds them into every online metric.

Frames are reduced to thumbnails at once and digested in blocks of 16 steps, which is what makes watching cheap. Under a
governor it watches fewer rows, one episode at a time and by turns, and then only windows of 64 steps, so that what it
sees is always consecutive; a record says how many steps were watched. Never keeps or alters a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wmenv.contract import ActionTable
from wmenv.metrics import changes, cuts, flicker, health, motion, onset, responsiveness, reverts, revisits, thumbnail
from wmenv.metrics.governor import Governor

BLOCK = 16  # steps digested together; one of them is sampled for health
WINDOW = 64  # steps watched in a row when not all can be
VERSIONS = tuple(
    module.VERSION
    for module in (thumbnail, changes, motion, responsiveness, reverts, cuts, flicker, health, onset, revisits)
)


class EpisodeWatch:
    """The online metrics of one episode."""

    def __init__(self, table: ActionTable, thumb: np.ndarray) -> None:
        self._first = thumb
        self._buffer = np.zeros((BLOCK + 2, *thumb.shape), np.float32)  # the two before the block, then the block
        self._buffer[1] = thumb
        self._classes: list[int] = []
        self._resting: list[bool] = []
        self._poses: list[np.ndarray | None] = []
        self._age = self._rest = self._looks = 0
        self._shifted = False  # whether the last step moved the picture
        self._onsets: list[onset.Onset] = []
        self.changes = changes.Changes()
        self.series = responsiveness.MotionSeries()
        self.reverts = reverts.Reverts()
        self.cuts = cuts.Cuts()
        self.flicker = flicker.Flicker()
        self.health = health.Health()
        self.revisits = revisits.Revisits(table)

    def see(
        self, frame: np.ndarray, thumb: np.ndarray, action: int, noop: bool, age: int, pose: np.ndarray | None = None
    ) -> None:
        """The frame that step number `age` showed after an action of class `action`."""
        if age != self._age + 1:
            return self._resume(thumb, age)
        self._rest = self._rest + 1 if noop else 0
        self._buffer[2 + len(self._classes)] = thumb
        self._classes.append(action)
        self._resting.append(self._rest >= 2)
        self._poses.append(pose)
        self._age = age
        self._looks += 1
        if self._looks % BLOCK == 0:
            self.health.fold(frame, age)
        if len(self._classes) == BLOCK:
            self._digest()
        return None

    def expect(self, asked: int) -> onset.Onset:
        """Look out for the effect of a direction that came with step `asked`."""
        expected = onset.Onset(asked)
        self._onsets.append(expected)  # before the step is digested: it may show the effect already
        self._digest()
        self.revisits.directed()
        return expected

    def record(self) -> dict[str, Any]:
        """What the episode looked like so far; None where too little was seen to say."""
        self._digest()
        response = self.series.measure()
        return {
            "watched_steps": self._looks,
            "omega2": response.omega2 if response else None,
            "omega2_perm95": response.chance if response else None,
            "effect_lag_steps": response.lag if response else None,
            "unique_share": self.changes.unique_share,
            "reverts": self.reverts.record(),
            "cuts": self.cuts.record(),
            "flicker": self.flicker.median,
            "health": self.health.record(),
            **self.revisits.record(),
        }

    def _resume(self, thumb: np.ndarray, age: int) -> None:
        """Go on after a gap: this frame has nothing to be compared with."""
        self._digest()
        self.revisits.lost()
        self._buffer[1] = thumb
        self._age, self._rest, self._shifted = age, 0, False

    def _digest(self) -> None:
        count = len(self._classes)
        if not count:
            return
        before, last, now = (self._buffer[at : at + count] for at in range(3))
        change, away = _mean_apart(now, last), _mean_apart(now, self._first)
        halves = thumbnail.halved(self._buffer[1 : count + 2])
        moved = motion.motion(halves[:-1], halves[1:])
        jumped = self.changes.jumps(change, moved.unexplained)
        steps_of_jumps = (np.flatnonzero(jumped) + self._age - count + 1).tolist()
        for expected in self._onsets:
            expected.fold(steps_of_jumps)
        self._onsets = [expected for expected in self._onsets if expected.open_at(self._age)]
        self.series.fold(self._classes, moved.dy, moved.dx, change)
        self.reverts.fold(away, jumped, self.changes)
        self.cuts.fold(change, jumped, self.changes)
        resting = np.array(self._resting)
        shifted = np.append(
            self._shifted, ((moved.dy != 0) | (moved.dx != 0)) & (moved.unexplained <= changes.UNEXPLAINED)
        )
        still = resting & ~shifted[1:] & ~shifted[:-1]
        self._shifted = bool(shifted[-1])
        self.flicker.fold(flicker.second_difference(before[still], last[still], now[still]))
        self.changes.fold(change, jumped, resting, still)
        self.revisits.fold(halves[1:], self._classes, self._poses, self._age - count + 1, self.changes.idle)
        self._buffer[:2] = self._buffer[count : count + 2].copy()
        self._classes, self._resting, self._poses = [], [], []


class FrameWatch:
    """An `EpisodeWatch` for as many of the rows as the governor leaves room for."""

    def __init__(self, table: ActionTable, rows: int, governor: Governor) -> None:
        self._table, self._rows, self._governor = table, rows, governor
        self._episodes: dict[int, EpisodeWatch] = {}
        self._age = np.zeros(rows, np.int64)  # steps since each episode began
        self._turns = np.zeros(rows, np.int64)  # episodes of each row that were watched
        self._nothing = EpisodeWatch(table, np.zeros((1, 1), np.float32)).record()  # of an episode nobody watched

    def open(self, rows: Sequence[int], frames: np.ndarray) -> None:
        """New episodes begin with these frames. When not all can be watched, a row watched till now gives way once, and
        those go first whose episodes were watched least."""
        room = max(1, int(self._rows / self._governor.stride))
        had_turn = {row for row in rows if self._episodes.pop(row, None)} if room < self._rows else set()
        for at, row in sorted(enumerate(rows), key=lambda one: self._turns[one[1]]):
            self._age[row] = 0
            if (row in had_turn and self._rows > 1) or (len(self._episodes) >= room and row not in self._episodes):
                continue
            self._turns[row] += 1
            self._episodes[row] = EpisodeWatch(self._table, thumbnail.thumbnails(frames[at : at + 1])[0])

    def look(
        self, active: np.ndarray, actions: np.ndarray, frames: np.ndarray, poses: np.ndarray | None = None
    ) -> None:
        """A step of all rows; only those `active` moved, and only those whose turn it is are looked at."""
        self._age += active
        rows = [row for row in self._episodes if active[row] and self._on(row)]
        if not rows:
            return
        pictures = frames if len(rows) == len(frames) else frames[rows]
        actions = actions[rows]
        thumbs = thumbnail.thumbnails(pictures)
        classes = responsiveness.action_classes(self._table, actions).tolist()
        noops = is_noop(self._table, actions).tolist()
        for at, row in enumerate(rows):
            pose = None if poses is None or not np.isfinite(poses[row]).all() else poses[row].copy()
            self._episodes[row].see(pictures[at], thumbs[at], classes[at], noops[at], int(self._age[row]), pose)

    def expect(self, row: int) -> onset.Onset | None:
        """Look out for the effect of a direction that came with the row's last step; None if nobody watches."""
        episode = self._episodes.get(row)
        return episode.expect(int(self._age[row])) if episode else None

    def record(self, row: int) -> dict[str, Any]:
        """What the episode of this row looked like; an unwatched one has 0 `watched_steps` and None for the rest."""
        return self._episodes[row].record() if row in self._episodes else self._nothing

    def _on(self, row: int) -> bool:
        duty = math.ceil(self._governor.stride * len(self._episodes) / self._rows)
        return duty <= 1 or (int(self._age[row]) // WINDOW + row) % duty == 0


def _mean_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b).mean(axis=(1, 2))


def is_noop(table: ActionTable, actions: np.ndarray) -> np.ndarray:
    """Which actions do nothing; none of them if the table knows no such action."""
    if table.noop is None:
        return np.zeros(len(actions), bool)
    same = actions == np.asarray(table.noop)
    return same if same.ndim == 1 else same.all(axis=1)
