"""A session replaces the state of its world, and nobody else does."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import CountingWorld, pixel
from wmenv.contract import Start, no_directions
from wmenv.errors import LifecycleError, UnknownWorldError
from wmenv.sim.session import Session

MORE = np.full(3, 2)
NOTHING = no_directions(3)


def opened(**settings):
    session = Session(settings.pop("world", None) or CountingWorld(), **settings)
    session.open([Start()] * 3, [0, 1, 2])
    return session


def counts(session):
    return [count for count, *_ in pixel(session.frames)]


def test_rows_are_replaced_and_the_others_do_not_notice():
    session = opened()
    held = session.frames
    session.reopen([1], [Start()], [4])
    assert counts(session) == [0, 4, 2]
    assert [count for count, *_ in pixel(held)] == [0, 1, 2]
    session.advance(MORE, NOTHING)
    assert counts(session) == [1, 5, 3]


def test_a_moment_can_be_restored_again_and_again_and_anywhere():
    session = opened()
    kept = session.snapshot([2])
    for row in (0, 1):
        session.advance(MORE, NOTHING)
        session.restore(kept, [row])
    assert counts(session) == [3, 2, 4]
    other = Session(session.world)
    other.revive(kept)
    assert counts(other) == [2]


def test_a_fork_copies_rows():
    session = opened()
    session.fork([2, 2], [0, 1])
    session.advance(np.array([0, 1, 2]), NOTHING)
    assert counts(session) == [1, 2, 3]


def test_a_span_holds_what_the_world_took():
    session = opened(world=CountingWorld(seconds=0.01))
    assert session.advance(MORE, NOTHING).span.latency_ms >= 10


def test_a_world_is_cold_until_one_made_like_it_has_run():
    cold = []
    for weights in ("old", "old", "new"):
        world = CountingWorld()
        world.spec = world.spec.with_(name="cold counting", provenance={"weights": weights})
        cold.append(Session(world).open([Start()], [0]).span.cold)
    assert cold == [True, False, True]


def test_pacing_follows_the_frames_of_the_world():
    assert Session(CountingWorld(frames_per_step=4)).clock.period_ns == 40_000_000


def test_frames_stay_on_the_device_unless_somebody_looks():
    torch = pytest.importorskip("torch")
    world = CountingWorld(output="torch")
    for watched in (False, True):
        shown = opened(world=world, output="torch", watched=watched).advance(MORE, NOTHING)
        assert isinstance(shown.frames, torch.Tensor)
        assert isinstance(shown.outcome.frames, np.ndarray if watched else torch.Tensor)
        assert isinstance(shown.outcome.reward, np.ndarray)


def test_calls_out_of_turn_are_refused():
    session = Session(CountingWorld())
    for early in (lambda: session.advance(MORE, NOTHING), lambda: session.snapshot([0]), lambda: session.frames):
        with pytest.raises(LifecycleError):
            early()
    session.open([Start()], [0])
    session.close()
    with pytest.raises(LifecycleError):
        session.advance(MORE, NOTHING)


def test_a_world_may_be_a_name():
    assert Session("pan").spec.name == "pan"
    with pytest.raises(UnknownWorldError):
        Session("nowhere")
