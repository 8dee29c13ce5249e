"""Looking twice: at strength 1 nothing changes, and nothing that was done or said is heard by the second look."""

import numpy as np
import torch

from tests.models.conftest import make_stream
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.grammar import VOCABULARY
from wmenv.train.quality.directed import run_beside, run_directed
from wmenv.train.quality.guidance import TwoLooks


def drawn(streamer: Streamer, action: int = 2, words: int = 1):
    told = torch.tensor([[1, 2] + [0] * 14] * 2)
    memory = streamer.empty(torch.arange(2), told)
    Streamer(streamer.model).begin(memory, passes=1)
    memory["moves"].zero_()
    said = streamer.step(memory, torch.full((2,), action), torch.full((2, 16), words), 1).said
    return said.pictures


def test_strength_one_is_a_single_look():
    model = make_stream(pictures="pixels")
    assert torch.equal(drawn(TwoLooks(model, 1.0)), drawn(Streamer(model)))


def test_what_is_drawn_lies_beyond_what_was_asked():
    model = make_stream(pictures="pixels")
    asked, once = drawn(Streamer(model)), drawn(TwoLooks(model, 1.5))
    unasked = asked - 2 * (once - asked)  # the line goes through both
    twice = drawn(TwoLooks(model, 2.0))
    torch.testing.assert_close(twice, unasked + 2 * (asked - unasked), atol=1e-3, rtol=1e-3)


def test_the_last_look_hears_neither_action_nor_words(monkeypatch):
    model, seen, plain = make_stream(pictures="pixels"), [], Streamer._pass
    monkeypatch.setattr(Streamer, "_pass", lambda *asked: seen.append(plain(*asked)) or seen[-1])
    for action, words in ((2, 1), (5, 3)):
        drawn(TwoLooks(model, 2.0), action, words)
    _, _, asked, unasked, _, _, asked_else, unasked_else = (said.pictures for said, _ in seen)
    assert not torch.allclose(asked, asked_else)
    torch.testing.assert_close(unasked, unasked_else)


def test_all_hear_the_same_sentences_at_the_same_moments():
    model = make_stream(pictures="pixels", words=tuple(VOCABULARY))
    told, seeds = np.zeros(16, np.int64), np.arange(4)
    alone = run_directed(Streamer(model), told, seeds, 2, 1)
    first, twin, other = run_beside([Streamer(model), Streamer(model), TwoLooks(model, 2.0)], told, seeds, 2, 1)
    for name, value in vars(alone).items():
        np.testing.assert_array_equal(getattr(first, name), value)
        np.testing.assert_array_equal(getattr(twin, name), value)
    assert other.event.tolist() == alone.event.tolist()
    assert other.possible.tolist() == alone.possible.tolist()
    assert other.untouched.tolist() != alone.untouched.tolist()
