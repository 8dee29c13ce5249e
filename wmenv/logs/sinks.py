"""Where episode records go: JSON lines, CSV, TensorBoard, or anything with `log(dict, step=)`.

A sink refuses at once, with `LogError`, what it can never write to. Later it raises the same error for what it could
not write then; what was written before stays whole.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wmenv.contract import Outcome, Step
from wmenv.errors import LogError, MissingExtraError, OptionError, did_you_mean

Record = Mapping[str, Any]


@runtime_checkable
class Sink(Protocol):
    """Takes the records of episodes that ended together."""

    def write(self, records: Sequence[Record]) -> None:
        """Keep these records, or raise `LogError`."""

    def close(self) -> None:
        """No more will come."""


@runtime_checkable
class FrameSink(Sink, Protocol):
    """A sink that wants to see the frames as well; it must not alter or keep them."""

    def opened(self, rows: Sequence[int], outcome: Outcome) -> None:
        """`rows` began new episodes."""

    def stepped(self, step: Step) -> None:
        """A step was taken; `write` follows for those it ended."""


class AppendedFile:
    """A text file that only grows by whole blocks: a write that fails half-way is taken back."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._mend()
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as problem:
            raise LogError(
                f"cannot write to {self.path}: {problem.strerror}. Choose a folder that can be written to."
            ) from problem
        self.empty = os.fstat(self._file).st_size == 0

    def append(self, text: str) -> None:
        """Add `text` and see it onto the disk."""
        size = os.fstat(self._file).st_size
        try:
            self._write(text.encode())
            os.fsync(self._file)
        except OSError as problem:
            self._take_back(size)
            raise LogError(
                f"cannot write to {self.path}: {problem.strerror}. What it held before is whole."
            ) from problem
        self.empty = False

    def close(self) -> None:
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _take_back(self, size: int) -> None:
        if self.path.is_file():  # a device such as /dev/full has nothing to take back
            os.ftruncate(self._file, size)

    def _mend(self) -> None:
        """Cut off a last line that an earlier run was killed in the middle of."""
        if not self.path.is_file():
            return
        with open(self.path, "r+b") as file:
            held = file.read()
            whole = held.rfind(b"\n") + 1
            if whole < len(held):
                file.truncate(whole)


class JsonLines:
    """One JSON object per line and episode, on the disk when `write` returns, readable after a kill."""

    def __init__(self, path: Path | str) -> None:
        self._file = AppendedFile(path)

    def write(self, records: Sequence[Record]) -> None:
        self._file.append("".join(json.dumps(finite(record)) + "\n" for record in records))

    def close(self) -> None:
        self._file.close()


class Csv:
    """One line per episode with nested names joined by dots; lists are JSON, what is missing is N/A."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._columns = self._header()
        self._file = AppendedFile(path)

    def write(self, records: Sequence[Record]) -> None:
        lines = [flat(record) for record in records]
        text = io.StringIO()
        self._columns = self._columns or list(lines[0])
        table = csv.DictWriter(text, self._columns, restval="N/A", extrasaction="ignore", lineterminator="\n")
        if self._file.empty:
            table.writeheader()
        for line in lines:
            table.writerow({name: "N/A" if value is None else value for name, value in line.items()})
        self._file.append(text.getvalue())

    def close(self) -> None:
        self._file.close()

    def _header(self) -> list[str] | None:
        """The columns of a table that is there already."""
        if not self._path.is_file() or not self._path.stat().st_size:
            return None
        with open(self._path, newline="") as file:
            return next(csv.reader(file))


class TensorBoard:
    """Every number of a record as a curve over the steps taken in all rows."""

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as problem:
            raise MissingExtraError("TensorBoard is not installed: pip install 'wmenv[log]'.") from problem
        try:
            self._writer = SummaryWriter(str(folder))
        except OSError as problem:
            raise LogError(f"cannot write to {folder}: {problem.strerror}. Choose another folder.") from problem

    def write(self, records: Sequence[Record]) -> None:
        try:
            for record in records:
                for name, value in numbers(record).items():
                    self._writer.add_scalar(name.replace(".", "/"), value, record["total_steps"])
            self._writer.flush()
        except OSError as problem:
            raise LogError(f"TensorBoard cannot write: {problem}.") from problem

    def close(self) -> None:
        self._writer.close()


class Logging:
    """Hands the numbers of each record to any object with `log(dict, step=)`, such as a run of a tracking service."""

    def __init__(self, target: Any) -> None:
        if not callable(getattr(target, "log", None)):
            raise OptionError(f"{target!r} has no log(dict, step=) method, so records cannot go there.")
        self._target = target

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._target.log(numbers(record), step=record["total_steps"])
            except Exception as problem:  # somebody else's code: whatever it raises must not end an episode
                raise LogError(f"{type(self._target).__name__}.log failed: {problem!r}.") from problem

    def close(self) -> None:
        """The target is its owner's to close."""


FORMATS: Mapping[str, Callable[[Path], Sink]] = {
    "jsonl": lambda folder: JsonLines(folder / "episodes.jsonl"),
    "csv": lambda folder: Csv(folder / "episodes.csv"),
    "tensorboard": lambda folder: TensorBoard(folder / "tensorboard"),
}


def open_sink(kind: str, folder: Path | str) -> Sink:
    """The sink of that format in `folder`, which is made if need be."""
    if kind not in FORMATS:
        raise OptionError(f"no log format is called {kind!r}. {did_you_mean(kind, FORMATS)}")
    return FORMATS[kind](Path(folder))


def flat(record: Record, above: str = "") -> dict[str, Any]:
    """A record without nesting: names joined by dots, lists as JSON.

    >>> flat({"a": 1, "b": {"c": None, "d": [1, 2]}})
    {'a': 1, 'b.c': None, 'b.d': '[1, 2]'}
    """
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            found[above + name] = json.dumps(finite(value)) if isinstance(value, list | tuple) else value
    return found


def numbers(record: Record) -> dict[str, float]:
    """The finite numbers of a record, by flat name."""
    return {
        name: float(value)
        for name, value in flat(record).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def finite(value: Any) -> Any:
    """The same value as JSON can hold it: infinities and NaN become None."""
    if isinstance(value, Mapping):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_jsonl(path: Path | str) -> list[dict[str, Any]]:
    """Every whole record of a file, also while it is being written or after its writer was killed."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]
