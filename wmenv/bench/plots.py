"""Curves as inline SVG, and frames as inline PNG: everything that the report shows, in the file itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLOURS = ("#0b6e99", "#c2571a", "#3f7d3a", "#7a4ea3", "#a33b4b", "#5f6b73")
WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 38
ENLARGED = 2  # times, for frames smaller than this many pixels
SMALL = 100


def line_plot(series: Mapping[str, Mapping[str, Any]]) -> str:
    """One SVG with a line per name; each series has x, y and the labels of its axes."""
    first = next(iter(series.values()))
    xs, ys = ([float(value) for one in series.values() for value in one[axis]] for axis in ("x", "y"))
    right, top = max([*xs, 1.0]), max([*ys, 1.0])
    parts = [_frame(first, right, top)]
    for at, (name, one) in enumerate(series.items()):
        colour = COLOURS[at % len(COLOURS)]
        points = _stairs(one) if one.get("stairs") else list(zip(one["x"], one["y"], strict=True))
        path = " ".join(f"{_across(x, right):.1f},{_down(y, top):.1f}" for x, y in points)
        line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2">'
        parts.append(f"{line}<title>{html.escape(name)}</title></polyline>")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">{"".join(parts)}</svg>'


def bar(low: float, estimate: float, high: float) -> str:
    """A number between 0 and 1 as a bar, with its interval."""
    return (
        '<svg viewBox="0 0 200 16" width="200" height="16" role="img">'
        '<rect width="200" height="16" class="track"/>'
        f'<rect width="{200 * estimate:.1f}" height="16" class="value"/>'
        f'<line x1="{200 * low:.1f}" x2="{200 * high:.1f}" y1="8" y2="8" class="interval"/></svg>'
    )


def picture(frame: np.ndarray) -> str:
    """A frame as an HTML image that holds its own bytes."""
    import cv2

    done, png = cv2.imencode(".png", np.ascontiguousarray(frame[..., ::-1]))
    assert done, f"OpenCV could not write a frame of shape {frame.shape} as PNG"
    times = ENLARGED if max(frame.shape[:2]) < SMALL else 1
    size = f'width="{frame.shape[1] * times}" height="{frame.shape[0] * times}"'
    return f'<img {size} alt="" src="data:image/png;base64,{base64.b64encode(png.tobytes()).decode()}">'


def legend(names: Sequence[str]) -> str:
    """Which colour is which world."""
    spans = (
        f'<span><i style="background:{COLOURS[at % len(COLOURS)]}"></i>{html.escape(name)}</span>'
        for at, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(spans)}</p>'


def _frame(labels: Mapping[str, Any], right: float, top: float) -> str:
    """Axes, ticks and their labels."""
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
    return (
        f'<path d="M{x0} {y1}V{y0}H{x1}" class="axis"/>'
        f'<text x="{x0 - 6}" y="{y0}" class="end">0</text><text x="{x0 - 6}" y="{y1 + 8}" class="end">{top:.3g}</text>'
        f'<text x="{x0}" y="{y0 + 14}">0</text><text x="{x1}" y="{y0 + 14}" class="end">{right:.4g}</text>'
        f'<text x="{(x0 + x1) / 2}" y="{HEIGHT - 6}" class="middle">{html.escape(str(labels["x_label"]))}</text>'
        f'<text x="12" y="{(y0 + y1) / 2}" class="middle" transform="rotate(-90 12 {(y0 + y1) / 2})">'
        f"{html.escape(str(labels['y_label']))}</text>"
    )


def _stairs(series: Mapping[str, Any]) -> list[tuple[float, float]]:
    """A curve that stays until it drops, as survival curves do."""
    points: list[tuple[float, float]] = []
    for x, y in zip(series["x"], series["y"], strict=True):
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    return points


def _across(x: float, right: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * x / right


def _down(y: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top
