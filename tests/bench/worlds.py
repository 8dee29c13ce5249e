"""Which axis each fault is meant to fail on, and the suites that ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wmenv.bench.headline import Headline, headline
from wmenv.bench.probes.control import Control
from wmenv.bench.probes.counterfactual import Counterfactual
from wmenv.bench.probes.look_away import LookAway
from wmenv.bench.probes.place import Place
from wmenv.bench.probes.prompted import Prompted
from wmenv.bench.probes.soak import Soak
from wmenv.bench.suite import CONTENT, QUICK, Suite, run_suite
from wmenv.contract import World
from wmenv.worlds.broken import BrokenWorld
from wmenv.worlds.pan import PanWorld

MEANT_FOR = {  # fault -> the axis on which it must fall below the line
    "frozen": "control",
    "ignores_actions": "control",
    "random_walk": "control",
    "ping_pong": "control",
    "nan_frames": "control",
    "reverts_every": "revisit",
    "reverts_once": "revisit",
    "forgets_unseen": "revisit",
    "forgets_edits": "edit",
    "edit_vanishes": "edit",
    "ignores_directions": "edit",
    "tints": "edit",
    "blur_drift": "stability",
    "pixelate_drift": "stability",
    "hue_drift": "stability",
}
SOUND = ("noisy", "lag")  # faults by name that no world is to be blamed for; the lag is reported as a number
ELSEWHERE = {
    "stalls": "timeliness, tried with a clock of its own",
    "always_blurred": "seen only beside the real environment (G2)",
    "never_rewards": "seen only beside the real environment (G4)",
}
TURNS = {"gridrooms-source": 2}  # pans that take a view away where a pan is a quarter turn

QUICK_CONTENT = replace(QUICK, probes=tuple(probe for probe in QUICK.probes if probe.id in CONTENT))
TINY = Suite(
    (Counterfactual(permutations=5), Control(20), LookAway((0, 30)), Prompted(30), Place(5), Soak(200, 50)), scenes=3
)


class Paying(PanWorld):
    """Pays, or fines, whenever the view is to the right of where it began by a multiple of three pans."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign
        self.spec = self.spec.with_(reward="env")

    def open(self, starts, seeds):
        state, outcome = super().open(starts, seeds)
        return state, replace(outcome, reward=np.zeros(len(seeds), np.float32))

    def advance(self, state, actions, directions):
        state, outcome = super().advance(state, actions, directions)
        at = outcome.pose[:, 0]
        return state, replace(outcome, reward=self.sign * ((at > 0) & (at % 3 == 0)).astype(np.float32))


def broken(world: World, name: str, fault: str) -> BrokenWorld:
    """The fault, as wide as a view of that world is."""
    strength = {"away": TURNS[name]} if fault == "forgets_unseen" and name in TURNS else {}
    return BrokenWorld(world, fault, **strength)


def profile(world: World, suite: Suite, draws: int = 20) -> Headline:
    """The axes that rest on what is shown."""
    return headline(run_suite("", world, suite), draws)
