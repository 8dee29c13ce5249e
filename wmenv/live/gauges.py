"""The instruments of one branch while it runs: how fast it steps, whether it follows, reverts or drifts.

Every number is the one of `wmenv.metrics`; this keeps what they need of the last steps. Knows nothing of the page.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from wmenv.contract import Actions, Span, WorldSpec
from wmenv.metrics import alarms, latency
from wmenv.metrics.onset import Onset
from wmenv.metrics.responsiveness import action_classes
from wmenv.metrics.thumbnail import thumbnails
from wmenv.metrics.watch import EpisodeWatch, is_noop
from wmenv.runtime import one_thread
from wmenv.serve.book import Sight

RECENT = 512  # steps that latency is told of
PLOTTED = 120
ALARMS = ("unresponsive", "reverts", "drift")  # of these the page speaks


class Gauges:
    """Watches the frames of one branch from where it began or was taken up again."""

    def __init__(self, spec: WorldSpec, frame: np.ndarray) -> None:
        self._table = spec.actions
        self._watch = EpisodeWatch(spec.actions, thumbnails(frame[None])[0])
        self._spans: deque[Span] = deque(maxlen=RECENT)
        self._age = 0
        self.news = False  # whether there were steps since the facts were last asked for

    def see(self, sight: Sight, action: Actions, span: Span) -> None:
        """A step."""
        self._spans.append(span)
        self._age += 1
        self.news = True
        frame = sight.frames[-1]
        noop = bool(is_noop(self._table, action)[0])
        pose = None if sight.pose is None or not np.isfinite(sight.pose).all() else sight.pose
        kind = int(action_classes(self._table, action)[0])
        with one_thread():
            self._watch.see(frame, thumbnails(frame[None])[0], kind, noop, self._age, pose)

    def expect(self) -> Onset:
        """Look out for the effect of a direction that came with the last step; steps count from where this began."""
        return self._watch.expect(self._age)

    def facts(self, slot_ms: float) -> dict[str, Any]:
        """What the page shows; None where too little was seen to say."""
        self.news = False
        seen, pace = self._watch.record(), self._pace(slot_ms)
        response = None
        if seen["omega2"] is not None:
            response = {"omega2": seen["omega2"], "chance": seen["omega2_perm95"], "lag": seen["effect_lag_steps"]}
        health = seen["health"]
        return {
            "step": pace,
            "response": response,
            "reverts": seen["reverts"]["events"],
            "drift": {"step": health["flag_step"], "feature": health["flag_feature"]},
            "alarms": [name for name in ALARMS if alarms.ALARMS[name](seen)],
        }

    def _pace(self, slot_ms: float) -> dict[str, Any]:
        own = np.array([span.latency_ms for span in self._spans])
        late = np.array([span.late_ms for span in self._spans])
        p50, p95, p99 = np.quantile(own, (0.5, 0.95, 0.99)).tolist() if len(own) else (None,) * 3
        return {
            "p50": p50,
            "p95": p95,
            "p99": p99,
            "slot_ms": slot_ms,
            "misses": latency.misses(late, slot_ms)["rate"],
            "series": own[-PLOTTED:].round(2).tolist(),
        }
