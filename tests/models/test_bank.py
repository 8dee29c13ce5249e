"""The bank keeps what only one frame shows, replaces what is seen again, and a step hears what helps it most."""

import torch

from tests.models.conftest import make_stream
from wmenv.models.bank import empty_bank, route, store
from wmenv.models.position import overlap, view_offsets
from wmenv.models.streaming import Streamer

OFFSETS = view_offsets(7, 7, (6.0, 3.0))
HERE, AHEAD, FAR, ROUND = (0, 0, 0), (0, -1, 0), (40, 0, 0), (0, 0, 2)


def bank_of(*poses: tuple, slots: int = 3) -> dict:
    """A bank into which frames seen from these poses were put, one after another; each holds its number."""
    memory = empty_bank(1, slots, (1,), torch.float32, torch.device("cpu"))
    for number, pose in enumerate(poses, 1):
        put(memory, pose, number)
    return memory


def put(memory: dict, pose: tuple, number: int) -> None:
    since = torch.tensor([number])
    store(memory, torch.tensor([[float(number)]]), torch.tensor([pose]).float(), since, OFFSETS)


def held(memory: dict) -> set[int]:
    return set(memory["bank_since"][0].tolist()) - {0}


def test_views_share_what_both_show():
    poses = torch.tensor([HERE, AHEAD, FAR, ROUND]).float()
    shared = overlap(poses[:1], poses, OFFSETS)
    torch.testing.assert_close(shared, torch.tensor([1, 6 / 7, 0, 1 / 7]))


def test_a_view_seen_again_replaces_the_old_sight():
    memory = bank_of(HERE, FAR, HERE)
    assert held(memory) == {2, 3}


def test_a_viewer_who_never_moves_keeps_the_newest_frames():
    memory = empty_bank(1, 3, (1,), torch.float32, torch.device("cpu"))
    for number in range(1, 6):
        since = torch.tensor([number])
        store(memory, torch.tensor([[float(number)]]), torch.zeros(1, 3), since, OFFSETS, moves=False)
    assert held(memory) == {3, 4, 5}


def test_age_decides_between_equals_however_long_the_stream():
    past, since = torch.tensor([[HERE, HERE]]).float(), torch.tensor([[1_000_001, 1_000_002]])
    chosen, _ = route(torch.tensor([HERE]).float(), past, since, OFFSETS, 1)
    assert chosen.tolist() == [[1]]


def test_what_newer_frames_show_anyway_goes_first():
    memory = bank_of(HERE, FAR, AHEAD, ROUND)
    assert held(memory) == {2, 3, 4}


def test_nothing_is_stored_of_rows_that_have_nothing_to_store():
    memory = bank_of(HERE)
    put(memory, FAR, 0)
    assert held(memory) == {1}


def test_a_step_hears_the_frames_that_show_most_of_what_it_looks_at():
    past = torch.tensor([[FAR, HERE, (0, -1, 2), (41, 0, 0)]]).float()
    since = torch.tensor([[1, 2, 3, 4]])
    chosen, there = route(torch.tensor([AHEAD]).float(), past, since, OFFSETS, 2)
    assert chosen.tolist() == [[2, 1]]
    assert there.all()
    chosen, there = route(torch.tensor([AHEAD]).float(), past, torch.tensor([[0, 2, 0, 0]]), OFFSETS, 2)
    assert there.sum() == 1
    assert chosen[there].tolist() == [1]


def test_hearing_all_of_the_bank_is_hearing_without_routing():
    said = []
    for routed in (6, 60):
        streamer = Streamer(make_stream(window=1, bank=6, routed=routed))
        memory = streamer.empty(torch.arange(2), torch.zeros(2, 16, dtype=torch.long))
        streamer.begin(memory, passes=1)
        for action in (2, 0, 2, 1, 2, 0, 0):
            drawn = streamer.step(memory, torch.full((2,), action), None, 1)
        said.append(drawn.said.pictures)
    assert torch.equal(*said)


def test_what_left_the_ring_is_still_heard():
    streamer = Streamer(make_stream(window=1, bank=4, routed=2, recall_place=False))
    heard = []
    for spoil in (False, True):
        memory = streamer.empty(torch.arange(2), torch.zeros(2, 16, dtype=torch.long))
        streamer.begin(memory, passes=1)
        for action in (0, 0, 0):
            streamer.step(memory, torch.full((2,), action), None, 1)
        if spoil:
            memory["bank"].zero_()
        heard.append(streamer.step(memory, torch.zeros(2, dtype=torch.long), None, 1).said.pictures)
    assert not torch.allclose(*heard)


def test_routing_by_recency_hears_the_newest():
    past = torch.tensor([[HERE, FAR, (41, 0, 0)]]).float()
    since, pose = torch.tensor([[1, 2, 3]]), torch.tensor([HERE]).float()
    assert route(pose, past, since, OFFSETS, 2, by="recent")[0].tolist() == [[2, 1]]
    assert route(pose, past, since, OFFSETS, 2)[0].tolist() == [[2, 0]]
