"""What is said of a data set: the receipt of each finished shard, and the manifest of all.

A shard counts when its receipt is there, which is written after it; a receipt whose shard is missing or not the same
byte for byte names a damaged one. Knows nothing of what is inside a shard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wmenv.errors import EpisodeFileError, RolloutError
from wmenv.logs.sinks import finite
from wmenv.rollout.files import sha256, write_whole
from wmenv.rollout.plan import Plan

FORMAT = "wmenv-rollout-1"
MANIFEST = "manifest.json"
SHARDS = "shards"


@dataclass(frozen=True)
class Receipt:
    """A finished shard: which episodes it holds, the file and its checksum, and the records of those episodes."""

    shard: int
    first: int
    stop: int
    file: str
    bytes: int
    sha256: str
    steps: int
    frames: int
    batch: int
    made_on: Mapping[str, Any] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()

    def save(self, folder: Path) -> None:
        write_whole(receipt_path(folder, self.shard), json.dumps(finite(vars(self)), allow_nan=False))

    @classmethod
    def load(cls, folder: Path, shard: int) -> Receipt | None:
        """The receipt of a shard; None if there is none that can be read."""
        try:
            return cls(**json.loads(receipt_path(folder, shard).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def light(self) -> Receipt:
        """The receipt without its records, for those who hold many; the records are in its file."""
        return replace(self, records=())

    @property
    def entry(self) -> dict[str, Any]:
        """Its line in the manifest."""
        return {name: value for name, value in vars(self).items() if name not in ("records", "made_on")}


def receipt_path(folder: Path, shard: int) -> Path:
    return folder / SHARDS / f"shard-{shard:06d}.json"


def shard_path(folder: Path, shard: int, kind: str) -> Path:
    return folder / SHARDS / f"shard-{shard:06d}.{kind}"


# --- the manifest ---------------------------------------------------------------------------------------------------


def write_manifest(
    folder: Path, plan: Plan, batch: int, spec: Mapping[str, Any] | None, receipts: Sequence[Receipt]
) -> None:
    """The plan, what the world says of itself, and the shards that are there, in order."""
    told = {
        "format": FORMAT,
        "complete": len(receipts) == len(plan.shards),
        "lossless": plan.jpeg is None,
        "frames": "zlib" if plan.format == "npz" else "zstd",
        "plan": plan.model_dump(mode="json"),
        "batch": batch,
        "spec": spec,
        "steps": sum(receipt.steps for receipt in receipts),
        "bytes": sum(receipt.bytes for receipt in receipts),
        "shards": [receipt.entry for receipt in sorted(receipts, key=lambda receipt: receipt.shard)],
    }
    if plan.jpeg is not None:
        told["frames"] = f"jpeg, quality {plan.jpeg}, with loss"
    write_whole(folder / MANIFEST, json.dumps(told, indent=1))


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, None if it has none."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise EpisodeFileError(f"{path} cannot be read: {problem}.") from problem
    if told.get("format") != FORMAT:
        raise EpisodeFileError(f"{path} has format {told.get('format')!r}, this wmenv reads {FORMAT!r}.")
    return told


def grown(before: Plan, asked: Plan) -> Plan:
    """The plan to go on with: the one from before, with more episodes if `asked` for; nothing else may differ."""
    changes = [
        name
        for name in Plan.model_fields
        if name not in ("episodes", "shard_episodes") and getattr(before, name) != getattr(asked, name)
    ]
    if asked.shard_episodes not in (None, before.shard_episodes):
        changes.append("shard_episodes")
    if changes:
        told = "; ".join(f"{name} was {getattr(before, name)!r}, now {getattr(asked, name)!r}" for name in changes)
        raise RolloutError(f"this folder holds another rollout: {told}. Resume it as it was, or choose another folder.")
    if asked.episodes < before.episodes:
        raise RolloutError(f"this folder was begun with {before.episodes} episodes; it can grow, not shrink.")
    return before.model_copy(update={"episodes": asked.episodes})


# --- what is there --------------------------------------------------------------------------------------------------


def take_stock(folder: Path, plan: Plan) -> Iterator[tuple[int, Receipt | None, str | None]]:
    """Each shard of the plan, its receipt if it is whole, and what is wrong if it should be there and is not."""
    for shard in plan.shards:
        receipt = Receipt.load(folder, shard)
        numbers = plan.episodes_of(shard)
        if receipt is None:
            spoilt = receipt_path(folder, shard).exists()
            yield shard, None, "its receipt cannot be read" if spoilt else None
        elif range(receipt.first, receipt.stop) != numbers:
            yield shard, None, None  # the plan has grown: this shard was the last one and not full
        elif wrong := damage(folder, receipt):
            yield shard, None, wrong
        else:
            yield shard, receipt.light, None


def damage(folder: Path, receipt: Receipt) -> str | None:
    """What is wrong with the file of a receipt, None if nothing."""
    path = folder / SHARDS / receipt.file
    if not path.is_file():
        return "the file is missing"
    if path.stat().st_size != receipt.bytes:
        return f"it has {path.stat().st_size} bytes instead of {receipt.bytes}"
    return None if sha256(path) == receipt.sha256 else "its checksum is wrong"
