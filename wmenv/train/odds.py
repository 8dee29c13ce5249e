"""How likely a tile is to be met again: set right when a run is over.

Where nothing was seen yet a network makes little of what it met elsewhere, though a room has one goal; and training
shows rare sights as often as common ones. So for each kind of tile one number is added to the log-odds of those that
were met before. The numbers are fitted to the data as they are; the network stays as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wmenv.models.sequence import run_passage
from wmenv.models.stream import Stream
from wmenv.models.tiles import Tiles
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.data import Episodes
from wmenv.train.objective import passage_of
from wmenv.train.palette import Palette, palette_of

PLAIN = ObjectiveConfig(undrawn=0.6, clean=0.0, wrong=0.0, forget=0.0, fade=0.0)
SIZE, TIME = 32, 4
PRIOR = 0.05  # what a number costs: hardly anything, but what never came again is not made impossible


def set_odds(model: Stream, episodes: Episodes, batches: int = 200, seed: int = 0) -> None:
    """Fit `model.pictures.again`, by kind of tile, to so many batches of passages."""
    pictures, palette = model.pictures, palette_of(model, episodes.facts)
    assert isinstance(pictures, Tiles)
    assert isinstance(palette, Palette)
    pictures.again.zero_()
    found = [first_sights(model, palette, episodes, seed, step) for step in range(batches)]
    shares, shown = (torch.cat(part) for part in zip(*found, strict=True))
    pictures.again.copy_(fit(shares, shown)[palette.kinds])


@torch.no_grad()
def first_sights(model: Stream, palette: Palette, episodes: Episodes, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Of every hidden patch of a batch at whose place nothing was seen yet: what the model gives the tiles of each kind
    that were met before, and last all the others, (n, kinds + 1); and which of these it shows, (n,)."""
    kinds, pictures = palette.kinds, model.pictures
    others = int(kinds.max()) + 1
    batch = episodes.batch(seed, step, SIZE, TIME)
    generator = torch.Generator().manual_seed(step)
    passage, _ = passage_of(batch, model, palette, PLAIN, generator)
    frame = passage.frame
    first = (frame.age == 0) & (frame.noised == pictures.undrawn)
    chances = run_passage(model, passage).pictures[first].float().softmax(-1)
    group = torch.where(pictures.met_by_now(frame.met, frame.noised), kinds, others)[first.nonzero()[:, 0]]
    shares = chances.new_zeros(len(group), others + 1).scatter_add(1, group, chances)
    return shares, group.gather(1, batch.tiles.flatten(0, 1)[first][:, None]).squeeze(1)


def fit(shares: Tensor, shown: Tensor) -> Tensor:
    """(kinds,) what to add to the log-odds of each, the others' staying, for what was shown to be as likely as can
    be."""
    logits = shares.clamp(min=1e-30).log()
    odds = torch.zeros(shares.shape[1] - 1, requires_grad=True)
    search = torch.optim.LBFGS([odds], max_iter=200, line_search_fn="strong_wolfe")

    def unlikely() -> Tensor:
        search.zero_grad()
        total = F.cross_entropy(logits + F.pad(odds, (0, 1)), shown, reduction="sum") + PRIOR * odds.square().sum()
        total.backward()
        return total

    search.step(unlikely)
    return odds.detach()
