"""A world beside its real environment: the environment itself is at the ceiling, and each fault shows in its figure."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.bench.worlds import Paying, broken
from wmenv.bench.cli import bench
from wmenv.bench.paired.compare import PairedSpec, compare
from wmenv.bench.paired.pair import play_pair
from wmenv.contract import Start
from wmenv.errors import UnsupportedError
from wmenv.worlds.broken import BrokenWorld
from wmenv.worlds.catalog import load_world
from wmenv.worlds.pan import PanWorld

SPEC = PairedSpec(scenes=3, steps=32)


@pytest.fixture(scope="module")
def rooms():
    return load_world("gridrooms-source")


@pytest.fixture(scope="module")
def itself(rooms):
    return compare("gridrooms-source", rooms, rooms, SPEC)


def test_the_real_environment_as_its_own_world_is_at_the_ceiling(itself):
    assert [itself["figures"][figure]["estimate"] for figure in ("G1", "G2", "G3")] == [1.0] * 3
    assert itself["figures"]["G2"]["detail_is_true"]
    assert itself["figures"]["G5"]["estimate"] > 10
    assert itself["began_by"] == "the same seed"


def test_every_baseline_stands_beside_it(itself):
    assert itself["baselines"]["real-vs-real"]["G1"]["estimate"] == 1.0
    for name in ("copy-first-frame", "mean-frame", "other-episode"):
        assert itself["baselines"][name]["G1"]["estimate"] < 0.3, name


def test_a_record_is_json(itself):
    assert json.loads(json.dumps(itself, allow_nan=False))["spec"]["hash"] == SPEC.hash


def test_blur_is_seen_in_the_energy_of_detail(rooms):
    found = compare("blurred", BrokenWorld(rooms, "always_blurred"), rooms, SPEC)["figures"]["G2"]
    assert not found["detail_is_true"]
    assert max(found["band_ratio"]) < 0.9


def test_a_world_that_ignores_actions_gains_nothing_from_the_true_ones(rooms):
    figures = compare("deaf", BrokenWorld(rooms, "ignores_actions"), rooms, SPEC)["figures"]
    assert figures["G5"]["estimate"] == 0.0
    assert figures["G1"]["estimate"] < 0.5
    assert figures["G3"]["median_steps"] is not None


def test_a_dream_of_what_was_unseen_is_not_the_hidden_truth(rooms):
    spec = PairedSpec(scenes=3, steps=64)
    true, dreamt = (
        compare(fault, broken(rooms, "gridrooms-source", fault) if fault else rooms, rooms, spec)["figures"]["G9"]
        for fault in ("", "forgets_unseen")
    )
    assert true["estimate"] == 1.0
    assert dreamt["estimate"] < 0.5


def test_never_rewarding_is_caught_where_reward_comes():
    real = Paying()
    spec = PairedSpec(scenes=3, steps=16)
    true, never = (
        compare("", world, real, spec)["figures"]["G4"] for world in (real, BrokenWorld(real, "never_rewards"))
    )
    assert true["estimate"] == 1.0
    assert never["reward"]["estimate"] == 0.0
    assert never["return_error"] > 0


def test_a_world_that_pays_backwards_can_be_exploited():
    real, backwards = Paying(), Paying(sign=-1.0)
    spec = PairedSpec(scenes=4, steps=16)
    true, wrong = (compare("", world, real, spec)["figures"]["G8"]["exploitability"] for world in (real, backwards))
    assert true["inverted_share"] == 0.0
    assert wrong["inverted_share"] > 0.1


def test_worlds_with_other_actions_are_refused(rooms):
    with pytest.raises(UnsupportedError, match="different actions"):
        play_pair(PanWorld(), rooms, [1, 2], 4)


def test_a_world_that_cannot_begin_there_is_refused():
    class Elsewhere:
        """The same world, of other scenes."""

        spec = PanWorld().spec

        def open(self, starts, seeds):
            return PanWorld().open(starts, [seed + 1000 for seed in seeds])

    with pytest.raises(UnsupportedError, match="neither begin"):
        play_pair(Elsewhere(), PanWorld(), [1, 2, 3], 4)


def test_a_world_is_shown_the_first_picture_when_seeds_mean_nothing_to_it():
    shown = []

    class Painter:
        """Begins with whatever picture it is shown, and never moves."""

        spec = PanWorld().spec.with_(starts=frozenset({"seed", "picture"}))

        def open(self, starts, seeds):
            shown[:] = [start.picture for start in starts]
            return PanWorld().open([Start()] * len(seeds), [seed + 1000 for seed in seeds])

        def advance(self, state, actions, directions):
            return PanWorld().advance(state, actions, directions)

    pair = play_pair(Painter(), PanWorld(), [1, 2, 3], 2)
    assert pair.how == "the real first frame as a picture"
    assert (np.stack(shown) == pair.real.frames[0]).all()


def test_the_command_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("wmenv.bench.paired.compare.QUICK", SPEC)
    words = ["paired", "--world", "pan", "--against", "pan", "--quick", "--out", str(tmp_path)]
    shown = CliRunner().invoke(bench, words)
    assert shown.exit_code == 0, shown.output
    assert "<svg" in (tmp_path / "paired.html").read_text()
