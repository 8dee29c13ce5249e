"""How far a rollout has come, on one line: episodes, time left, steps per second, and how the last episodes went.

Knows nothing of who does the work.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from wmenv.rollout.desk import News

RECENT = 256  # episodes that the means are over
WINDOW_S = 10.0  # that the speed is over


class Progress:
    """A bar over the episodes that are still to be made; silent if not `shown`."""

    def __init__(self, done: int, episodes: int, shown: bool) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(initial=done, total=episodes, unit="ep", disable=not shown, dynamic_ncols=True)
        self._recent: deque[tuple[int, float | None]] = deque(maxlen=RECENT)
        self._beats: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.steps = self.episodes = 0

    def add(self, news: News) -> None:
        self.steps += news.steps
        self.episodes += len(news.finished)
        self._recent += news.finished
        self._beats.append((time.monotonic(), self.steps))
        while self._beats[-1][0] - self._beats[0][0] > WINDOW_S:
            self._beats.popleft()
        self._bar.set_postfix(self.figures(), refresh=False)
        self._bar.update(len(news.finished))

    def figures(self) -> dict[str, str]:
        """What stands beside the bar."""
        (began, before), (now, steps) = self._beats[0], self._beats[-1]
        told = {"steps/s": f"{(steps - before) / (now - began):.0f}" if now > began else "-"}
        if self._recent:
            told["length"] = f"{sum(steps for steps, _ in self._recent) / len(self._recent):.0f}"
        returns = [earned for _, earned in self._recent if earned is not None]
        if returns:
            told["return"] = f"{sum(returns) / len(returns):.3g}"
        return told

    def close(self) -> None:
        self._bar.close()
