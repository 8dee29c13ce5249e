"""Odds of what was met before: they make what the data show as likely as it is there, and touch nothing else."""

import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.models.sequence import run_passage
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.objective import passage_of
from wmenv.train.odds import first_sights, fit, set_odds
from wmenv.train.palette import palette_of


def test_what_never_comes_again_becomes_unlikely_and_the_rest_stays():
    shares = torch.tensor([[0.02, 0.1, 0.88]]).repeat(1000, 1)
    shown = torch.tensor([1] * 110 + [2] * 890)
    odds = fit(shares, shown)
    assert odds[0] < -3
    assert torch.isfinite(odds).all()
    after = (shares.log() + torch.nn.functional.pad(odds, (0, 1))).softmax(-1).mean(0)
    assert after[1].item() == pytest.approx(0.11, abs=0.002)


def test_what_is_in_no_share_is_left_alone():
    shares = torch.tensor([[0.3, 0.0, 0.7]]).repeat(10, 1)
    assert fit(shares, torch.tensor([0] * 3 + [2] * 7)).abs().max() < 1e-3


def test_odds_fit_the_data_they_are_of(episodes):
    facts = episodes.facts
    model = make_stream(palette=len(facts["images"]), recall_met=True, words=tuple(facts["words"]), samples=400)
    model.pictures.anchored.copy_(torch.from_numpy(facts["anchored"]))
    kinds = torch.from_numpy(facts["traits"][:, 0]).long()
    set_odds(model, episodes, batches=2)
    again = model.pictures.again
    assert again.abs().max() > 1, "chance is far from the truth"
    for kind in range(int(kinds.max()) + 1):
        assert len(set(again[kinds == kind].tolist())) <= 1, "one number for each kind"
    palette = palette_of(model, facts)
    found = [first_sights(model, palette, episodes, 0, step) for step in range(2)]
    shares, shown = (torch.cat(part) for part in zip(*found, strict=True))
    wanted = torch.bincount(shown, minlength=shares.shape[1]).float()
    often = wanted > 0
    torch.testing.assert_close(shares.sum(0)[often], wanted[often], atol=1.0, rtol=0.02)


def test_odds_count_only_where_nothing_was_seen_yet(episodes):
    facts = episodes.facts
    model = make_stream(palette=len(facts["images"]), recall_met=True, words=tuple(facts["words"]), samples=400)
    batch, generator = episodes.batch(0, 0, 4, 4), torch.Generator()
    passage, _ = passage_of(batch, model, palette_of(model, facts), ObjectiveConfig(), generator)
    before = run_passage(model, passage).pictures
    model.pictures.again.add_(1.0)
    moved = run_passage(model, passage).pictures - before
    first = passage.frame.age == 0
    assert first.any()
    assert (moved[~first] == 0).all()
    met = model.pictures.met_by_now(passage.frame.met, passage.frame.noised)
    torch.testing.assert_close(moved[first], met[:, None].float().expand_as(moved)[first])
