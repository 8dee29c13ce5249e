"""A report on a data set: how episodes went, how fast and how well they held together, and what the worst look like.

Markdown with pictures beside it; without matplotlib there are no plots. Reads records and draws; measures nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.rollout.dataset import Dataset
from wmenv.rollout.files import write_whole
from wmenv.rollout.preview import worst_sheet

REPORT, PLOTS, WORST = "report.md", "report-distributions.png", "report-worst.png"
SHOWN = 4  # worst episodes
QUANTILES = {"least": 0.0, "p10": 0.1, "p50": 0.5, "p90": 0.9, "most": 1.0}
Record = Mapping[str, Any]

FIGURES: Mapping[str, Callable[[Record], Any]] = {  # what the tables and plots are of; None where it was not measured
    "steps": lambda record: record["steps"],
    "return": lambda record: record["return"],
    "first frame, ms": lambda record: record.get("ttff_ms"),
    "batch step, median ms": lambda record: record["latency_ms"]["p50"] if "latency_ms" in record else None,
    "batch step, p99 ms": lambda record: record["latency_ms"]["p99"] if "latency_ms" in record else None,
    "action effect (omega squared)": lambda record: record.get("omega2"),
    "reverts": lambda record: _part(record, "reverts", "events"),
    "cuts": lambda record: _part(record, "cuts", "events"),
    "flicker": lambda record: record.get("flicker"),
    "drift flagged at step": lambda record: _part(record, "health", "flag_step"),
}
TIMES = [name for name in FIGURES if name.endswith("ms")]


def write_report(data: Dataset) -> Path | None:
    """Write the report of the episodes that are there beside them; None if there are none."""
    records = [brief(record) for record in data.records]
    if not records:
        return None
    worst = worst_first(records)[:SHOWN]
    worst_sheet(data.folder / WORST, data, [record["episode"] for record in worst])
    plotted = plot(data.folder / PLOTS, records)
    parts = [
        f"# {data.plan.episodes} episodes of {data.plan.world}",
        table(["", ""], [[name, str(value)] for name, value in data.facts().items()]),
        "## Episodes",
        summary(records, [name for name in FIGURES if name not in TIMES]),
        ended(records),
        f"![distributions]({PLOTS})" if plotted else "",
        "## Time",
        "A step serves all rows of a batch. Times are of the machine and its load, and are not part of the data.",
        summary(records, TIMES),
        made_on(data),
        "## Alarms and directions",
        alarms(records),
        directions(data),
        "## Worst episodes",
        "Most alarms first, then the lowest return, then the lowest number.",
        table(["episode", "alarms", "return", "steps"], [_line(record) for record in worst]),
        f"![worst episodes]({WORST})",
    ]
    path = data.folder / REPORT
    write_whole(path, "\n\n".join(part for part in parts if part) + "\n")
    return path


def brief(record: Record) -> dict[str, Any]:
    """What the report needs of a record; of a hundred thousand it would be too much to hold all."""
    told = {name: record[name] for name in ("episode", "end", "return", "steps")}
    figures = {name: found for name, measure in FIGURES.items() if (found := measure(record)) is not None}
    return told | {"alarms": record.get("alarms"), "figures": figures}


def worst_first(records: Sequence[Record]) -> list[Record]:
    """The episodes that somebody should look at, in that order."""
    return sorted(records, key=lambda r: (-len(r["alarms"] or ()), r["return"] or 0.0, r["episode"]))


# --- tables ---------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def summary(records: Sequence[Record], names: Sequence[str]) -> str:
    """Quantiles over episodes of each figure, and of how many it is known."""
    lines = []
    for name in names:
        values = measured(records, name)
        if len(values):
            found = [f"{np.quantile(values, q):.4g}" for q in QUANTILES.values()]
            lines.append([name, *found, f"{values.mean():.4g}", str(len(values))])
    return table(["", *QUANTILES, "mean", "episodes"], lines) if lines else ""


def measured(records: Sequence[Record], name: str) -> np.ndarray:
    """A figure of every episode that has it."""
    return np.array([record["figures"][name] for record in records if name in record["figures"]], float)


def ended(records: Sequence[Record]) -> str:
    ends = Counter(record["end"] for record in records)
    return "Ended: " + ", ".join(f"{count} {how}" for how, count in sorted(ends.items())) + "."


def made_on(data: Dataset) -> str:
    """The machines that shards were made on, and how many each made."""
    found = Counter(
        ", ".join(str(receipt.made_on.get(name)) for name in ("cpu", "gpu", "torch", "commit"))
        for receipt in data.receipts.values()
    )
    return table(["processor, accelerator, torch, commit", "shards"], [[told, str(n)] for told, n in found.items()])


def alarms(records: Sequence[Record]) -> str:
    """How many episodes raised each alarm."""
    if all(record["alarms"] is None for record in records):
        return "Nothing was measured: the rollout was made without records."
    rung = Counter(name for record in records for name in record["alarms"] or ())
    lines = [[name, str(count), f"{count / len(records):.1%}"] for name, count in rung.most_common()]
    return table(["alarm", "episodes", "share"], lines) if lines else "No episode raised an alarm."


def directions(data: Dataset) -> str:
    """What was said, and what became of it."""
    told = Counter((one["text"], bool(one["applied"])) for r in data.records for one in r.get("directions", ()))
    texts = sorted({text for text, _ in told})
    lines = [[text, str(told[text, True]), str(told[text, False])] for text in texts]
    return table(["direction", "taken", "refused"], lines) if lines else ""


def _line(record: Record) -> list[str]:
    earned = "-" if record["return"] is None else f"{record['return']:g}"
    return [str(record["episode"]), ", ".join(record["alarms"] or ()) or "-", earned, str(record["steps"])]


def _part(record: Record, name: str, part: str) -> Any:
    return record[name][part] if record.get("watched_steps") else None


# --- plots ----------------------------------------------------------------------------------------------------------


def plot(path: Path, records: Sequence[Record]) -> bool:
    """A histogram of every figure that is not the same in all episodes; False if there is none, or no matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    known = {name: values for name in FIGURES if len(set(values := measured(records, name))) > 1}
    if not known:
        return False
    columns = 3
    figure = Figure(figsize=(4 * columns, 2.4 * -(-len(known) // columns)), layout="constrained")
    for place, (name, values) in enumerate(known.items(), start=1):
        axes = figure.add_subplot(-(-len(known) // columns), columns, place)
        axes.hist(values, bins=min(40, max(5, len(values) // 4)), color="#4477aa")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
    figure.savefig(path, dpi=100)
    return True
