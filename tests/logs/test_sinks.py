"""Sinks under what happens to them: kills, full disks, unwritable folders, torn lines, odd numbers."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wmenv.errors import LogError, OptionError
from wmenv.logs.sinks import Csv, JsonLines, Logging, TensorBoard, flat, numbers, open_sink, read_jsonl

ROOT = Path(__file__).parents[2]
RECORD = {"schema": "s", "total_steps": 5, "a": 1.5, "b": {"c": None, "d": [1, 2]}, "ok": True}


def test_json_lines_come_back_as_they_were(tmp_path):
    sink = JsonLines(tmp_path / "new" / "folder" / "episodes.jsonl")
    sink.write([RECORD, RECORD | {"a": 2}])
    sink.write([RECORD | {"a": math.inf}])
    sink.close()
    found = read_jsonl(tmp_path / "new" / "folder" / "episodes.jsonl")
    assert [record["a"] for record in found] == [1.5, 2, None]
    assert found[0] == RECORD


def test_a_second_run_appends(tmp_path):
    for _ in range(2):
        sink = JsonLines(tmp_path / "episodes.jsonl")
        sink.write([RECORD])
        sink.close()
    assert read_jsonl(tmp_path / "episodes.jsonl") == [RECORD, RECORD]


@pytest.mark.parametrize("torn", ['{"schema": "s", "to', "{", '{"whole": 1}'])
def test_a_torn_last_line_is_mended_on_reopening(tmp_path, torn):
    path = tmp_path / "episodes.jsonl"
    path.write_text(json.dumps(RECORD) + "\n" + torn)
    assert read_jsonl(path) == [RECORD]
    sink = JsonLines(path)
    sink.write([RECORD])
    sink.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [RECORD, RECORD]


WRITER = """
import sys
from wmenv.logs.sinks import JsonLines
sink = JsonLines(sys.argv[1])
number = 0
while True:
    sink.write([{"number": number + k, "filling": "x" * 500} for k in range(3)])
    number += 3
    print(number, flush=True)
"""


def test_what_was_written_survives_kill_9(tmp_path):
    path = tmp_path / "episodes.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    told = 0
    while told < 60:
        told = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    told = max([told, *map(int, writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    found = [record["number"] for record in read_jsonl(path)]
    assert len(found) >= told, "a record that write() had returned for is lost"
    assert found == list(range(len(found)))
    JsonLines(path).close()
    assert path.read_bytes().endswith(b"\n")


FILLER = """
import resource, signal, sys
from wmenv.errors import LogError
from wmenv.logs.sinks import open_sink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sink, failed = open_sink(sys.argv[2], sys.argv[1]), 0
for number in range(100):
    try:
        sink.write([{"number": number, "filling": "x" * 997}])
    except LogError as problem:
        failed += 1
        assert "What it held before is whole" in str(problem), problem
print(failed)
"""


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_full_disk_loses_nothing_that_was_written(tmp_path, kind):
    """The limit on file size does what a full disk does: it cuts a write short, and refuses the next."""
    run = subprocess.run(
        [sys.executable, "-c", FILLER, str(tmp_path), kind], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text = (tmp_path / f"episodes.{kind}").read_text()
    assert text.endswith("\n")
    lines = text.splitlines()[kind == "csv" :]
    numbers = [json.loads(line)["number"] if kind == "jsonl" else int(line.split(",")[0]) for line in lines]
    assert numbers == list(range(100 - int(run.stdout)))
    assert 10 < len(numbers) < 25


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_a_named_error():
    sink = JsonLines("/dev/full")
    with pytest.raises(LogError, match=r"/dev/full: No space left"):
        sink.write([RECORD])
    sink.close()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tensorboard"])
def test_a_folder_that_cannot_be_is_refused_at_once(tmp_path, kind):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogError, match="cannot write to"):
        open_sink(kind, tmp_path / "file")


def test_csv_is_a_table_with_the_same_columns_over_runs(tmp_path):
    for value in (1.5, None):
        sink = Csv(tmp_path / "episodes.csv")
        sink.write([RECORD | {"a": value}])
        sink.close()
    with open(tmp_path / "episodes.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {"schema": "s", "total_steps": "5", "a": "1.5", "b.c": "N/A", "b.d": "[1, 2]", "ok": "True"}
    assert second["a"] == "N/A"


def test_csv_survives_a_column_that_is_new_or_gone(tmp_path):
    sink = Csv(tmp_path / "episodes.csv")
    sink.write([{"a": 1, "b": 2}, {"a": 3, "c": 4}])
    sink.close()
    assert (tmp_path / "episodes.csv").read_text() == "a,b\n1,2\n3,N/A\n"


def test_tensorboard_gets_every_number_as_a_curve(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    sink = TensorBoard(tmp_path)
    for step in (5, 9):
        sink.write([RECORD | {"total_steps": step, "a": float(step)}])
    sink.close()
    curves = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in curves.Scalars("a")] == [(5, 5.0), (9, 9.0)]


def test_anything_with_log_gets_the_numbers():
    class Run:
        def __init__(self):
            self.seen = []

        def log(self, values, step):
            self.seen.append((values, step))

    run = Run()
    Logging(run).write([RECORD])
    assert run.seen == [({"total_steps": 5.0, "a": 1.5, "ok": 1.0}, 5)]


def test_what_a_foreign_logger_raises_is_a_log_error():
    class Offline:
        def log(self, values, step):
            raise ConnectionError("no route")

    with pytest.raises(LogError, match=r"Offline.log failed: ConnectionError"):
        Logging(Offline()).write([RECORD])
    with pytest.raises(OptionError, match="no log"):
        Logging(object())


def test_an_unknown_format_names_its_neighbour(tmp_path):
    with pytest.raises(OptionError, match="Did you mean 'jsonl'"):
        open_sink("json", tmp_path)


def test_flat_and_numbers():
    assert flat(RECORD)["b.d"] == "[1, 2]"
    assert numbers({"x": math.nan, "y": {"z": 3}, "s": "text"}) == {"y.z": 3.0}


def test_a_write_takes_no_longer_as_the_file_grows(tmp_path):
    sink = JsonLines(tmp_path / "episodes.jsonl")
    took = []
    for _ in range(300):
        began = time.perf_counter()
        sink.write([RECORD] * 20)
        took.append(time.perf_counter() - began)
    sink.close()
    early, late = sorted(took[:100])[50], sorted(took[-100:])[50]
    assert late < 5 * early + 0.002
