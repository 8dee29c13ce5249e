"""The paired figures as one HTML page: the world between its floor and its ceiling, and its curves over time."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wmenv.bench.paired.compare import TITLES
from wmenv.bench.plots import legend, line_plot
from wmenv.bench.report import STYLE


def write_page(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """One section per world."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = "".join(_section(record) for record in records)
    page = f"<!doctype html><meta charset=utf-8><title>wmenv bench paired</title><style>{STYLE}</style>{sections}"
    path.write_text(page, encoding="utf-8")


def _section(record: Mapping[str, Any]) -> str:
    columns = {record["name"]: record["figures"], **record["baselines"]}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    rows = ""
    for figure, title in TITLES.items():
        cells = "".join(f"<td>{cell(found.get(figure))}</td>" for found in columns.values())
        rows += f"<tr><td><b>{figure}</b> {title}</td>{cells}</tr>"
    return (
        f"<h2>{html.escape(record['name'])} against {html.escape(record['against'])}</h2>"
        f"<p class='quiet'>{record['spec']['scenes']} episodes of {record['spec']['steps']} steps, begun by "
        f"{html.escape(record['began_by'])}, comparison <code>{record['spec']['hash']}</code></p>"
        f"<table><tr><th></th>{head}</tr>{rows}</table>{legend(list(columns))}{_curves(columns)}"
    )


def _curves(columns: Mapping[str, Mapping[str, Any]]) -> str:
    drawn = []
    for figure, title in TITLES.items():
        lines = {name: found[figure]["curve"] for name, found in columns.items() if "curve" in found.get(figure, {})}
        if lines:
            drawn.append(f"<figure>{line_plot(lines)}<figcaption>{figure}: {title}</figcaption></figure>")
    return "".join(drawn)


def cell(figure: Mapping[str, Any] | None) -> str:
    """A figure as text: its estimate and interval, or why there is none."""
    if figure is None:
        return ""
    if "estimate" not in figure:
        return f"<span class='quiet'>unsupported: {html.escape(figure['unsupported'])}</span>"
    interval = f" <small>{figure['ci'][0]:.2f} to {figure['ci'][1]:.2f}</small>" if "ci" in figure else ""
    return f"{figure['estimate']:.2f}{' dB' if figure.get('unit') == 'dB' else ''}{interval}"
