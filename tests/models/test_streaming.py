"""Cached equals uncached, rows are independent, the action reaches every head, nothing grows."""

import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.models.sequence import Passage, run_passage
from wmenv.models.stream import Frame
from wmenv.models.streaming import Streamer

ROWS, TIME = 3, 7


def begin(streamer, rows=ROWS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    told = torch.randint(0, 5, (rows, 16), generator=generator)
    return streamer.empty(torch.arange(rows) + seed, told), told


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pictures": "pixels"},
        {"window": 1, "bank": 8, "routed": 2},
        {"matrix": 8},
        {"recall_met": True, "stands": True},
    ],
)
def test_cached_steps_equal_the_whole_sequence_at_once(changes, monkeypatch):
    stream = make_stream(**changes)
    streamer, passes = Streamer(stream), []
    plain = streamer._pass
    monkeypatch.setattr(
        streamer, "_pass", lambda frame, *rest: passes.append((frame, plain(frame, *rest))) or passes[-1][1]
    )
    memory, told = begin(streamer)
    streamer.begin(memory, passes=1)
    poses, typed = [memory["pose"]], torch.randint(0, 5, (2, ROWS, 16))
    for step in range(1, TIME):
        words = {2: typed[0], 5: typed[1]}.get(step)
        streamer.step(memory, torch.randint(0, 7, (ROWS,)), words, passes=1)
        poses.append(memory["pose"])

    frame = Frame(
        *(torch.stack([getattr(f, n) for f, _ in passes], 1).flatten(0, 1) for n in Frame.__dataclass_fields__)
    )
    directed = torch.zeros(ROWS, TIME, dtype=torch.long)
    directed[:, 2], directed[:, 5] = 1, 2
    words = torch.stack([told, *typed], 1)
    whole = run_passage(stream, Passage(frame, torch.stack(poses, 1), words, directed))
    for head in ("pictures", "reward", "end", "receipt", "motion", "sound"):
        cached = torch.stack([getattr(said, head) for _, (said, _) in passes], 1).flatten(0, 1)
        assert cached.std() > 0
        torch.testing.assert_close(cached, getattr(whole, head), atol=1e-5, rtol=1e-5)


def test_a_later_frame_never_changes_an_earlier_one(any_stream):
    streamer = Streamer(any_stream)
    futures = []
    for last in (0, 5):
        memory, _ = begin(streamer)
        streamer.begin(memory, passes=2)
        shown = [streamer.step(memory, torch.full((ROWS,), action), None, 2).shown for action in (1, 2, last)]
        futures.append(shown)
    assert (futures[0][1] == futures[1][1]).all()


def test_a_row_is_the_same_alone_and_in_company(any_stream):
    streamer = Streamer(any_stream)
    together, told = begin(streamer)
    alone = streamer.empty(torch.tensor([1]), told[1:2])
    streamer.begin(together, passes=4), streamer.begin(alone, passes=4)
    for action in (2, 0, 2, 5, 1):
        many = streamer.step(together, torch.tensor([6, action, 3]), None, 2)
        one = streamer.step(alone, torch.tensor([action]), None, 2)
        assert (many.shown[1] == one.shown[0]).all()
        assert (many.pose[1] == one.pose[0]).all()
        torch.testing.assert_close(many.said.end[1], one.said.end[0], atol=1e-5, rtol=1e-4)


def test_every_head_reacts_to_the_action(any_stream):
    streamer = Streamer(any_stream)
    said = []
    for action in (0, 5):
        memory, _ = begin(streamer)
        streamer.begin(memory, passes=1)
        memory["moves"].zero_()  # the same pose, so that only the action itself differs
        said.append(streamer.step(memory, torch.full((ROWS,), action), None, 1).said)
    for head in ("pictures", "reward", "end", "receipt", "motion", "sound"):
        assert not torch.allclose(getattr(said[0], head), getattr(said[1], head))


def test_more_passes_hide_less_each_time(tiny_stream, monkeypatch):
    streamer, hidden = Streamer(tiny_stream), []
    plain = streamer._pass
    monkeypatch.setattr(streamer, "_pass", lambda f, *rest: hidden.append(f.level.mean().item()) or plain(f, *rest))
    memory, _ = begin(streamer)
    drawn = streamer.begin(memory, passes=4)
    assert hidden[0] == 1
    assert hidden == sorted(hidden, reverse=True)
    assert hidden[-1] < 0.3
    assert (drawn.shown < tiny_stream.pictures.undrawn).all()


def test_memory_never_grows(any_stream):
    streamer = Streamer(any_stream)
    memory, _ = begin(streamer)
    streamer.begin(memory, passes=1)
    size = {name: value.nbytes for name, value in memory.items()}
    for _ in range(20):
        streamer.step(memory, torch.full((ROWS,), 2), None, 1)
    assert {name: value.nbytes for name, value in memory.items()} == size


PLACES = ("place_shown", "place_lap")
WINDOW = ("shown", "ring")


@pytest.mark.parametrize(
    ("memory", "heeds"), [("all", (PLACES, WINDOW)), ("places", (PLACES,)), ("window", (WINDOW,)), ("none", ())]
)
def test_a_memory_taken_away_is_not_used(any_stream, memory, heeds):
    streamer = Streamer(any_stream, memory)
    for kind in (PLACES, WINDOW):
        drawn = []
        for spoil in (False, True):
            held, _ = begin(streamer)
            streamer.begin(held, passes=1)
            for name in kind if spoil else ():
                held[name] = torch.zeros_like(held[name])
            drawn.append(streamer.step(held, torch.full((ROWS,), 6), None, 1).said.pictures)
        assert torch.equal(*drawn) != (kind in heeds)


def test_what_was_ever_met_is_told_and_only_that(tiny_stream):
    stream = make_stream(recall_met=True)
    for memory, heeds in (("all", True), ("window", False)):
        streamer = Streamer(stream, memory)
        held, _ = begin(streamer)
        seen = [streamer.begin(held, passes=1).shown]
        seen += [streamer.step(held, torch.full((ROWS,), 2), None, 1).shown for _ in range(3)]
        for row in range(ROWS):
            shown = torch.cat([view[row] for view in seen]).long()
            assert set(held["met"][row].nonzero().flatten().tolist()) == set(shown[shown >= 20].tolist()), (
                "anchored ones"
            )
        other = {name: value.clone() for name, value in held.items()}
        other["met"] = ~other["met"]
        said = [streamer.step(one, torch.full((ROWS,), 2), None, 1).said.pictures for one in (held, other)]
        assert torch.equal(*said) != heeds
    assert begin(Streamer(tiny_stream))[0]["met"].nbytes == 0, "a stream that does not ask keeps nothing"


def test_only_rows_with_something_left_to_draw_look_again(tiny_stream, monkeypatch):
    streamer, looks = Streamer(tiny_stream), []
    plain, unsure = streamer._pass, torch.tensor([0.0, 1.0, 0.0])

    def half_sure(frame, heard, pose):
        looks.append(len(frame.action))
        said, made = plain(frame, heard, pose)
        certain = torch.nn.functional.one_hot(torch.full((49,), 7), 50) * 1e4
        if len(looks) == 1:
            said.pictures = torch.where(unsure[:, None, None] > 0, said.pictures * 0, certain)
        return said, made

    memory, _ = begin(streamer)
    monkeypatch.setattr(streamer, "_pass", half_sure)
    drawn = streamer.step(memory, torch.zeros(ROWS, dtype=torch.long), None, passes=2)
    assert looks == [ROWS, 1]
    assert (drawn.shown[unsure == 0] == 7).all()
    assert (drawn.shown < tiny_stream.pictures.undrawn).all()


def test_a_dream_is_looked_over_until_nothing_in_it_is_absurd(tiny_stream, monkeypatch):
    streamer, looks = Streamer(tiny_stream), []
    plain = streamer._pass

    def of_two_minds(frame, heard, pose):
        looks.append(len(frame.action))
        said, made = plain(frame, heard, pose)
        tile = 7 if len(looks) == 1 else 8  # certain at first, and then of something else
        said.pictures = torch.nn.functional.one_hot(torch.full((len(frame.action), 49), tile), 50) * 1e4
        return said, made

    memory, _ = begin(streamer)
    monkeypatch.setattr(streamer, "_pass", of_two_minds)
    drawn = streamer.begin(memory)
    assert looks == [ROWS] * 3  # drawn, mended, found to be well
    assert (drawn.shown == 8).all()


def test_senses_may_be_absent():
    streamer = Streamer(make_stream(samples=0, words=(), motions=((0, 0, 0),), window=0))
    memory = streamer.empty(torch.arange(2), torch.zeros(2, 16, dtype=torch.long))
    streamer.begin(memory, passes=2)
    drawn = streamer.step(memory, torch.tensor([1, 2]), None, 2)
    assert drawn.said.sound is None
    assert (drawn.pose == 0).all()
