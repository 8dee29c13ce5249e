"""The figures catch what they are for: each on hand-made views whose truth is plain."""

import numpy as np
import pytest

from wmenv.sources.gridrooms.env import GridRooms
from wmenv.sources.gridrooms.grammar import Command
from wmenv.sources.gridrooms.places import place_of_view
from wmenv.sources.gridrooms.policies import make_policy
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE
from wmenv.train.quality.directed import Directed, _note
from wmenv.train.quality.forced import calibration, f1, matthews
from wmenv.train.quality.free import (
    Free,
    band_energy_ratio,
    doors_in_walls,
    goals_met,
    motion_agreement,
    places_known,
    self_consistency,
)
from wmenv.train.quality.hands import DROP, PICKUP, STAY, _came, _event
from wmenv.train.quality.law import UNSEEN, determined, lawful
from wmenv.train.quality.report import _by_dream


@pytest.fixture(scope="module")
def walked():
    """A true walk without hands, as if it had been dreamt."""
    env, rng = GridRooms("explore"), np.random.default_rng(0)
    env.reset(seed=3)
    tiles, poses, actions = [env.tiles()], [env.grid_pose()], []
    for action in rng.integers(0, 3, 120):
        env.step(int(action))
        tiles.append(env.tiles())
        poses.append(env.grid_pose())
        actions.append(action)
    pose = np.stack(poses)[None]
    return Free(np.stack(tiles)[None].astype(np.int64), np.array(actions)[None], pose, place_of_view(pose))


def test_the_truth_is_lawful_consistent_and_moves_as_it_was_told(walked):
    assert lawful(walked.tiles[0]).all()
    assert np.nanmin(self_consistency(walked)) == 1
    assert motion_agreement(walked) > 0.97  # a bare wall looks the same from one step nearer


def test_every_crime_is_noticed(walked):
    view = walked.tiles[0, :1].copy()
    for slot, tile in ((0, CATALOGUE.encode("agent", "red")), (AGENT_SLOT, CATALOGUE.encode("floor"))):
        crime = view.copy()
        crime[0, slot] = tile
        assert not lawful(crime)[0, slot]
    dark = view.copy()
    dark[0, 44] += CATALOGUE.night
    assert not lawful(dark)[0, 44]
    blind = view.copy()
    blind[0, AGENT_SLOT - 7] = UNSEEN
    assert not lawful(blind)[0, AGENT_SLOT - 7]


def test_a_world_that_changes_behind_ones_back_is_inconsistent(walked):
    floor, ball = CATALOGUE.encode("floor"), CATALOGUE.encode("ball", "red")
    changed = walked.tiles.copy()
    changed[:, 60:] = np.where(changed[:, 60:] == floor, ball, changed[:, 60:])
    assert np.nanmean(self_consistency(Free(changed, walked.actions, walked.pose, walked.places))[:, 60:]) < 0.9


def test_a_world_that_ignores_its_actions_is_caught(walked):
    still = np.repeat(walked.tiles[:, :1], walked.tiles.shape[1], 1)
    assert motion_agreement(Free(still, walked.actions, walked.pose, walked.places)) < 0.6


def test_a_room_is_bounded(walked):
    assert places_known(walked, 10)[0] <= places_known(walked, 120)[0] <= 13 * 13


def test_goals_are_counted_by_their_places(walked):
    tiles, goal = np.full((3, 2, 49), CATALOGUE.encode("floor")), CATALOGUE.encode("goal", "green")
    tiles[1, :, 10] = goal  # the same place twice, once in the dark
    tiles[1, 1, 10] += CATALOGUE.night
    tiles[2, 0, 10], tiles[2, 1, 11] = goal, goal
    places = np.repeat(walked.places[:, :1], 2, 1).repeat(3, 0)
    assert goals_met(Free(tiles, np.zeros((3, 1)), walked.pose, places)).tolist() == [0, 1, 2]


def test_true_doors_stand_in_walls_and_others_are_counted(walked):
    env, views, poses = GridRooms("unlock"), [], []
    policy = make_policy("explorer", np.random.default_rng(1))
    env.reset(seed=5)
    for _ in range(150):
        views.append(env.tiles())
        poses.append(env.grid_pose())
        env.step(policy(env))
    pose = np.stack(poses)[None]
    true = Free(np.stack(views)[None].astype(np.int64), np.zeros((1, 149)), pose, place_of_view(pose))
    ((right, total),) = doors_in_walls(true)
    assert right == total > 0
    alone = np.full((1, 1, 49), CATALOGUE.encode("floor"))
    alone[0, 0, 24] = CATALOGUE.encode("door", "red", "open")
    assert doors_in_walls(Free(alone, np.zeros((1, 0)), pose[:, :1], true.places[:, :1])).tolist() == [[0, 1]]


def test_detail_is_measured_where_there_is_light(walked):
    class Real:
        tiles = walked.tiles[0]

    night = Free(walked.tiles.copy(), walked.actions, walked.pose, walked.places)
    night.tiles[:, ::2] += CATALOGUE.night
    assert band_energy_ratio(walked, Real, 120) == pytest.approx(band_energy_ratio(night, Real, 120), rel=0.2)
    plain = Free(np.full_like(walked.tiles, CATALOGUE.encode("floor")), walked.actions, walked.pose, walked.places)
    plain.tiles[..., AGENT_SLOT] = walked.tiles[..., AGENT_SLOT]
    assert band_energy_ratio(plain, Real, 120) < 0.8


def test_what_nobody_saw_is_not_determined(walked):
    tiles = walked.tiles[0, :20]
    nothing, everything = np.zeros(tiles.shape, bool), np.ones(tiles.shape, bool)
    assert determined(tiles, everything).all()
    assert determined(tiles, nothing)[:, AGENT_SLOT].all()
    assert determined(tiles, nothing).mean() < 0.3


def test_agreement_of_rare_events_is_not_bought_by_never_saying_yes():
    true = np.arange(100) % 20 == 0
    assert matthews(np.zeros(100, bool), true) == 0
    assert matthews(true, true) == 1
    assert f1(0, 10, 0, 5) == 0
    assert f1(5, 10, 5, 5) == pytest.approx(2 / 3)


def test_calibration_holds_what_was_said_against_what_came():
    chance = np.array([0.0005] * 50 + [0.7] * 10)
    came = np.array([False] * 50 + [True] * 7 + [False] * 3)
    rare, likely = calibration(chance, came)
    assert rare == {"n": 50, "said": 0.0005, "came": 0.0}
    assert likely == {"n": 10, "said": 0.7, "came": 0.7}


def test_sentences_of_one_dream_are_one_witness():
    right, row = np.tile([1.0, 0.0, 1.0, 0.0], 20), np.tile([0, 1, 2, 3], 20)
    by_dream, alone = _by_dream(right, row), _by_dream(right, np.arange(80))
    assert by_dream["mean"] == alone["mean"] == 0.5
    assert by_dream["n"] == alone["n"] == 80
    assert by_dream["high"] - by_dream["low"] > 2 * (alone["high"] - alone["low"])
    assert _by_dream(right[:0], row[:0]) is None


def test_what_hands_do_comes_to_what_it_must():
    me, ball, floor = (CATALOGUE.encode(*tile) for tile in (("agent", "red"), ("ball", "blue"), ("floor",)))
    full = CATALOGUE.encode("agent", "red", carried="blue ball")
    assert _event(PICKUP, me, ball) == "taken"
    assert _event(DROP, full, floor) == "put down"
    assert _event(STAY, full, floor) == "held"
    assert _event(PICKUP, full, ball) == _event(DROP, full, ball) == "tried in vain"
    assert _event(PICKUP, me, floor) == _event(DROP, me, ball) == "left alone"
    assert _came("taken", np.array([me, ball]), np.array([full, floor]))
    assert not _came("taken", np.array([me, ball]), np.array([full, ball]))
    assert _came("put down", np.array([full, floor]), np.array([me, ball]))
    assert not _came("held", np.array([full, floor]), np.array([full, ball])), "it lies there again"


def test_a_sentence_is_of_the_nearest_and_what_else_fits_it_must_stay():
    blue, green, floor, box = (
        CATALOGUE.encode(*tile) for tile in (("ball", "blue"), ("ball", "green"), ("floor",), ("box", "blue"))
    )
    before = np.full(49, floor)
    before[[AGENT_SLOT - 7, AGENT_SLOT - 14, AGENT_SLOT - 21]] = blue, blue, box
    nearest, both = before.copy(), before.copy()
    nearest[AGENT_SLOT - 7] = green
    both[[AGENT_SLOT - 7, AGENT_SLOT - 14]] = green
    paint, hide = Command("recolour", kind="ball", shade="green"), Command("vanish", kind="box")
    for command, after, expected in ((paint, nearest, 1.0), (paint, both, 0.0), (hide, before, np.nan)):
        found = {name: [] for name in Directed.__dataclass_fields__}
        _note(found, [command], before[None], [after[None]], np.array([True]))
        assert found["alike"] == pytest.approx([expected], nan_ok=True)
