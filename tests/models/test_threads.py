"""Threads are held while a step runs and given back; the quickest number is found by trying."""

import pytest
import torch

from wmenv.models.threads import Threads, candidates


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_what_is_tried():
    assert candidates(1) == [1]
    assert candidates(2) == [1, 2]
    assert candidates(12) == [1, 2, 4, 8, 12]


def test_a_number_is_held_and_given_back_even_after_a_failure():
    with Threads(3, lambda _: None).held(1):
        assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), Threads(3, lambda _: None).held(1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 4
    with Threads(None, lambda _: None).held(1):
        assert torch.get_num_threads() == 4


def test_the_quickest_is_found_once_for_each_number_of_rows(monkeypatch):
    clock, tried = [0.0], []

    def rehearse(rows):
        tried.append((rows, torch.get_num_threads()))
        clock[0] += abs(torch.get_num_threads() - rows) + 1

    monkeypatch.setattr("wmenv.models.threads.time.perf_counter", lambda: clock[0])
    threads = Threads("quickest", rehearse)
    for rows in (2, 4, 2):
        with threads.held(rows):
            assert torch.get_num_threads() == rows
        assert torch.get_num_threads() == 4
    assert {rows for rows, _ in tried} == {2, 4}
    assert len(tried) == 2 * 3 * 6
