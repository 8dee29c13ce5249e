"""The timeline: branches share their past, states grow sparse and never end, and whatever is not there is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from wmenv.contract import ArrayState
from wmenv.errors import OptionError
from wmenv.live.scene import THINNED_EVERY
from wmenv.live.timeline import Moment, Timeline, facts_of
from wmenv.serve.book import Kept, Sight

STATE_BYTES = 1000


def kept(step: int) -> Kept:
    return Kept(ArrayState("toy", {"at": np.full((1, 125), step)}), step, STATE_BYTES, None)


@dataclass
class Walk:
    """A timeline that is walked along, as a room does."""

    timeline: Timeline

    @classmethod
    def begun(cls, most_bytes: int = 10**9) -> Walk:
        walk = cls(Timeline(most_bytes))
        walk.timeline.begin(moment(0, state=kept(0)), {"seed": 3}, "first")
        return walk

    def on(self, steps: int) -> Walk:
        branch = self.timeline.now
        for step in range(branch.tip + 1, branch.tip + steps + 1):
            state = kept(step) if self.timeline.wants_state(step) else None
            self.timeline.add(branch, moment(step, action=branch.id, state=state))
            if step % THINNED_EVERY == 0:
                self.timeline.thin()
        return self


def moment(step: int, **known) -> Moment:
    frames = np.full((1, 4, 4, 3), step % 256, np.uint8)
    return Moment.of(Sight("row", step, frames), step, **known)


def test_a_moment_keeps_its_frames():
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    assert (Moment.of(Sight("row", 1, frames), 1).frames == frames).all()


def test_branches_share_their_past_and_not_their_future():
    timeline = Walk.begun().on(20).timeline
    timeline.fork(0, 12)
    Walk(timeline).on(5)
    timeline.fork(1, 9)  # a moment that the second branch has from the first
    Walk(timeline).on(2)
    assert [branch.tip for branch in timeline.branches.values()] == [20, 17, 11]
    assert [m.action for m in timeline.branch(1).stretch(11, 14)] == [0, 0, 1, 1]
    assert timeline.branch(2).parent is timeline.branch(0)
    assert timeline.branch(2).moment(9) is timeline.branch(0).moment(9)


def test_the_way_to_a_moment_begins_at_the_last_state_before_it():
    timeline = Walk.begun().on(20).timeline
    anchor, way = timeline.way_to(0, 19)
    assert anchor.state.step == 16
    assert [m.step for m in way] == [17, 18, 19]
    anchor, way = timeline.way_to(0, 8)
    assert (anchor.step, way) == (8, [])


def test_states_stay_within_their_bytes_and_every_moment_stays_within_reach():
    most = 40 * STATE_BYTES
    timeline = Walk.begun(most).on(4000).timeline
    assert timeline.nbytes <= most + 8 * STATE_BYTES  # it is looked after now and then
    ways = [len(timeline.way_to(0, step)[1]) for step in (1, 500, 2000, 3990, 4000)]
    assert max(ways) < 4000, ways
    assert ways[-1] < 8, ways
    assert timeline.branch(0).moment(0).state is not None


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda t: t.branch(0).moment(99), "0 to 10, not 99"),
        (lambda t: t.branch(0).stretch(5, 3), "not 5 to 3"),
        (lambda t: t.branch(7), "no branch 7"),
        (lambda t: t.fork(0, 11), "0 to 10, not 11"),
        (lambda t: t.remove(0), "goes on just now"),
        (lambda t: t.rename(0, " \n "), "at least one character"),
    ],
)
def test_what_is_not_there_is_refused(does, says):
    with pytest.raises(OptionError, match=says):
        does(Walk.begun().on(10).timeline)


def test_a_branch_that_others_came_from_cannot_be_removed():
    timeline = Walk.begun().on(10).timeline
    timeline.fork(0, 5)
    with pytest.raises(OptionError, match="branch 1 came from 'first'"):
        timeline.remove(0)
    timeline.current = 0
    timeline.remove(1)
    assert list(timeline.branches) == [0]


def test_there_is_an_end_to_branches():
    timeline = Walk.begun().on(10).timeline
    for step in range(63):
        timeline.fork(0, step % 10)
    for refused in (timeline.check_branches, lambda: timeline.fork(0, 5)):
        with pytest.raises(OptionError, match="at most 64 branches"):
            refused()


def test_two_beginnings_never_have_the_same_name():
    timeline = Walk.begun().timeline
    for _ in range(2):
        timeline.begin(moment(0, state=kept(0)), {}, "first")
    assert [branch.name for branch in timeline.branches.values()] == ["first", "first (2)", "first (3)"]


def test_names_are_one_line_of_what_can_be_printed():
    timeline = Walk.begun().timeline
    timeline.rename(0, " night\x00 falls\n")
    assert timeline.branch(0).name == "night falls"


def test_a_record_of_a_moment_is_json():
    import json

    assert json.loads(json.dumps(facts_of(moment(3, action=np.int64(2)))))["action"] == 2
