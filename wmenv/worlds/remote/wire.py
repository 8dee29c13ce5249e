"""How a message of the session protocol looks as bytes, whoever sends it.

A message is one JSON object. Alone it travels as a WebSocket text message; with bytes beside it (pictures, sound,
moments) as a binary one: the JSON's size as four bytes, big end first, the JSON, then the blobs, whose sizes the JSON
gives in `blobs`. Knows nothing of what messages mean; that is in `schema.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from wmenv.errors import ProtocolError

PROTOCOL = 1
SIZE_BYTES = 4


def pack(message: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> str | bytes:
    """A message as what is sent.

    >>> pack({"op": "close"})
    '{"op":"close"}'
    >>> pack({"op": "see"}, [b"ab", b"c"])
    b'\\x00\\x00\\x00\\x1a{"op":"see","blobs":[2,1]}abc'
    """
    if not blobs:
        return _json(message)
    head = _json({**message, "blobs": [len(blob) for blob in blobs]}).encode()
    return b"".join([len(head).to_bytes(SIZE_BYTES, "big"), head, *blobs])


def unpack(data: str | bytes, most_json: int | None = None) -> tuple[dict[str, Any], list[memoryview]]:
    """The message that `pack` wrote, and its blobs; `ProtocolError` if it is none, or its JSON is longer than wanted.

    >>> message, blobs = unpack(pack({"op": "see"}, [b"ab", b"c"]))
    >>> message, [bytes(blob) for blob in blobs]
    ({'op': 'see'}, [b'ab', b'c'])
    """
    size = len(data) if isinstance(data, str) else int.from_bytes(data[:SIZE_BYTES], "big")
    if most_json is not None and size > most_json:
        raise ProtocolError(f"the JSON of a message has at most {most_json:,} bytes here, this one {size:,}.")
    if isinstance(data, str):
        return _object(data), []
    message = _object(data[SIZE_BYTES : SIZE_BYTES + size])
    sizes = message.pop("blobs", [])
    return message, list(_cut(memoryview(data)[SIZE_BYTES + size :], sizes))


def _cut(data: memoryview, sizes: Any) -> Iterator[memoryview]:
    natural = isinstance(sizes, list) and all(type(size) is int and size >= 0 for size in sizes)
    if not natural or sum(sizes) != len(data):
        raise ProtocolError(f"the JSON should give the sizes of {len(data)} bytes of blobs, it says {sizes!r:.80}.")
    for size in sizes:
        yield data[:size]
        data = data[size:]


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


def _object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`, without Python's extensions to JSON."""
    try:
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:  # wrong UTF-8, wrong JSON, numbers too long, brackets too deep
        raise ProtocolError(f"a message is a JSON object, this is none: {problem}.") from None
    if not isinstance(message, dict):
        raise ProtocolError(f"a message is a JSON object, got a {type(message).__name__}.")
    return message


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
