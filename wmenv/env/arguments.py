"""What a caller may say to an environment's constructor and methods, apart from reset options.

Each check gives the argument back in its own type, or a named error. Knows nothing of worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from wmenv.contract import is_whole
from wmenv.errors import OptionError


def checked_count(rows: Any) -> int:
    """`rows` as a number of environments."""
    if not is_whole(rows) or rows < 1:
        raise OptionError(f"num_envs is a whole number from 1 on, got {rows!r}.")
    return int(rows)


def checked_choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """`value` if it is one of `choices`."""
    if value not in choices:
        raise OptionError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}.")
    return value


def checked_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """One of Gymnasium's autoreset modes, which may be given by its value."""
    return AutoresetMode(
        checked_choice("autoreset_mode", mode, [*AutoresetMode, *(one.value for one in AutoresetMode)])
    )


def checked_rows(rows: Sequence[int], count: int, unique: bool = False) -> list[int]:
    """`rows` as a list of row numbers; `unique` if none may come twice."""
    chosen = [int(row) for row in np.atleast_1d(np.asarray(rows, dtype=np.int64))]
    outside = [row for row in chosen if not 0 <= row < count]
    if outside or (unique and len(set(chosen)) < len(chosen)):
        raise OptionError(f"rows are {'different ' if unique else ''}numbers from 0 to {count - 1}, got {chosen}.")
    return chosen
