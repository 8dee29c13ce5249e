"""Faults of direction: what is said is not done, is done to everything, or does not last."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wmenv.contract import Receipt, Start, no_directions
from wmenv.runtime import to_host
from wmenv.worlds.broken.fault import Fault, Moment, Own

UNCHANGED = 0.1  # mean grey levels below which an edited picture looks like the unedited one


@dataclass(frozen=True)
class IgnoresDirections(Fault):
    """Directions are received, called applied, and change nothing."""

    needs: ClassVar[tuple[str, ...]] = ("directions",)

    def before(self, moment: Moment) -> None:
        moment.directions = no_directions(moment.rows)

    def after(self, moment: Moment) -> None:
        receipts = [Receipt(True) if wish else None for wish in moment.asked]
        moment.outcome = replace(moment.outcome, receipts=receipts)


@dataclass(frozen=True)
class Tints(IgnoresDirections):
    """A direction places nothing; it colours the whole picture, for good, with a share of `strength`."""

    strength: float = 0.3

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        moment.own["tint"] = np.full((moment.rows, 3), -1.0)  # negative: none yet

    def after(self, moment: Moment) -> None:
        super().after(moment)
        before = moment.own["tint"]
        now = [tint_of(wish.text) if wish else old for wish, old in zip(moment.asked, before, strict=True)]
        moment.own["tint"] = np.array(now)

    def show(self, frames: np.ndarray, own: Own) -> np.ndarray:
        tint = own["tint"][:, None, None]
        tinted = np.rint((1 - self.strength) * frames + self.strength * tint)
        return np.where(tint < 0, frames, tinted).astype(np.uint8)


@dataclass(frozen=True)
class Forgets(Fault):
    """Edits are undone on the steps that `over` names: the row goes on as if it had never been directed."""

    needs: ClassVar[tuple[str, ...]] = ("directions",)

    def over(self, moment: Moment, hidden: np.ndarray) -> np.ndarray:
        """Which edited rows lose their edits now; `hidden` says where the edit does not show at this step."""
        raise NotImplementedError

    def begin(self, moment: Moment, starts: Sequence[Start]) -> None:
        moment.states["undirected"] = moment.states["now"].fork()
        moment.own["edited"] = np.full(moment.rows, -1)  # steps since the last direction; -1: nothing to forget
        moment.own["shown"] = np.zeros(moment.rows, bool)

    def after(self, moment: Moment) -> None:
        own, silence = moment.own, no_directions(moment.rows)
        moment.states["undirected"], plain = moment.world.advance(moment.states["undirected"], moment.actions, silence)
        untouched = to_host(plain.frames)
        receipts = moment.outcome.receipts or [None] * moment.rows
        applied = [receipt is not None and receipt.applied for receipt in receipts]
        own["edited"] = np.where(applied, 0, own["edited"] + (own["edited"] >= 0))
        hidden = np.abs(moment.outcome.frames - untouched.astype(np.float32)).mean(axis=(1, 2, 3)) < UNCHANGED
        own["shown"] = (own["shown"] | ~hidden) & (own["edited"] >= 0)
        rows = np.flatnonzero(self.over(moment, hidden) & (own["edited"] >= 0))
        if rows.size:
            moment.swap_in(moment.states["undirected"].select(rows.tolist()), rows)
            moment.show_instead(untouched[rows], rows)
            own["edited"], own["shown"] = (np.copy(own[name]) for name in ("edited", "shown"))
            own["edited"][rows], own["shown"][rows] = -1, False


@dataclass(frozen=True)
class ForgetsEdits(Forgets):
    """An edit is kept while it shows, and forgotten as soon as it is out of view."""

    def over(self, moment: Moment, hidden: np.ndarray) -> np.ndarray:
        return moment.own["shown"] & hidden


@dataclass(frozen=True)
class EditVanishes(Forgets):
    """An edit is undone `steps` steps after it was made, in view or not."""

    steps: int = 20

    def over(self, moment: Moment, hidden: np.ndarray) -> np.ndarray:
        return moment.own["edited"] >= self.steps


def tint_of(text: str) -> np.ndarray:
    """A colour that belongs to these words."""
    code = zlib.crc32(text.encode())
    return np.array([code & 255, code >> 8 & 255, code >> 16 & 255], float)
