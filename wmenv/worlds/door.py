"""What worlds refuse at their door in the same words: states of other worlds, and moments of several rows."""

from __future__ import annotations

from typing import TypeVar

from wmenv.contract import State
from wmenv.errors import SnapshotError, StartError

S = TypeVar("S", bound=State)


def own(state: State, kind: type[S], world: str) -> S:
    """`state`, if it is of that kind and belongs to that world."""
    belongs = getattr(state, "world", None)
    if isinstance(state, kind) and belongs == world:
        return state
    raise SnapshotError(
        f"this {type(state).__name__} belongs to world {belongs!r}, not to {world!r}. Open rows in the world itself."
    )


def one_row(state: S) -> S:
    """`state`, if it can be the moment that one row starts from."""
    if len(state) != 1:
        raise StartError(f"a moment is the state of one row, this one has {len(state)}. Pack state.select([row]).")
    return state
