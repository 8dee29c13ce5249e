"""What a stream is asked during training: to draw what was hidden, and to say what follows from each action.

Each frame is noised on its own, from fully undrawn to clean, so one network learns to draw from nothing, to finish a
draft, and to read a finished frame. Randomness comes in as a generator.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wmenv.config import Config
from wmenv.models.sequence import Passage, run_passage
from wmenv.models.stream import Frame, Readout, Stream
from wmenv.train.data import Batch


class ObjectiveConfig(Config):
    """How frames are noised and what each loss weighs."""

    undrawn: float = 0.45  # share of frames with nothing drawn
    clean: float = 0.2  # share of frames with everything drawn
    wrong: float = 0.04  # share of drawn tiles that are replaced by another of the same frame
    forget: float = 0.05  # share of passages without memory of places, and, drawn apart, without the last frame
    fade: float = 0.4  # at most so many of a frame's patches, in every other frame, lose what memory holds of them
    visible: float = 0.2  # weight of tiles that were given
    changed: float = 8.0  # weight of hidden tiles that are no longer what their place held: what was done there
    motion: float = 0.3
    reward: float = 0.2
    end: float = 0.2
    receipt: float = 0.2
    sound: float = 50.0


def passage_of(
    batch: Batch, model: Stream, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Passage, Tensor]:
    """A batch with its frames noised, and the weight of every patch in the loss."""
    shape = batch.directed.shape
    level = torch.rand(shape, generator=generator)
    level = (level - config.clean).clamp(min=0) / (1 - config.clean - config.undrawn)
    level = level.clamp(max=1.0)
    unknown = batch.age == 0
    chance = torch.rand(batch.tiles.shape, generator=generator)
    # half of the frames hide what was never seen first: that is the order in which a sampler draws
    first = torch.rand(shape, generator=generator)[..., None] < 0.5
    chance = torch.where(first & unknown, chance**2, chance)
    hidden = chance < level[..., None]
    wrong = torch.rand(batch.tiles.shape, generator=generator) < config.wrong
    wrong &= level[..., None] > 0
    other = batch.tiles.gather(-1, torch.randint(batch.tiles.shape[-1], batch.tiles.shape, generator=generator))
    noised = torch.where(hidden, model.pictures.undrawn, torch.where(wrong, other, batch.tiles))
    changed = ~unknown & (batch.place != batch.tiles) & model.pictures.anchored[batch.tiles]
    weight = torch.where(hidden | wrong, torch.where(changed, config.changed, 1.0), config.visible)
    place, age, spot = _forget(batch, model.pictures.never, config, generator)
    frame = Frame(
        noised=noised.flatten(0, 1),
        place=place.flatten(0, 1),
        age=age.flatten(0, 1),
        spot=spot.flatten(0, 1),
        level=hidden.float().mean(-1).flatten(),
        action=batch.action.flatten(),
        sound=batch.sound.flatten(0, 1),
        hears=((level < 1) & (torch.rand(shape, generator=generator) < 0.3)).float().flatten(),
    )
    return Passage(frame, batch.pose, batch.words, batch.directed), weight.flatten(0, 1)


def _forget(
    batch: Batch, never: int, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Memory as it is, but for some passages that lose one kind of it, and some patches that lose theirs.

    A dream's memory is never as good as the truth's: what it wrongly left dark a frame ago must not stay dark for ever.
    """
    shape = batch.tiles.shape
    lost = torch.rand(2, len(batch.tiles), 1, 1, generator=generator) < config.forget
    rate = config.fade * (2 * torch.rand(2, *shape[:2], 1, generator=generator) - 1).clamp(min=0)
    gone = lost | (torch.rand(2, *shape, generator=generator) < rate)
    place = torch.where(gone[0], never, batch.place)
    age = torch.where(gone[0], 0, batch.age)
    other = batch.tiles.gather(-1, torch.randint(shape[-1], shape, generator=generator))
    mistaken = ~lost[1] & (torch.rand(shape, generator=generator) < 0.5)
    return place, age, torch.where(gone[1], torch.where(mistaken, other, never), batch.spot)


def losses(model: Stream, passage: Passage, weight: Tensor, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Every loss by name; "total" is what is minimised."""
    said = run_passage(model, passage)
    drawn = F.cross_entropy(said.pictures.float().flatten(0, 1), batch.tiles.flatten(), reduction="none")
    parts = {"tiles": (drawn * weight.flatten()).sum() / weight.sum()}
    parts |= _facts(said, batch)
    heard = passage.frame.hears < 0.5
    wrong = (said.sound.float() - passage.frame.sound).square().mean(-1)
    parts["sound"] = (wrong * heard).sum() / heard.sum().clamp(min=1)
    total = parts["tiles"] + sum(getattr(config, name) * value for name, value in parts.items() if name != "tiles")
    return {"total": total, **parts}


def _facts(said: Readout, batch: Batch) -> dict[str, Tensor]:
    """The losses of the read-out token."""
    end, reward = batch.end.flatten(), batch.reward.flatten()
    happened = 1 + 9 * (end > 0)
    motion = said.motion.float()[torch.arange(len(end)), batch.next_action.flatten()]
    applied = batch.applied.flatten()
    typed = (applied >= 0).float()
    bins = two_hot(reward, said.reward.shape[-1])
    return {
        "motion": F.cross_entropy(motion, batch.motion.flatten(), ignore_index=-1),
        "reward": (F.cross_entropy(said.reward.float(), bins, reduction="none") * happened).mean(),
        "end": (F.binary_cross_entropy_with_logits(said.end.float(), end, reduction="none") * happened).mean(),
        "receipt": (
            F.binary_cross_entropy_with_logits(said.receipt.float(), applied.clamp(min=0), reduction="none") * typed
        ).sum()
        / typed.sum().clamp(min=1),
    }


def two_hot(values: Tensor, bins: int, reach: float = 1.0) -> Tensor:
    """(n, bins) weights on the two bins next to each value, over -reach..reach; their mean is the value."""
    place = (values.clamp(-reach, reach) + reach) / (2 * reach) * (bins - 1)
    low = place.floor().long().clamp(max=bins - 2)
    high = place - low
    return F.one_hot(low, bins) * (1 - high)[:, None] + F.one_hot(low + 1, bins) * high[:, None]
