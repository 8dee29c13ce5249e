"""Which slots of a view are seen, given which are opaque: minigrid's spreading rule, one table look-up per row.

In minigrid, sight spreads from the agent row by row, away from it; what a row passes on depends on that row alone
(which slots are lit, which are opaque). Both are 7 bits, so all 2^14 cases are worked out once.
"""

from __future__ import annotations

import numpy as np

from wmenv.sources.gridrooms.tiles import VIEW

_WEIGHTS = 1 << np.arange(VIEW)
_BITS = (np.arange(1 << VIEW)[:, None] & _WEIGHTS) > 0  # (128, 7) bool


def _spread() -> tuple[list[int], list[int]]:
    """For each (lit, opaque) row: the slots seen in it, and the slots it lights in the row beyond."""
    lit = np.repeat(_BITS, 1 << VIEW, axis=0)
    clear = ~np.tile(_BITS, (1 << VIEW, 1))
    beyond = np.zeros_like(lit)
    sweeps = [(i, i + 1) for i in range(VIEW - 1)] + [(i, i - 1) for i in range(VIEW - 1, 0, -1)]
    for here, neighbour in sweeps:
        through = lit[:, here] & clear[:, here]
        lit[:, neighbour] |= through
        beyond[:, neighbour] |= through
        beyond[:, here] |= through
    return (lit @ _WEIGHTS).tolist(), (beyond @ _WEIGHTS).tolist()


_SEEN, _BEYOND = _spread()


def seen(opaque: np.ndarray) -> np.ndarray:
    """(49,) bool: the slots that the agent, in the middle of the lowest row, sees; `opaque` is (49,) bool."""
    walls = (opaque.reshape(VIEW, VIEW) @ _WEIGHTS).tolist()
    lit = 1 << VIEW // 2
    rows = [0] * VIEW
    for row in range(VIEW - 1, -1, -1):
        case = lit << VIEW | walls[row]
        rows[row] = _SEEN[case]
        lit = _BEYOND[case]
    return _BITS[rows].ravel()
