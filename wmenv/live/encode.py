"""Pictures as they travel to a page: small ones as plain bytes, large ones as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmenv.serve.pictures import encoded
from wmenv.worlds.remote.wire import pack

PLAIN = 128 * 128  # pixels up to which a frame costs less to send than to compress


def view(name: str, frame: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """One picture of a message: what it is, and its bytes."""
    height, width = frame.shape[:2]
    small = height * width <= PLAIN
    facts = {"view": name, "w": width, "h": height, "enc": "rgb" if small else "jpeg"}
    return facts, encoded(frame, "raw" if small else "jpeg")


def picture(head: Mapping[str, Any], views: Sequence[tuple[dict[str, Any], bytes]], audio: bytes | None) -> bytes:
    """A message with pictures, and the sound of the step last."""
    blobs = [data for _, data in views] + ([audio] if audio is not None else [])
    message = {**head, "views": [facts for facts, _ in views], "audio": audio is not None}
    packed = pack(message, blobs)
    assert isinstance(packed, bytes), "a message with pictures is binary"
    return packed
