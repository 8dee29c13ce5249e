"""The times of the last 4096 vector steps, and which rows took part in each. Knows nothing of what was shown."""

from __future__ import annotations

import numpy as np

from wmenv.contract import Span
from wmenv.metrics.latency import Times

KEPT = 4096  # vector steps; what an episode has beyond them is not in its percentiles, and their n says so


class Timeline:
    """A ring of spans, written once per vector step."""

    def __init__(self, rows: int) -> None:
        self.tick = 0  # vector steps so far
        self._ns = np.zeros((KEPT, 4), np.int64)  # intended, accepted, ready, spent on recording
        self._active = np.zeros((KEPT, rows), bool)

    def add(self, span: Span, active: np.ndarray) -> None:
        at = self.tick % KEPT
        self._ns[at] = span.intended_ns, span.accepted_ns, span.ready_ns, 0
        self._active[at] = active
        self.tick += 1

    def spent(self, own_ns: int) -> None:
        """What the recording of the last step took."""
        self._ns[(self.tick - 1) % KEPT, 3] = own_ns

    def times(self, row: int, since: int) -> Times:
        """The steps that `row` took part in, from tick `since` on."""
        ns = self._of(row, since)
        return Times(ns[:, 0], ns[:, 1], ns[:, 2])

    def overhead(self, row: int, since: int) -> float | None:
        """What recording cost, as a share of what stepping took."""
        ns = self._of(row, since)
        stepping = int((ns[:, 2] - ns[:, 1]).sum())
        return float(ns[:, 3].sum() / stepping) if stepping > 0 else None

    def _of(self, row: int, since: int) -> np.ndarray:
        kept = np.arange(max(since, self.tick - KEPT), self.tick) % KEPT
        return self._ns[kept[self._active[kept, row]]]
