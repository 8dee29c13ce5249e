"""Workers in processes of their own make the same data set, bring their errors home, and may die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from wmenv.errors import ActionError, OptionError, RolloutError
from wmenv.rollout.dataset import differences
from wmenv.rollout.desk import MOST_LOSSES, Desk
from wmenv.rollout.receipts import Receipt


def checksums(data):
    return [shard["sha256"] for shard in data.manifest["shards"]]


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_makes_the_same_bytes(make, workers):
    alone = make("alone", batch=1)
    several = make(f"by {workers}", workers=workers, batch=4)
    assert several.complete
    assert checksums(several) == checksums(alone)
    assert not differences(several, alone)


def wrong(view):
    return np.full(len(view.frames), 99)


def test_what_a_worker_cannot_do_is_said_by_the_driver(make):
    with pytest.raises(ActionError, match=r"policy .*wrong gave a wrong answer: action 99"):
        make("data", policy="tests.rollout.test_workers:wrong", workers=2)


def test_a_policy_that_cannot_travel_is_named(make):
    with pytest.raises(OptionError, match="cannot be sent to another process"):
        make("data", policy=lambda view: np.zeros(len(view.frames), int), workers=2)


def dies_once(view, mark=""):
    """Kills its worker in the middle of episode 4, the first time anybody plays it."""
    if any(mind.episode == 4 and mind.step == 2 for mind in view.minds) and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.full(len(view.frames), 1)


@pytest.mark.filterwarnings("ignore:worker . died")
def test_the_shards_of_a_dead_worker_are_made_by_others(make, tmp_path):
    settings = {"policy": "tests.rollout.test_workers:dies_once", "batch": 2}
    (tmp_path / "spared").touch()
    calm = make("calm", policy_settings={"mark": str(tmp_path / "spared")}, **settings)
    shaken = make("shaken", policy_settings={"mark": str(tmp_path / "mark")}, workers=2, **settings)
    assert (tmp_path / "mark").exists()
    assert checksums(shaken) == checksums(calm)


def dies(view):
    os._exit(3)


@pytest.mark.filterwarnings("ignore:worker . died")
def test_workers_that_keep_dying_are_not_hired_for_ever(make):
    with pytest.raises(RolloutError, match=rf"{MOST_LOSSES} workers died over shard .*exit code 3"):
        make("data", episodes=1, policy="tests.rollout.test_workers:dies", workers=2)


# --- the desk -------------------------------------------------------------------------------------------------------


def receipt(shard):
    return Receipt(shard, 0, 1, "f", 1, "", 1, 1, 1)


def test_a_lost_worker_s_shards_come_first_and_finished_ones_never_again():
    desk = Desk(range(5))
    assert [desk.claim(0), desk.claim(1), desk.claim(0)] == [0, 1, 2]
    desk.hand_in(0, receipt(0))
    assert desk.lost(0, "killed") == [2]
    assert [desk.claim(1) for _ in range(4)] == [2, 3, 4, None]
    assert desk.left == 4


def test_workers_that_die_before_they_claim_anything_count_too():
    desk = Desk(range(5))
    for worker in range(MOST_LOSSES - 1):
        desk.lost(worker, "exit code 1")
    with pytest.raises(RolloutError, match="before they could begin"):
        desk.lost(MOST_LOSSES, "exit code 1")


def test_another_world_is_refused():
    desk = Desk(range(2))
    desk.introduce(0, {"name": "pan", "provenance": {"weights": "aa"}})
    desk.introduce(1, {"name": "pan", "provenance": {"weights": "aa"}})
    with pytest.raises(RolloutError, match=r"the world is another one .* provenance was"):
        desk.introduce(2, {"name": "pan", "provenance": {"weights": "bb"}})


def test_news_is_told_once():
    desk = Desk(range(2))
    desk.beat(0, 7, [(3, None)])
    desk.hand_in(0, receipt(0))
    news = desk.news()
    assert (news.steps, news.finished, len(news.receipts)) == (7, [(3, None)], 1)
    assert desk.news().steps == 0
