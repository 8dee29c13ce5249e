"""The clock's figures on schedules whose truth is known, and on the tricks that would make them look good."""

import numpy as np
import pytest

from wmenv.metrics.latency import Times, jitter_ms, misses, pace_record, real_time_factor, stutters

MS = 1_000_000


def paced(service_ms: np.ndarray, slot_ms: float) -> Times:
    """A world that takes `service_ms` per step, on a schedule with a slot every `slot_ms`."""
    intended = np.arange(len(service_ms)) * slot_ms
    accepted, ready, free = [], [], 0.0
    for due, service in zip(intended, service_ms, strict=True):
        accepted.append(max(due, free))
        free = accepted[-1] + service
        ready.append(free)
    return Times(*(np.round(np.array(times) * MS).astype(np.int64) for times in (intended, accepted, ready)))


def test_a_stall_is_charged_to_every_step_it_pushes_back():
    service = np.full(1800, 20.0)
    service[900] = 2000.0  # one stall in a minute of 30 fps
    times = paced(service, 1000 / 30)
    assert np.quantile(times.latency_ms, 0.99) == pytest.approx(20)
    assert np.quantile(times.late_ms, 0.99) > 1500
    assert misses(times.latency_ms, 1000 / 30)["rate"] == pytest.approx(1 / 1800)
    assert 0.05 < misses(times.late_ms, 1000 / 30)["rate"] < 0.12


def test_misses_by_hand():
    found = misses(np.array([10.0, 60.0, 100.0, 40.0]), slot_ms=50)
    assert found["rate"] == 0.5
    assert found["mean_overrun_slots"] == pytest.approx((0.2 + 1.0) / 2)
    assert found["rate_ci"][0] <= 0.5 <= found["rate_ci"][1]
    assert misses(np.array([]), 50)["rate"] is None


def test_jitter_is_the_usual_change_of_the_period():
    assert jitter_ms(np.array([10.0, 14.0, 10.0, 14.0])) == 4
    assert jitter_ms(np.full(9, 33.0)) == 0
    assert jitter_ms(np.array([33.0])) is None


def test_stutters_stand_out_from_their_surroundings_and_from_the_slot():
    period = np.full(100, 30.0)
    period[[20, 70]] = 90.0
    assert stutters(period, slot_ms=33) == 2
    assert stutters(period, slot_ms=100) == 0, "no viewer can see a period shorter than a slot"
    assert stutters(np.full(100, 90.0), slot_ms=33) == 0, "slow all along is late, but does not stutter"
    assert stutters(period[:10], slot_ms=33) is None


def test_what_an_agent_does_between_steps_is_no_stutter_unless_a_schedule_runs():
    accepted = np.arange(100) * 20 * MS
    accepted[50:] += 5000 * MS  # a training update
    free = Times(accepted, accepted, accepted + 10 * MS)
    assert pace_record(free, slot_ms=33)["stutters"] == 0
    late = Times(np.arange(100) * 20 * MS, accepted, accepted + 10 * MS)
    assert pace_record(late, slot_ms=33)["stutters"] == 1


def test_slowing_the_clock_shows_in_the_real_time_factor():
    assert real_time_factor(paced(np.full(200, 10.0), 50.0), 50.0) == pytest.approx(1, rel=0.01)
    assert real_time_factor(paced(np.full(200, 100.0), 50.0), 50.0) == pytest.approx(0.5, rel=0.01)


def test_a_record_of_nothing_says_nothing():
    nothing = pace_record(Times(*np.zeros((3, 0), np.int64)), slot_ms=50)
    assert nothing["latency_ms"] == {"n": 0} | dict.fromkeys(("p50", "p50_ci", "p95", "p95_ci", "p99", "p99_ci"))
    assert nothing["real_time_factor"] is None
    assert nothing["steps_per_second"] is None
