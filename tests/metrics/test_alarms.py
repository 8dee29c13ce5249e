"""Alarms ring on the figures they name and on no others, and never on what is unknown."""

import copy

import pytest

from wmenv.metrics.alarms import ALARMS, alarms

SOUND = {
    "latency_ms": {"n": 500},
    "omega2": 0.9,
    "omega2_perm95": 0.1,
    "reverts": {"events": 0, "exposed_steps": 400, "per_1000": 0.0, "per_1000_ci": [0.0, 9.2]},
    "cuts": {"events": 0, "exposed_steps": 400, "per_1000": 0.0, "per_1000_ci": [0.0, 9.2]},
    "flicker": 0.01,
    "health": {"flag_step": None, "constant_share": 0.0},
    "damaged_steps": 0,
    "stutters": 1,
}
UNKNOWN = SOUND | {
    "omega2": None,
    "omega2_perm95": None,
    "flicker": None,
    "stutters": None,
    "reverts": {"events": 0, "exposed_steps": 0, "per_1000": None, "per_1000_ci": None},
    "cuts": {"events": 0, "exposed_steps": 0, "per_1000": None, "per_1000_ci": None},
    "health": {"flag_step": None, "constant_share": None},
}
FAULTS = {
    "unresponsive": {"omega2": 0.05},
    "reverts": {"reverts": {"events": 2}},
    "cuts": {"cuts": {"events": 9, "per_1000_ci": [10.0, 40.0]}},
    "flicker": {"flicker": 0.2},
    "drift": {"health": {"flag_step": 300, "constant_share": 0.0}},
    "blank": {"health": {"flag_step": None, "constant_share": 0.9}},
    "damaged": {"damaged_steps": 1},
    "stalls": {"stutters": 9},
}


def test_every_alarm_is_tested():
    assert set(FAULTS) == set(ALARMS)


@pytest.mark.parametrize("name", FAULTS)
def test_an_alarm_rings_on_its_own_figure_alone(name):
    assert alarms(copy.deepcopy(SOUND) | FAULTS[name]) == (name,)


@pytest.mark.parametrize("record", [SOUND, UNKNOWN])
def test_no_alarm_rings_on_a_sound_or_unknown_episode(record):
    assert alarms(record) == ()


def test_better_than_nothing_but_within_chance_is_unresponsive():
    assert alarms(SOUND | {"omega2": 0.2, "omega2_perm95": 0.25}) == ("unresponsive",)
