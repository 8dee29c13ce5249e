"""What a stream is asked during training: to draw what was noised, and to say what follows from each action.

Each frame is noised on its own, from nothing drawn to clean, so one network learns to draw from nothing, to finish a
draft, and to read a finished frame. Randomness comes in as a generator.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wmenv.models.pixels import Pixels
from wmenv.models.sequence import Passage, run_passage
from wmenv.models.stream import Frame, Readout, Stream
from wmenv.train.asked import Asked, ObjectiveConfig
from wmenv.train.data import Batch
from wmenv.train.folding import blur, grainy, heedless, pixel_loss
from wmenv.train.hiding import hide, tile_loss
from wmenv.train.history import faded
from wmenv.train.palette import Colours, Palette


def passage_of(
    batch: Batch, model: Stream, palette: Palette | Colours, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Passage, Asked]:
    """A batch with its frames noised, and what is to be said of them."""
    pictures, shape = model.pictures, batch.directed.shape
    pixels = isinstance(pictures, Pixels)
    asked = (
        blur(palette, batch, config, generator, pictures.shift)
        if pixels
        else hide(pictures, palette, batch, config, generator)
    )
    lost = torch.rand(4, shape[0], generator=generator) < config.forget
    place, age, spot = faded(batch, lost[:2], palette.unseen, config, generator)
    met = batch.met & ~_forgotten(batch, age) & ~lost[0, :, None, None]
    if pixels:
        place, spot = (grainy(palette.kept(tiles), config, generator) for tiles in (place, spot))
    frame = Frame(
        noised=asked.canvas.flatten(0, 1),
        place=place.flatten(0, 1),
        age=age.flatten(0, 1),
        met=met.flatten(0, 1),
        spot=spot.flatten(0, 1),
        level=asked.level.flatten(0, 1),
        action=batch.action.flatten(),
        sound=batch.sound.flatten(0, 1),
        hears=((asked.noise < 1) & (torch.rand(shape, generator=generator) < 0.3)).float().flatten(),
    )
    without = {name: lost[at] for name, at in (("bank", 2), ("matrix", 3)) if getattr(model.config, name)}
    passage = Passage(frame, batch.pose, batch.words, batch.directed, without)
    if config.guided and pixels:
        led = round(config.folded * shape[0])  # those that jump hear everything, so of the others more hear nothing
        deaf = torch.rand(shape[0], generator=generator) * (1 - config.folded) < config.heedless
        deaf[:led] = False
        passage = heedless(passage, deaf, model.config.actions)
    return passage, asked


def _forgotten(batch: Batch, age: Tensor) -> Tensor:
    """(batch, time, palette) what lay where memory has faded, (batch, time, patches) `age` 0: it is not met any more,
    or the goal would be looked for where one is known already."""
    size = batch.met.shape[-1]
    never = batch.met.new_zeros(*batch.met.shape[:2], size + 2)
    return never.scatter(-1, torch.where(age == 0, batch.place, size + 1), True)[..., :size] if size else batch.met


def losses(model: Stream, passage: Passage, asked: Asked, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Every loss by name; "total" is what is minimised."""
    said, pictures = run_passage(model, passage), model.pictures
    drawn = (
        pixel_loss(pictures, said.pictures, asked) if isinstance(pictures, Pixels) else tile_loss(said.pictures, asked)
    )
    parts = {"pictures": drawn} | _facts(said, batch, model.config.reward_range)
    if said.sound is not None:
        heard = passage.frame.hears < 0.5
        wrong = (said.sound.float() - passage.frame.sound).square().mean(-1)
        parts["sound"] = (wrong * heard).sum() / heard.sum().clamp(min=1)
    total = drawn + sum(getattr(config, name) * value for name, value in parts.items() if name != "pictures")
    return {"total": total, **parts}


def _facts(said: Readout, batch: Batch, reach: float) -> dict[str, Tensor]:
    """The losses of the read-out token."""
    end, reward = batch.end.flatten(), batch.reward.flatten()
    happened = 1 + 9 * (end > 0)
    motion = said.motion.float()[torch.arange(len(end), device=end.device), batch.next_action.flatten()]
    applied = batch.applied.flatten()
    typed = (applied >= 0).float()
    bins = two_hot(reward, said.reward.shape[-1], reach)
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
