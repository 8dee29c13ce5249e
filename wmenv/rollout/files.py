"""Files that are whole or not there, and folders that only one process at a time writes to.

Knows nothing of what is in them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wmenv.errors import LogError, RolloutError

LEFTOVERS = ".*.tmp"
LOCK = ".lock"
BLOCK = 1 << 20


class PartFile:
    """A file under a temporary name, which gets its own when it is complete and on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with clear_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        self._temporary = Path(name)
        self.file = os.fdopen(handle, "w+b")

    def commit(self) -> None:
        """Force it to the disk, and only then give it its name."""
        with clear_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.chmod(self._temporary, 0o644)  # mkstemp made it private
            os.replace(self._temporary, self.path)
            sync_folder(self.path.parent)

    def discard(self) -> None:
        """Leave nothing behind; after `commit` there is nothing to leave."""
        with suppress(OSError):  # closing flushes, and the disk may be full
            self.file.close()
        self._temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """All of `text` under `path`, or the file as it was before."""
    part = PartFile(path)
    try:
        with clear_errors(path):
            part.file.write(text.encode())
        part.commit()
    finally:
        part.discard()


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk: a rename is lost with the power until then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into a `LogError` with the way on."""
    try:
        yield
    except OSError as problem:
        if isinstance(problem, LogError):
            raise
        raise LogError(
            f"cannot write {path}: {problem.strerror or problem}. Every shard that was finished before is whole. "
            "Make room, or see that the folder can be written to, and go on with --resume."
        ) from problem


def sha256(path: Path) -> str:
    """The checksum of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other drivers out of a folder; the lock falls with the process, however that dies."""
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "w")  # noqa: SIM115
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RolloutError(f"another rollout is writing to {folder} right now. Wait for it, or stop it.") from None
        yield


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left unfinished."""
    for leftover in folder.glob(LEFTOVERS):
        leftover.unlink(missing_ok=True)
