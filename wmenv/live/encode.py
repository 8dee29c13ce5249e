"""Pictures as they travel to a page: small ones as plain bytes, large ones as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmenv.worlds.remote.wire import pack

PLAIN = 128 * 128  # pixels up to which a frame costs less to send than to compress
QUALITY = 90


def view(name: str, frame: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """One picture of a message: what it is, and its bytes."""
    height, width = frame.shape[:2]
    facts = {"view": name, "w": width, "h": height}
    if height * width <= PLAIN:
        return facts | {"enc": "rgb"}, frame.tobytes()
    import cv2

    done, data = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done, f"OpenCV made no JPEG of {frame.shape}"
    return facts | {"enc": "jpeg"}, data.tobytes()


def picture(head: Mapping[str, Any], views: Sequence[tuple[dict[str, Any], bytes]], audio: bytes | None) -> bytes:
    """A message with pictures, and the sound of the step last."""
    blobs = [data for _, data in views] + ([audio] if audio is not None else [])
    message = {**head, "views": [facts for facts, _ in views], "audio": audio is not None}
    packed = pack(message, blobs)
    assert isinstance(packed, bytes), "a message with pictures is binary"
    return packed
