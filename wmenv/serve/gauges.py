"""What a hub counts of itself, in the text format that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

MS = (1, 2, 5, 10, 20, 33, 50, 100, 200, 500, 1000, 5000)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    """How many values were at most each bound.

    >>> waited = Histogram((1, 10)); waited.add(3); waited.add(30)
    >>> list(waited.lines("ms"))
    ['ms_bucket{le="1"} 0', 'ms_bucket{le="10"} 1', 'ms_bucket{le="+Inf"} 2', 'ms_sum 33', 'ms_count 2']
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> Iterator[str]:
        below = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            below += count
            yield f'{name}_bucket{{le="{bound}"}} {below}'
        yield f"{name}_sum {self.total:g}"
        yield f"{name}_count {below}"


class Gauges:
    """Everything counted since the hub began."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # opened, steps, batches, retried, expired, failed
        self.refused: Counter[str] = Counter()  # by the code of the error
        self.rows, self.waited_ms, self.world_ms = Histogram(ROWS), Histogram(MS), Histogram(MS)

    def text(self, now: Mapping[str, float]) -> str:
        """All of it, with what is the case `now`."""
        lines = [f"wmenv_{name} {value:g}" for name, value in now.items()]
        lines += [f"wmenv_{name}_total {count}" for name, count in sorted(self.counts.items())]
        lines += [f'wmenv_refused_total{{code="{code}"}} {count}' for code, count in sorted(self.refused.items())]
        for name in ("rows", "waited_ms", "world_ms"):
            lines += getattr(self, name).lines(f"wmenv_step_{name}")
        return "\n".join(lines) + "\n"
