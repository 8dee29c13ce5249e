"""All paired figures of a world against its real environment, and of the baselines beside it, as plain values."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from wmenv.bench.paired.decoders import Decoder, decoder_for
from wmenv.bench.paired.events import events
from wmenv.bench.paired.exploitability import exploitability
from wmenv.bench.paired.fidelity import action_gain, fidelity
from wmenv.bench.paired.pair import Film, Pair, play_pair
from wmenv.bench.paired.state import Reading, decoded_state, hidden_state, valid_horizon
from wmenv.bench.paired.uncertainty import calibration
from wmenv.bench.take import Meter, ignore
from wmenv.contract import World
from wmenv.runtime import environment_facts

SCHEMA = "wmenv-paired-1"
TITLES = {
    "G1": "decoded state",
    "G2": "fidelity",
    "G3": "valid horizon",
    "G4": "reward and end",
    "G5": "gain of the true actions",
    "G8": "knows where it is wrong",
    "G9": "hidden state",
}


@dataclass(frozen=True)
class PairedSpec:
    """Which comparison this was."""

    scenes: int = 32
    steps: int = 128
    first_seed: int = 50_000
    version: int = 1

    @property
    def hash(self) -> str:
        """Twelve digits that change with any setting."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()[:12]


QUICK = PairedSpec(scenes=4, steps=48)


def compare(
    name: str, world: World, real: World, spec: PairedSpec, template: str | None = None, meter: Meter = ignore
) -> dict[str, Any]:
    """The record of one comparison: the world's figures, and every baseline's."""
    seeds = list(range(spec.first_seed, spec.first_seed + spec.scenes))
    pair = play_pair(world, real, seeds, spec.steps, template, meter)
    decoder = decoder_for(pair.real.frames)
    reading = Reading.of(pair, pair.world, decoder)
    figures = figures_of(pair, pair.world, decoder, reading)
    figures["G4"] = events(pair, pair.world)
    figures["G5"] = action_gain(pair, pair.world, pair.random)
    figures["G8"] = calibration(pair, reading, world) | {"exploitability": exploitability(pair, world, real)}
    return {
        "schema": SCHEMA,
        "name": name,
        "against": real.spec.name,
        "spec": dataclasses.asdict(spec) | {"hash": spec.hash},
        "began_by": pair.how,
        "figures": figures,
        "baselines": {
            kind: figures_of(pair, film, decoder, Reading.of(pair, film, decoder))
            for kind, film in pair.baselines.items()
        },
        "provenance": {**environment_facts(), **dict(world.spec.provenance)},
    }


def figures_of(pair: Pair, film: Film, decoder: Decoder, reading: Reading) -> dict[str, Any]:
    """What can be asked of any film, a baseline's too."""
    return {
        "G1": decoded_state(reading),
        "G2": fidelity(pair, film),
        "G3": valid_horizon(reading, pair.actions),
        "G9": hidden_state(pair, film, decoder),
    }
