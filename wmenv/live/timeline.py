"""Every moment that a room has shown, as branches that fork from each other.

All moments keep what was seen, done and said; some keep the world's state too, and any other is reached again by
repeating what was done since the last that does. States are bounded in bytes: old ones grow sparse, never all go. Knows
nothing of how a world runs, nor of who watches.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wmenv.episodes import Directed
from wmenv.errors import OptionError
from wmenv.serve.book import Kept, Sight

KEPT_EVERY = 8  # steps between states that are kept of the recent past
MOST_STATES = 512  # whatever they claim to take: a simulator does not know what it holds
MOST_STEPS = 200_000  # moments of one room; a person has walked for hours by then
MOST_BRANCHES = 64
LONGEST_NAME = 60


@dataclass(slots=True)
class Moment:
    """What one step showed, and what led to it; `action` is None where a branch begins anew."""

    step: int
    packed: bytes  # the frames of the step, compressed: pictures of worlds hold much that is the same
    shape: tuple[int, ...]
    action: Any = None
    directed: Directed | None = None
    reward: float = 0.0
    terminated: bool = False
    caption: str | None = None
    pose: np.ndarray | None = None
    audio: np.ndarray | None = None
    latency_ms: float = 0.0
    state: Kept | None = None
    ghost: Moment | None = None  # what the real environment showed beside it

    @classmethod
    def of(cls, sight: Sight, step: int, **known: Any) -> Moment:
        """The moment that a row has shown."""
        return cls(
            step=step,
            packed=zlib.compress(sight.frames.tobytes(), 1),
            shape=sight.frames.shape,
            reward=sight.reward or 0.0,
            terminated=bool(sight.terminated),
            pose=sight.pose,
            audio=sight.audio,
            **known,
        )

    @property
    def states(self) -> list[Kept]:
        """The states that it keeps: the world's own, and that of the real environment beside it."""
        both = (self.state, self.ghost.state if self.ghost is not None else None)
        return [state for state in both if state is not None]

    def let_go(self) -> None:
        """Keep no state any more; the moment can be reached from an earlier one."""
        self.state = None
        if self.ghost is not None:
            self.ghost.state = None

    @property
    def frames(self) -> np.ndarray:
        """All frames of the step, (F, H, W, 3)."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.shape)

    @property
    def frame(self) -> np.ndarray:
        """What the step showed last."""
        return self.frames[-1]


@dataclass
class Branch:
    """One line of moments; those up to `fork` are its parent's, and a branch without a parent begins with its own."""

    id: int
    name: str
    parent: Branch | None
    fork: int
    begun: dict[str, Any]  # how the scene began: seed, template, prompt, what was dropped
    own: list[Moment] = field(default_factory=list)

    @property
    def tip(self) -> int:
        """The last step."""
        return self.own[-1].step if self.own else self.fork

    def moment(self, step: int) -> Moment:
        """The moment after `step` steps, on this branch or on the one it came from."""
        if self.parent is not None and step <= self.fork:
            return self.parent.moment(step)
        first = self.fork + 1 if self.parent is not None else 0
        if not first <= step <= self.tip:
            raise OptionError(f"branch {self.name!r} has the moments 0 to {self.tip}, not {step}.")
        return self.own[step - first]

    def facts(self) -> dict[str, Any]:
        """The branch as a page draws it."""
        directed = [(moment.step, moment.directed) for moment in self.own if moment.directed is not None]
        return {
            "id": self.id,
            "name": self.name,
            "fork": self.fork if self.parent is not None else None,
            "first": 0,
            "tip": self.tip,
            "marks": [{"step": step, "text": told.text, "applied": told.applied} for step, told in directed],
        }

    def stretch(self, first: int, last: int) -> list[Moment]:
        """The moments from `first` to `last`, both among them."""
        if not 0 <= first <= last <= self.tip:
            raise OptionError(f"branch {self.name!r} has the moments 0 to {self.tip}, not {first} to {last}.")
        return [self.moment(step) for step in range(first, last + 1)]


class Timeline:
    """The branches of a room, and which one goes on. States take at most `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self.branches: dict[int, Branch] = {}
        self.current = -1
        self._most_bytes = most_bytes
        self._next = 0

    @property
    def now(self) -> Branch:
        """The branch that goes on."""
        return self.branches[self.current]

    @property
    def nbytes(self) -> int:
        """What the kept states take."""
        return sum(state.nbytes for moment in self._kept() for state in moment.states)

    def branch(self, number: int) -> Branch:
        try:
            return self.branches[number]
        except KeyError:
            raise OptionError(
                f"there is no branch {number} here, or no more. Choose one that the page shows."
            ) from None

    def begin(self, moment: Moment, begun: dict[str, Any], name: str) -> Branch:
        """A line of its own, from a first moment that holds its state."""
        return self._add(Branch(self._next, self._free(name), None, 0, begun, [moment]))

    def _free(self, name: str) -> str:
        """`name`, with a number where another branch has it."""
        taken = {branch.name for branch in self.branches.values()}
        others = (f"{name} ({number})" for number in itertools.count(2))
        return next(one for one in itertools.chain([name], others) if one not in taken)

    def fork(self, number: int, step: int) -> Branch:
        """A branch from a moment of another."""
        parent = self.branch(number)
        parent.moment(step)  # refuses one that is not there
        while parent.parent is not None and step <= parent.fork:
            parent = parent.parent
        return self._add(Branch(self._next, f"branch {self._next}", parent, step, parent.begun))

    def add(self, branch: Branch, moment: Moment) -> None:
        """The next moment of a branch."""
        assert moment.step == branch.tip + 1, f"step {moment.step} does not follow {branch.tip}"
        branch.own.append(moment)

    def wants_state(self, step: int) -> bool:
        """Whether the state after this step should be kept."""
        return step % KEPT_EVERY == 0

    def check_room(self) -> None:
        """Raise if nothing can be added any more."""
        if sum(len(branch.own) for branch in self.branches.values()) >= MOST_STEPS:
            raise OptionError(f"this room has kept {MOST_STEPS:,} moments, which is all it holds. Remove a branch.")

    def check_branches(self) -> None:
        """Raise if there can be no more branches."""
        if len(self.branches) >= MOST_BRANCHES:
            raise OptionError(f"a room keeps at most {MOST_BRANCHES} branches. Remove one first.")

    def way_to(self, number: int, step: int) -> tuple[Moment, list[Moment]]:
        """The last moment with a state at or before `step`, and the moments to live again from there."""
        branch = self.branch(number)
        way: list[Moment] = []
        for at in range(step, -1, -1):
            moment = branch.moment(at)
            if moment.state is not None:
                return moment, way[::-1]
            way.append(moment)
        raise OptionError(f"the beginning of branch {branch.name!r} is not kept.")

    def rename(self, number: int, name: str) -> None:
        name = "".join(filter(str.isprintable, name)).strip()[:LONGEST_NAME]
        if not name:
            raise OptionError("a branch needs a name of at least one character.")
        self.branch(number).name = name

    def remove(self, number: int) -> None:
        """Forget a branch that does not go on, and whose moments no other stands on."""
        branch = self.branch(number)
        if number == self.current:
            raise OptionError("this branch goes on just now. Go on from another one first.")
        heirs = [heir.name for heir in self.branches.values() if heir.parent is branch]
        if heirs:
            raise OptionError(f"{', '.join(heirs)} came from {branch.name!r}. Remove that first.")
        del self.branches[number]

    def thin(self) -> None:
        """Let every second of the older states go until the rest fit, so that the past grows sparse and never ends."""
        needed = {id(moment) for moment in self._beginnings()}
        kept = [moment for moment in self._kept() if id(moment) not in needed]
        while kept and (self.nbytes > self._most_bytes or len(kept) > MOST_STATES):
            for moment in kept[: max(1, 3 * len(kept) // 4) : 2]:
                moment.let_go()
            kept = [moment for moment in kept if moment.state is not None]

    def _add(self, branch: Branch) -> Branch:
        self.check_branches()
        self.branches[branch.id] = branch
        self._next += 1
        self.current = branch.id
        return branch

    def _kept(self) -> Iterator[Moment]:
        return (moment for branch in self.branches.values() for moment in branch.own if moment.state is not None)

    def _beginnings(self) -> Sequence[Moment]:
        """The moments without which a branch could not be reached."""
        return [branch.own[0] for branch in self.branches.values() if branch.parent is None]


def facts_of(moment: Moment) -> dict[str, Any]:
    """One step as a record that JSON can hold, without its pictures and sound."""
    directed = moment.directed
    return {
        "step": moment.step,
        "action": np.asarray(moment.action).tolist() if moment.action is not None else None,
        "reward": moment.reward,
        "terminated": moment.terminated,
        "latency_ms": round(moment.latency_ms, 3),
        "caption": moment.caption,
        "pose": None if moment.pose is None else [float(value) for value in moment.pose],
        "direction": None
        if directed is None
        else {"text": directed.text, "applied": directed.applied, "reason": directed.reason},
    }
