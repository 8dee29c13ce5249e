"""Natural revisits: found by undone paths or poses, gated by a real excursion, scored against what was seen there."""

from __future__ import annotations

import numpy as np
import pytest

from wmenv.contract import ActionTable
from wmenv.metrics.revisits import PLACES, WANDER, Revisits

TABLE = ActionTable(("left", "right", "stay", "grab"), noop=2, inverse={0: 1, 1: 0}, pans=(0, 1))
LEFT, RIGHT, STAY, GRAB = range(4)
IDLE = 0.001
AWAY_AND_BACK = [STAY, *[RIGHT] * 5, *[LEFT] * 5]


def thumb_at(place: int) -> np.ndarray:
    """A different texture for each place on a line."""
    return np.random.default_rng(place + 1000).random((18, 32), np.float32)


def places_of(actions: list[int]) -> list[int]:
    return np.cumsum([(action == RIGHT) - (action == LEFT) for action in actions]).tolist()


def watch(actions: list[int], places: list[int], poses: list | None = None) -> dict:
    revisits = Revisits(TABLE)
    thumbs = np.stack([thumb_at(place) for place in places])
    revisits.fold(thumbs, actions, poses or [None] * len(actions), 1, IDLE)
    return revisits.record()


def test_a_world_that_keeps_its_places_is_known_again():
    record = watch(AWAY_AND_BACK, places_of(AWAY_AND_BACK))
    assert record == {"persistence": 1.0, "revisits": 3, "longest_absence_steps": 10}


def test_a_world_that_dreams_anew_is_not():
    places = places_of(AWAY_AND_BACK)
    dreamt = [place if step < 7 else place + 500 for step, place in enumerate(places)]
    assert watch(AWAY_AND_BACK, dreamt)["persistence"] < 0.1


def test_nothing_revisited_is_not_a_score():
    assert watch([RIGHT] * 11, places_of([RIGHT] * 11))["persistence"] is None


def test_a_frozen_picture_makes_no_excursion():
    assert watch(AWAY_AND_BACK, [0] * 11)["revisits"] == 0


def test_what_cannot_be_undone_ends_the_way_back():
    actions = [STAY, *[RIGHT] * 5, GRAB, *[LEFT] * 5]
    assert watch(actions, places_of(actions))["revisits"] == 0


def test_a_pose_finds_the_way_that_actions_do_not():
    actions = [GRAB] * 12
    places = [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
    poses = [np.array([place, 0.0, 2 * np.pi * (step > 7)]) for step, place in enumerate(places)]
    assert watch(actions, places, poses) == {"persistence": 1.0, "revisits": 4, "longest_absence_steps": 8}


@pytest.mark.parametrize("event", ["directed", "lost"])
def test_what_may_have_changed_unseen_is_not_held_against_the_world(event):
    revisits = Revisits(TABLE)
    places = places_of(AWAY_AND_BACK)
    thumbs = np.stack([thumb_at(place) for place in places])
    revisits.fold(thumbs[:6], AWAY_AND_BACK[:6], [None] * 6, 1, IDLE)
    getattr(revisits, event)()
    revisits.fold(thumbs[6:], AWAY_AND_BACK[6:], [None] * 5, 7, IDLE)
    assert revisits.record()["revisits"] == 0


def test_only_so_many_places_and_steps_are_remembered():
    far = [*[RIGHT] * (PLACES + 20), *[LEFT] * (PLACES + 20)]
    record = watch(far, places_of(far))
    assert record["persistence"] == 1.0
    assert record["longest_absence_steps"] <= 2 * PLACES
    farther = [*[RIGHT] * (WANDER + 1), *[LEFT] * (WANDER + 1)]
    assert watch(farther, places_of(farther))["revisits"] == 0
