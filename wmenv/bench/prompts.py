"""Which directions a probe may use: sentences that place something in view, and where the world takes them.

A direction is taken to place something if it speaks of appearing, placing or putting; a user may name others. Whether
it worked is read from the pictures, never from the world's own receipt, which only says whether it was refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from wmenv.bench.stage import Stage
from wmenv.bench.take import Take, joined

PLACING = re.compile(r"\b(appears?|puts?|places?|adds?|there is now)\b", re.IGNORECASE)
TRIES = 4  # places in a scene at which a direction may be tried


def placing(stage: Stage) -> tuple[str, ...]:
    """The directions of this world that place something local."""
    return stage.prompts or tuple(text for text in stage.world.spec.suggestions if PLACING.search(text))


def lacks_prompts(stage: Stage) -> str | None:
    """Why this world cannot be directed by a probe; None if it can."""
    if not stage.world.spec.directions:
        return "takes no directions"
    return None if placing(stage) else "suggests no direction that places something; name one with --prompt"


def accepted(stage: Stage, take: Take) -> np.ndarray:
    """(prompts, rows) whether each prompt would be taken now, tried on forks; silence counts as yes."""
    prompts, rows = placing(stage), len(take)
    crowd = joined([take] * len(prompts))
    crowd.act(stage.noop, [prompt for prompt in prompts for _ in range(rows)])
    taken = [receipt is None or receipt.applied for receipt in crowd.receipts]
    return np.array(taken).reshape(len(prompts), rows)


def choose(stage: Stage, take: Take) -> list[str | None]:
    """A prompt per row that the world takes where the row now stands, by turns over rows; None where it takes none.

    Rows whose view has no room turn on, a few times, until there is some.
    """
    prompts = placing(stage)
    for attempt in range(TRIES):
        taken = accepted(stage, take)
        if taken.any(axis=0).all() or not stage.pans or attempt == TRIES - 1:
            break
        stage.pan(take, np.where(taken.any(axis=0), stage.noop, stage.pans[0]), 1)
    return [_by_turns(prompts, taken[:, row], row) for row in range(len(take))]


def _by_turns(prompts: Sequence[str], taken: np.ndarray, row: int) -> str | None:
    possible = np.flatnonzero(taken)
    return prompts[possible[row % len(possible)]] if possible.size else None
