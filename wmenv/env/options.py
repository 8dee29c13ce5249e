"""What `reset(options=...)` may say, checked, and what of it holds on for later episodes.

A dict that says anything about how to start replaces what was said before; without one, the prompt, the template and
the time limit said last hold on, through explicit resets and autoresets alike. `{"prompt": None}` forgets them. Knows
nothing of worlds but their spec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmenv.contract import Start, WorldSpec, is_whole
from wmenv.env.directions import checked_text
from wmenv.errors import OptionError, did_you_mean

START = ("template", "picture", "moment", "prompt")
ROW_OPTIONS = (*START, "max_episode_steps")
STICKY = ("template", "prompt", "max_episode_steps")
BATCH_OPTIONS = ("reset_mask", "group_size")

RowOptions = Mapping[str, Any]


@dataclass(frozen=True)
class ResetRequest:
    """Which rows to reset, how each begins (None: as before), and how many neighbours share one beginning."""

    rows: list[int]
    begin: list[RowOptions | None]
    group_size: int = 1


def reset_request(options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, rows: int) -> ResetRequest:
    """What the options of one reset ask for; the caller's own dict is left as it is."""
    if options is None:
        return ResetRequest(list(range(rows)), [None] * rows)
    if not isinstance(options, Mapping):
        if len(options) != rows:
            raise OptionError(f"{rows} rows take one dict of options or a list of {rows}, got {len(options)}.")
        return ResetRequest(list(range(rows)), [row_options(one) for one in options])
    chosen = masked_rows(options["reset_mask"], rows) if "reset_mask" in options else list(range(rows))
    begin = row_options({key: value for key, value in options.items() if key not in BATCH_OPTIONS}, BATCH_OPTIONS)
    return ResetRequest(chosen, [begin] * len(chosen), group_size(options.get("group_size", 1), len(chosen)))


def row_options(options: Mapping[str, Any] | None, besides: Sequence[str] = ()) -> RowOptions | None:
    """The options of one row; None when they say nothing about how to start."""
    for key in options or ():
        if key not in ROW_OPTIONS:
            raise OptionError(f"reset knows no option {key!r}. {did_you_mean(str(key), (*ROW_OPTIONS, *besides))}")
    return dict(options) if options else None


def masked_rows(mask: Any, rows: int) -> list[int]:
    """The rows that a reset mask names."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (rows,):
        raise OptionError(f"reset_mask is a numpy array of bool and shape ({rows},), got {mask!r}.")
    if not mask.any():
        raise OptionError("reset_mask names no row; at least one must be True.")
    return np.flatnonzero(mask).tolist()


def group_size(size: Any, rows: int) -> int:
    """How many neighbours share a beginning; it divides the rows that are reset."""
    if not isinstance(size, int | np.integer) or size < 1 or rows % size:
        raise OptionError(f"group_size is a whole number that divides the {rows} rows being reset, got {size!r}.")
    return int(size)


def start_of(options: RowOptions, spec: WorldSpec) -> Start:
    """The start that a row's options describe, checked against what the world can do."""
    given = {key: options[key] for key in START if options.get(key) is not None}
    if "prompt" in given:
        checked_text(given["prompt"])
    if not isinstance(given.get("moment", b""), bytes) or not isinstance(given.get("template", ""), str):
        raise OptionError(f"a moment is the bytes of a one-row state and a template is a name, got {given!r:.200}.")
    return Start(**given).check(spec)


def time_limit_of(options: RowOptions, default: int | None) -> int | None:
    """After how many steps a row with these options is truncated."""
    limit = options.get("max_episode_steps")
    return default if limit is None else checked_limit(limit)


def checked_limit(limit: Any) -> int | None:
    """`limit` as a number of steps, None for no limit."""
    if limit is None:
        return None
    if not is_whole(limit) or limit < 1:
        raise OptionError(f"max_episode_steps is a whole number from 1 on, or None for no limit; got {limit!r}.")
    return int(limit)


def kept(options: RowOptions) -> RowOptions:
    """What of a row's options holds on for its later episodes, as values that a snapshot's JSON can hold."""
    held = {key: options[key] for key in STICKY if options.get(key) is not None}
    limit = checked_limit(held.get("max_episode_steps"))
    return held if limit is None else held | {"max_episode_steps": limit}
