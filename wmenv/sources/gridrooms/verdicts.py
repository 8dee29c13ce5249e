"""What the tiles of two successive views say of a task: over, and done? The same law as the tasks', read off pictures.

So a world that claims a reward can be asked whether it also shows what is rewarded. Needs no simulator; it can be used
as the reward of an environment, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wmenv.contract import Outcome
from wmenv.errors import OptionError, did_you_mean
from wmenv.runtime import to_host
from wmenv.sources.gridrooms.spec import ACTIONS
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW, Tile

AHEAD = AGENT_SLOT - VIEW
BESIDE_AHEAD = (AHEAD - 1, AHEAD + 1, AHEAD - VIEW)  # the places next to the one ahead, besides one's own
BATCH = 256  # frames decoded at one time

View = Callable[[int], Tile]  # from a slot to what it shows
Verdict = tuple[bool, bool]  # whether the episode is over, and whether the task is done


def _reach(action: str, before: View, after: View) -> Verdict:
    arrived = after(AGENT_SLOT).under == "goal" or bool(after(AGENT_SLOT).carried)  # what is carried hides the ground
    done = action == "forward" and before(AHEAD).kind == "goal" and arrived
    return done, done


def _fetch(action: str, before: View, after: View) -> Verdict:
    got = after(AGENT_SLOT).carried
    over = action == "pickup" and not before(AGENT_SLOT).carried and bool(got)
    return over, over and got.endswith("ball")


def _unlock(action: str, before: View, after: View) -> Verdict:
    done = action == "toggle" and before(AHEAD).state == "locked" and after(AHEAD).state == "open"
    return done, done


def _put_next(action: str, before: View, after: View) -> Verdict:
    if action == "toggle" and before(AHEAD).kind == "box":
        return after(AHEAD).kind != "box", False
    dropped = before(AGENT_SLOT).carried.endswith("ball") and not after(AGENT_SLOT).carried
    done = action == "drop" and dropped and any(after(slot).kind == "box" for slot in BESIDE_AHEAD)
    return done, done


VERDICTS: dict[str, Callable[[str, View, View], Verdict]] = {
    "reach": _reach,
    "fetch": _fetch,
    "unlock": _unlock,
    "put_next": _put_next,
}


class DecodedTask:
    """A task judged by the pictures alone, for any number of rows; `reward=DecodedTask("fetch")` of an environment.

    >>> DecodedTask("fetch").__name__
    'decoded fetch'
    """

    def __init__(self, task: str) -> None:
        if task not in VERDICTS:
            raise OptionError(f"no verdict on {task!r} can be read off pictures. {did_you_mean(task, VERDICTS)}")
        self.task, self.__name__ = task, f"decoded {task}"
        self._tiles: np.ndarray | None = None

    def opened(self, rows: Sequence[int], frames: np.ndarray) -> None:
        """`rows` go on from what `frames` (of all rows) show."""
        tiles = decoded(frames)
        if self._tiles is None or len(self._tiles) != len(tiles):
            self._tiles = tiles
        self._tiles[list(rows)] = tiles[list(rows)]

    def __call__(self, outcome: Outcome, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reward and end of every row."""
        assert self._tiles is not None, "opened() comes before the first step"
        before, self._tiles = self._tiles, decoded(to_host(outcome.frames))
        verdicts = [self._verdict(*row) for row in zip(actions.tolist(), before, self._tiles, strict=True)]
        over, done = (np.array(part) for part in zip(*verdicts, strict=True))
        return done.astype(np.float64), over

    def _verdict(self, action: int, before: np.ndarray, after: np.ndarray) -> Verdict:
        return VERDICTS[self.task](ACTIONS.names[action], _view(before), _view(after))


def decoded(frames: np.ndarray) -> np.ndarray:
    """(n, 49) tile ids of frames (n, 56, 56, 3); the nearest tile where none is exactly equal."""
    ids = CATALOGUE.decode(frames).reshape(len(frames), -1)
    strange = np.flatnonzero((ids < 0).any(axis=1))
    for at in range(0, len(strange), BATCH):
        chosen = strange[at : at + BATCH]
        ids[chosen] = CATALOGUE.nearest(frames[chosen])[0].reshape(len(chosen), -1)
    return ids


def _view(ids: np.ndarray) -> View:
    return lambda slot: CATALOGUE.tiles[ids[slot]]
