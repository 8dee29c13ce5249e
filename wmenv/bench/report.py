"""One HTML file that needs nothing else: profiles side by side, curves, the failures with the frame where it broke.

Shows what records say and the pictures of the findings; measures nothing.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wmenv.bench.headline import AXES, PASS
from wmenv.bench.plots import bar, legend, line_plot, picture
from wmenv.bench.probe import Sheet

STYLE = """ body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0
1rem;color:#1d2327;background:#fff} h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid
#d5dade}h3{margin:1.6rem 0 .3rem} table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .7rem
.3rem 0;vertical-align:top} tr+tr td{border-top:1px solid #eceff1}small,.quiet{color:#5f6b73}code{font-
size:.85em} .no{color:#a33b4b;font-weight:600}.yes{color:#2f6f2b;font-
weight:600}figure{margin:.5rem 1rem .5rem 0;display:inline-block} figcaption{font-
size:.8rem;color:#5f6b73}figure.broke img{outline:3px solid #a33b4b}img{image-rendering:pixelated} svg
.track{fill:#eceff1}svg .value{fill:#0b6e99}svg .interval{stroke:#1d2327;stroke-width:2}svg
.axis{fill:none;stroke:#5f6b73} svg text{font-size:11px;fill:#5f6b73}svg .end{text-anchor:end}svg .middle{text-
anchor:middle} .legend span{margin-right:1.2rem}.legend i{display:inline-block;width:1rem;height:.6rem;margin-
right:.35rem}
"""
Record = Mapping[str, Any]


def write_report(path: Path, records: Sequence[Record], sheets: Mapping[str, Sequence[Sheet]]) -> None:
    """The report of worlds side by side; `sheets` are the failures by world name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ", ".join(record["name"] for record in records)
    body = [
        f"<h1>How well it holds together: {html.escape(names)}</h1>",
        f"<p class='quiet'>{html.escape(_how(records[0]))}</p>",
        "<h2>Profile</h2>",
        _profile(records),
        "<h2>In plain words</h2>",
        _complaints(records),
        "<h2>Facts</h2>",
        _facts(records),
        "<h2>Curves</h2>",
        _curves(records),
        "<h2>Probes</h2>",
        *(_probes(record) for record in records),
        "<h2>Failures</h2>",
        *(_failures(name, found) for name, found in sheets.items()),
    ]
    page = f"<!doctype html><meta charset=utf-8><title>wmenv bench</title><style>{STYLE}</style>{''.join(body)}"
    path.write_text(page, encoding="utf-8")


def _how(record: Record) -> str:
    distance, made_by = record["distance"], record["provenance"]
    named = f"{distance['name']}-{distance['version']}"
    return (
        f"{record['scenes']} scenes from seed {record['first_seed']}, distance {named}, "
        f"{record['when']}, commit {made_by.get('commit')}, {made_by.get('cpu')}. "
        "Bars end at the estimate; the black line is the 95 % interval over scenes."
    )


def _profile(records: Sequence[Record]) -> str:
    head = "".join(f"<th>{html.escape(record['name'])}</th>" for record in records)
    rows = [f"<tr><td>{axis}{_cells(records, axis)}</tr>" for axis in AXES]
    least = "".join(f"<td>{_least(record['headline']['minimum'])}</td>" for record in records)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}<tr><td><b>minimum</b></td>{least}</tr></table>"


def _cells(records: Sequence[Record], axis: str) -> str:
    return "</td>" + "".join(f"<td>{_axis(record['headline']['axes'][axis], PASS[axis])}</td>" for record in records)


def _axis(axis: Mapping[str, Any], enough: float) -> str:
    if axis["estimate"] is None:
        return f"<span class='quiet'>unsupported: {html.escape(axis['unsupported'])}</span>"
    low, high = axis["ci"]
    word = "" if axis["estimate"] >= enough else " class='no'"
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in axis["scenes"].items() if count)
    return (
        f"{bar(low, axis['estimate'], high)} <span{word}>{axis['estimate']:.2f}</span> "
        f"<small>{low:.2f} to {high:.2f}; {counts}</small>"
    )


def _least(minimum: Mapping[str, Any]) -> str:
    if minimum["estimate"] is None:
        return "<span class='quiet'>none</span>"
    low, high = minimum["ci"]
    limit = f"{low:.2f} to {high:.2f}, limited by {minimum['limited_by']}"
    return f"<b>{minimum['estimate']:.2f}</b> <small>{limit}</small>"


def _complaints(records: Sequence[Record]) -> str:
    rows = []
    for at, check in enumerate(records[0]["complaints"]):
        answers = (record["complaints"][at] for record in records)
        cells = "".join(f"<td>{_answer(answer)}</td>" for answer in answers)
        rows.append(f"<tr><td>{html.escape(check['says'])}</td>{cells}</tr>")
    head = "".join(f"<th>{html.escape(record['name'])}</th>" for record in records)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _answer(check: Mapping[str, str]) -> str:
    word = check["answer"] if check["answer"] in ("yes", "no") else "quiet"
    return f"<span class='{word}'>{check['answer']}</span> <small>{html.escape(check['because'])}</small>"


def _facts(records: Sequence[Record]) -> str:
    names = [name for name in records[0]["facts"] if any(record["facts"].get(name) is not None for record in records)]
    rows = (
        f"<tr><td>{name.replace('_', ' ')}</td>" + "".join(f"<td>{_value(r['facts'].get(name))}</td>" for r in records)
        for name in names
    )
    head = "".join(f"<th>{html.escape(record['name'])}</th>" for record in records)
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _curves(records: Sequence[Record]) -> str:
    series: dict[str, dict[str, Any]] = {}
    for record in records:
        for probe in record["probes"]:
            for title, curve in probe["curves"].items():
                series.setdefault(f"{probe['id']}: {title}", {})[record["name"]] = curve
    figures = [f"{line_plot(lines)}<figcaption>{html.escape(title)}</figcaption>" for title, lines in series.items()]
    return legend([record["name"] for record in records]) + "".join(f"<figure>{figure}</figure>" for figure in figures)


def _probes(record: Record) -> str:
    rows = "".join(_probe(probe) for probe in record["probes"])
    return f"<h3>{html.escape(record['name'])}</h3><table>{rows}</table>"


def _probe(probe: Mapping[str, Any]) -> str:
    if probe["score"] is None:
        score = "<span class='quiet'>unsupported</span>"
    else:
        score = f"<b>{probe['score']:.2f}</b><br><small>{probe['ci'][0]:.2f} to {probe['ci'][1]:.2f}</small>"
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in probe["outcomes"].items())
    facts = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in probe["facts"].items())
    told = f"{counts}. {'; '.join(probe['reasons'])}"
    return (
        f"<tr><td><b>{probe['id']}</b><br><code>{probe['hash']}</code></td><td>{score}</td><td>"
        f"{html.escape(probe['question'])}<br><small>{html.escape(told)}<br>{html.escape(facts)}</small></td></tr>"
    )


def _failures(name: str, sheets: Sequence[Sheet]) -> str:
    if not sheets:
        return f"<h3>{html.escape(name)}</h3><p class='quiet'>no pictures of failures</p>"
    return f"<h3>{html.escape(name)}</h3>" + "".join(_sheet(sheet) for sheet in sheets)


def _sheet(sheet: Sheet) -> str:
    figures = []
    for at, (frame, label) in enumerate(zip(sheet.frames, sheet.labels, strict=True)):
        mark = " class=broke" if at == sheet.broke else ""
        figures.append(f"<figure{mark}>{picture(frame)}<figcaption>{html.escape(label)}</figcaption></figure>")
    return f"<div><b>{html.escape(sheet.title)}</b><br>{''.join(figures)}</div>"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return " to ".join(_value(part) for part in value)
    if isinstance(value, dict):
        return "; ".join(f"{name} {_value(part)}" for name, part in value.items())
    return "N/A" if value is None else str(value)
