"""A data set in the other kind of shard: npz to Parquet, or Parquet to npz. Nothing is lost, and records go along."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wmenv.errors import OptionError
from wmenv.rollout.dataset import Dataset
from wmenv.rollout.files import locked
from wmenv.rollout.press import Sheet
from wmenv.rollout.receipts import MANIFEST, Receipt, write_manifest


def reshard(data: Dataset, out: Path, kind: Literal["npz", "parquet"]) -> Path:
    """The same episodes, plan and records in shards of that kind."""
    if data.plan.jpeg is not None:
        raise OptionError("frames kept with loss would lose more by being encoded again; convert a lossless data set.")
    if (out / MANIFEST).exists():
        raise OptionError(f"{out} already holds a rollout; choose another folder.")
    plan = data.plan.model_copy(update={"format": kind})
    receipts = []
    with locked(out):
        for shard, before in data.receipts.items():
            sheet = Sheet(plan.model_copy(update={"episodes": before.stop}), out, shard)
            try:
                for number in sheet.numbers:
                    sheet.add(number, data[number])
                measured = Receipt.load(data.folder, shard) or before
                receipts.append(sheet.finish(before.batch, before.made_on, measured.records))
            finally:
                sheet.discard()
            receipts[-1].save(out)
        write_manifest(out, plan, data.manifest["batch"], data.manifest["spec"], receipts)
    return out


def to_npz(data: Dataset, out: Path) -> Path:
    """Shards that numpy alone can read."""
    return reshard(data, out, "npz")


def to_parquet(data: Dataset, out: Path) -> Path:
    """Shards for tools that read columns."""
    return reshard(data, out, "parquet")
