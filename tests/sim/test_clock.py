"""The clock: spans, slots that never slip, and what was cold."""

from __future__ import annotations

from wmenv.sim.clock import Clock

MS = 1_000_000


class FakeTime:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self):
        self.now = 0

    def read(self):
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)

    def work(self, ms):
        self.now += ms * MS


def spans(clock, time, works):
    for ms in works:
        started = clock.in_slot()
        time.work(ms)
        yield clock.stop(started, use="spans")


def paced():
    time = FakeTime()
    clock = Clock(0.01, realtime=True, now_ns=time.read, sleep=time.sleep)
    clock.restart()
    return clock, time


def test_without_pacing_a_step_begins_when_it_is_asked_for():
    time = FakeTime()
    clock = Clock(0.01, now_ns=time.read, sleep=time.sleep)
    for span in spans(clock, time, [3, 30]):
        assert span.intended_ns == span.accepted_ns
        assert span.latency_ms == span.late_ms
    assert time.now == 33 * MS


def test_a_paced_step_waits_for_its_slot():
    clock, time = paced()
    assert [(span.accepted_ns // MS, span.late_ms) for span in spans(clock, time, [2, 4, 6])] == [
        (10, 2),
        (20, 4),
        (30, 6),
    ]


def test_a_stall_shows_in_every_step_that_waits_behind_it():
    clock, time = paced()
    measured = list(spans(clock, time, [2, 35, 2, 2, 2, 2, 2, 2]))
    assert [span.latency_ms for span in measured] == [2, 35, 2, 2, 2, 2, 2, 2]
    assert [span.late_ms for span in measured] == [2, 35, 27, 19, 11, 3, 2, 2]


def test_a_restart_begins_the_schedule_anew():
    clock, time = paced()
    list(spans(clock, time, [100]))
    clock.restart()
    assert [span.late_ms for span in spans(clock, time, [2, 2])] == [2, 2]


def test_the_first_use_in_this_process_is_cold():
    clock = Clock(0.01)
    name = object()
    assert [clock.stop(clock.at_once(), use=name).cold for _ in range(3)] == [True, False, False]
