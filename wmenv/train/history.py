"""What a passage in training is told of its past: the truth, worn in places, or what the model itself would have drawn.

A dream's memory is never as good as the truth's: what it wrongly left dark a frame ago must not stay dark for ever.
What was never seen (in film: what a draft says nothing of) is told as it was, for nobody could go on to the truth from
another guess at it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wmenv.models.look import Look
from wmenv.models.pixels import Pixels
from wmenv.models.place import like
from wmenv.models.position import places_in_view
from wmenv.models.sequence import Passage
from wmenv.models.stream import Frame, Stream
from wmenv.train.asked import Asked, ObjectiveConfig
from wmenv.train.data import Batch
from wmenv.train.folding import Run


def faded(
    batch: Batch, lost: Tensor, never: int, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Place, age and spot as they are, but for the passages that have `lost` (2, batch) that of places or the last
    frame, and for some patches that lose theirs."""
    shape = batch.tiles.shape[:3]
    lost = lost[..., None, None]
    rate = config.fade * (2 * torch.rand(2, *shape[:2], 1, generator=generator) - 1).clamp(min=0)
    gone = lost | (torch.rand(2, *shape, generator=generator) < rate)
    place = torch.where(like(gone[0], batch.place), never, batch.place)
    age = torch.where(gone[0], 0, batch.age)
    shuffled = torch.randint(shape[2], shape, generator=generator)
    other = batch.spot.gather(2, like(shuffled, batch.spot).expand(batch.spot.shape))
    mistaken = like(~lost[1] & (torch.rand(shape, generator=generator) < 0.5), other)
    spot = torch.where(like(gone[1], other), torch.where(mistaken, other, never), batch.spot)
    return place, age, spot


@torch.no_grad()
def resampled(run: Run, drawer: Stream, passage: Passage, asked: Asked, config: ObjectiveConfig, seed: int) -> Passage:
    """The passage, where the last `resampled` share of its stretches remember what `drawer` makes of their frames.

    A sweep finishes all frames at once, each from its own draft; with as many sweeps as a stretch has frames it is what
    the model would have lived through by itself.
    """
    count = round(config.resampled * len(asked.target))
    if not count:
        return passage
    own, pictures = passage.part(slice(-count, None)), drawer.pictures
    truth = pictures.keep(asked.target[-count:])
    known_by_place = drawer.config.recall_place
    unseen = own.frame.age.view(truth.shape[:3]) == 0 if known_by_place else asked.noise[-count:] == 1
    told = like(unseen, truth)
    rows = len(own.frame.action)
    seeds = torch.arange(rows, device=truth.device) + seed * rows
    for sweep in range(config.sweeps):
        drawn = _finished(drawer, run, own, seeds, sweep)
        own = remembering(drawer, own, torch.where(told, truth, drawn.view(truth.shape)))
    memories = {name: _last_replaced(passage.frame, own.frame, name) for name in ("place", "spot")}
    return replace(passage, frame=replace(passage.frame, **memories))


def _finished(drawer: Stream, run: Run, passage: Passage, seeds: Tensor, sweep: int) -> Tensor:
    """Every frame of a passage, as one look at its draft finishes it."""
    frame, pictures = passage.frame, drawer.pictures
    if isinstance(pictures, Pixels):
        time = frame.level[:, 0]
        arriving = torch.stack([time, torch.zeros_like(time), torch.ones_like(time)], -1)
        said = run(drawer, replace(passage, frame=replace(frame, level=arriving))).pictures
        return pictures.keep(pictures.clean(said, frame.noised, time).clamp(-1, 1))
    look = Look(seeds, torch.full_like(seeds, sweep), number=0, passes=1)
    return pictures.keep(pictures.settle(frame.noised, run(drawer, passage).pictures, frame.age > 0, look)[0])


def remembering(model: Stream, passage: Passage, drawn: Tensor) -> Passage:
    """What the frames of a passage would remember, had those before them shown (batch, time, patches, *cell) `drawn`;
    what they have forgotten stays forgotten."""
    pictures, time = model.pictures, passage.directed.shape[1]
    never, shows = pictures.never, pictures.shows_place(drawn)
    places = places_in_view(passage.pose, model.offsets).round()
    place, spot = (value.view(drawn.shape).clone() for value in (passage.frame.place, passage.frame.spot))
    knows, saw = ((value != never).reshape(*drawn.shape[:3], -1).any(-1) for value in (place, spot))
    drawn = drawn.to(place.dtype)
    for now in range(1, time):
        for then in range(now):
            same = (places[:, now, :, None] == places[:, then, None]).all(-1) & shows[:, then, None]
            there, patch = same.max(-1)
            seen = drawn[:, then].gather(1, like(patch, drawn[:, then]).expand(drawn[:, then].shape))
            place[:, now] = torch.where(like(there & knows[:, now], seen), seen, place[:, now])
        spot[:, now] = torch.where(like(saw[:, now], drawn[:, 0]), drawn[:, now - 1], spot[:, now])
    return replace(passage, frame=replace(passage.frame, place=place.flatten(0, 1), spot=spot.flatten(0, 1)))


def _last_replaced(frame: Frame, own: Frame, name: str) -> Tensor:
    """What a frame has by that name, its last rows those of `own`."""
    new = getattr(own, name)
    return torch.cat([getattr(frame, name)[: -len(new)], new])
