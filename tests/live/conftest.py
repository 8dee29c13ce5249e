"""Whoever the tests of a server need; each test file has the `address` of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.visitor import Visitor


@pytest.fixture
def anna(address) -> Iterator[Visitor]:
    """Somebody in a room of her own that stands still, at the beginning of a scene."""
    with Visitor(address) as visitor:
        visitor.stand_still()
        visitor.begin(3)
        yield visitor
