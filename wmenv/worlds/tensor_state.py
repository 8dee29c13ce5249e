"""The state of a world that computes with torch: named tensors whose leading axis is rows.

Worlds put everything that changes into one of these and get rows, forks and snapshots for nothing. It does not know
what the tensors mean, and it keeps each one on the device it came on.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from wmenv.contract import State
from wmenv.errors import SnapshotError

MAGIC = b"wmenv-tensors-1\n"
CHECKSUM_BYTES = 4


class TensorState(State):
    """Rows of named tensors, with the tag of the world (and weights) that they belong to.

    >>> state = TensorState("toy", {"count": torch.tensor([3, 5])})
    >>> TensorState.from_bytes(state.select([1, 1]).to_bytes(), "toy").tensors["count"].tolist()
    [5, 5]
    """

    def __init__(self, world: str, tensors: Mapping[str, Tensor]) -> None:
        sizes = {name: len(tensor) for name, tensor in tensors.items()}
        assert len(set(sizes.values())) == 1, f"every tensor needs the same number of rows, got {sizes}"
        self.world = world
        self.tensors = dict(tensors)

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    @torch.inference_mode()
    def select(self, rows: Sequence[int]) -> Self:
        self.check_live()
        index = torch.as_tensor(list(rows), dtype=torch.int64)
        return type(self)(self.world, {name: t[index.to(t.device)] for name, t in self.tensors.items()})

    @torch.inference_mode()  # the buffers may have been made in inference mode, where alone they may be written
    def put(self, rows: Sequence[int], other: Self) -> Self:
        self.check_kin(other)
        self.consume()
        other.consume()
        index = torch.as_tensor(list(rows), dtype=torch.int64)
        for name, tensor in self.tensors.items():
            tensor[index.to(tensor.device)] = other.tensors[name]
        return type(self)(self.world, self.tensors)

    @classmethod
    @torch.inference_mode()
    def concat(cls, states: Sequence[Self]) -> Self:
        first = states[0]
        for state in states:
            state.check_live()
            first.check_kin(state)
        return cls(first.world, {name: torch.cat([s.tensors[name] for s in states]) for name in first.tensors})

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to_bytes(self) -> bytes:
        self.check_live()
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        body = write_tensors(plain, metadata={"world": self.world})
        return MAGIC + zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little") + body

    @classmethod
    def from_bytes(cls, data: bytes, world: str, device: torch.device | str = "cpu") -> Self:
        """The state in `data`, which a world with the tag `world` must have made, with its tensors on `device`."""
        body = _checked_body(data)
        try:
            made_by = _metadata(body).get("world")
            tensors = read_tensors(body)
        except Exception as problem:  # whatever the parser meets, the reader needs one name for it
            raise SnapshotError(f"these bytes are damaged or not ours: {problem}") from problem
        if made_by != world:
            raise SnapshotError(f"this state belongs to world {made_by!r}, not to {world!r}.")
        return cls(world, {name: tensor.to(device) for name, tensor in tensors.items()})


def _checked_body(data: bytes) -> bytes:
    if not data.startswith(MAGIC):
        raise SnapshotError(f"these {len(data)} bytes are no wmenv tensor state: they do not begin with {MAGIC!r}.")
    checksum, body = data[len(MAGIC) :][:CHECKSUM_BYTES], data[len(MAGIC) + CHECKSUM_BYTES :]
    if int.from_bytes(checksum, "little") != zlib.crc32(body):
        raise SnapshotError(
            f"these {len(data)} bytes are damaged: the checksum of a state does not match. Take a fresh one."
        )
    return body


def _metadata(body: bytes) -> Mapping[str, str]:
    """What safetensors keeps beside the tensors: a JSON header after its own length in eight bytes."""
    size = int.from_bytes(body[:8], "little")
    return json.loads(body[8 : 8 + size]).get("__metadata__", {})
