"""Every fault falls on its axis, and no sound world is blamed: thresholds set on one source, held on another.

Broken worlds are tried with the whole quick suite in the slow tests, and a few of them with a tiny one in the others.
"""

from __future__ import annotations

import pytest

from tests.bench.worlds import ELSEWHERE, MEANT_FOR, QUICK_CONTENT, SOUND, TINY, broken, profile
from wmenv.bench import take
from wmenv.bench.bearings import bearings_of, scale_of
from wmenv.bench.headline import FAIL, headline
from wmenv.bench.probes.pace import Pace
from wmenv.bench.stage import Stage
from wmenv.bench.suite import Suite, run_suite
from wmenv.worlds.broken import FAULTS, BrokenWorld, delivery
from wmenv.worlds.catalog import load_world
from wmenv.worlds.pan import PanWorld

HEALTHY = 0.8
CONTENT_AXES = ("control", "revisit", "edit", "stability")
SOURCES = ("pan", "gridrooms-source")  # thresholds were set on the first and are only confirmed on the second


def is_sound(world, suite):
    found = profile(world, suite)
    assert {axis: found[axis].estimate for axis in CONTENT_AXES if (found[axis].estimate or 0) < HEALTHY} == {}


def test_every_fault_has_its_place():
    assert {*MEANT_FOR, *SOUND, *ELSEWHERE} == set(FAULTS)


# --- a few, quickly ---


def test_a_sound_world_passes_quickly():
    is_sound(PanWorld(), TINY)


@pytest.mark.parametrize("fault", ["frozen", "forgets_unseen", "forgets_edits", "hue_drift"])
def test_faults_are_caught_quickly(fault):
    axis = MEANT_FOR[fault]
    assert profile(BrokenWorld(PanWorld(), fault), TINY)[axis].estimate < FAIL[axis]


def test_a_forgetful_world_is_not_blamed_for_anything_else():
    found = profile(BrokenWorld(PanWorld(), "forgets_edits"), TINY)
    assert min(found[axis].estimate for axis in ("control", "revisit", "stability")) >= HEALTHY


@pytest.mark.parametrize("world", [PanWorld(lag=5), BrokenWorld(PanWorld(), "lag", steps=5)], ids=["late", "lag"])
def test_lag_is_reported_and_waited_for(world):
    stage = Stage(world, [1, 2, 3])
    stage.scale = scale_of(stage)
    assert bearings_of(stage).lag == 5


def test_stalls_cost_timeliness_and_nothing_else_does(monkeypatch):
    now = [0.0]

    def pass_time(seconds):
        now[0] += seconds

    def tick():
        pass_time(0.001)
        return now[0]

    monkeypatch.setattr(take.time, "perf_counter", tick)
    monkeypatch.setattr(delivery.time, "sleep", pass_time)
    suite = Suite((Pace(150),), scenes=4)
    sound, stalling = (headline(run_suite("", world, suite), 20) for world in (PanWorld(), stalls()))
    assert sound["timeliness"].estimate == 1.0
    assert stalling["timeliness"].estimate < FAIL["timeliness"]
    assert sound["revisit"].estimate is None, "what was not asked is not scored"


def stalls():
    return BrokenWorld(PanWorld(), "stalls")


# --- all of them ---


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", SOURCES)
def test_the_real_environment_is_at_the_ceiling(source):
    is_sound(load_world(source), QUICK_CONTENT)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("settings", [{"noise": 6.0}, {"dynamic": 6}, {"lag": 5}], ids=str)
def test_difficult_worlds_are_not_blamed(settings):
    is_sound(PanWorld(**settings), QUICK_CONTENT)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", SOUND)
def test_noise_and_lag_are_not_blamed(source, fault):
    is_sound(broken(load_world(source), source, fault), QUICK_CONTENT)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fault", MEANT_FOR)
def test_every_fault_falls_on_its_axis(source, fault):
    axis = MEANT_FOR[fault]
    assert profile(broken(load_world(source), source, fault), QUICK_CONTENT)[axis].estimate < FAIL[axis]
