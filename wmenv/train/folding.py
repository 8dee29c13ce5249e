"""What a stream of pixels is asked: where the way from noise to picture ends, and where a jump along it lands.

The end is taught by the data. A jump is taught by the model itself, as it was a while ago: of the way from t to s it
does a first part as it would by small steps and the rest in one, and the two together are what one jump must do. The
first part shrinks as training goes on, so the same weights come to draw in any number of looks. Or, at a higher price,
the model goes the whole way in so many small steps (`slowly`), and where it arrives is what one jump must reach. How
strongly to follow what was asked is learnt the same way, so it costs no second look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from wmenv.models.pixels import LAST, SOONEST, Pixels, jump, later, sooner
from wmenv.models.sequence import Passage
from wmenv.models.stream import Readout, Stream
from wmenv.train.asked import Asked, ObjectiveConfig, amounts
from wmenv.train.data import Batch
from wmenv.train.palette import Colours, Palette

Run = Callable[[Stream, Passage], Readout]
FLATTEST = 0.2  # time below which errors weigh no more than at it


def blur(
    palette: Palette | Colours, batch: Batch, config: ObjectiveConfig, generator: torch.Generator, shift: float = 1.0
) -> Asked:
    """The frames of a batch on their way from noise; the first `folded` share of its passages is to jump."""
    shape = batch.directed.shape
    time = sooner(amounts(shape, config, generator), shift)
    clean = palette.canvas(batch.tiles)
    noise = torch.randn(clean.shape, generator=generator)
    canvas = clean + time[..., None, None] * (noise - clean)
    chance = torch.rand(4, *shape, generator=generator)
    jumps = torch.arange(shape[0])[:, None] < round(config.folded * shape[0])
    to = sooner(later(time, shift) * chance[1], shift)
    to = torch.where(chance[0] < 0.6, LAST * (time > LAST), to)  # the two jumps of two looks, and the one of one, are
    to = torch.where(chance[0] < 0.3, 0.0, to)  # taken most
    if config.guided:  # what guides must be learnt without a jump as well: the jumps are made of it
        to = torch.where(chance[0] > 0.8, time, to)
    to = torch.where(jumps, to, time)
    strength = torch.where(jumps & (chance[2] < config.guided), config.strongest ** chance[3], 1.0)
    changed = (batch.age > 0) & palette.changed(batch.place, batch.tiles)
    matters = torch.where(batch.age > 1, config.remembered, 1.0)
    matters = torch.where(batch.age == 0, config.unseen, matters)
    weight = torch.where(changed, config.changed, matters) / time[..., None].clamp(min=FLATTEST) ** 2
    weight = torch.where(time[..., None] > 0, weight, config.visible)
    return Asked(canvas, torch.stack([time, to, 1 / strength], -1), weight, clean, time)


def grainy(kept: Tensor, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """What memory holds, as roughly as a model would have drawn it; what was never seen stays so."""
    most = config.grain * torch.rand(*kept.shape[:2], 1, 1, generator=generator)
    noise = torch.randn(kept.shape, generator=generator) * most * 127.5
    rough = (kept + noise).round().clamp(0, 255).to(torch.uint8)
    return torch.where((kept == Pixels.never).all(-1, keepdim=True), kept, rough)


def share_taught_by_data(done: float, config: ObjectiveConfig) -> float:
    """Alpha after that share of a training: the part of a jump that the data teach."""
    begun, over = done - config.folds_from, config.folds_until - config.folds_from
    sunk = min(max(begun / over, 0.0), 1.0) if over > 0 else float(begun >= 0)
    return 1 - (1 - config.alpha) * sunk


@torch.no_grad()
def aim(run: Run, teacher: Stream, passage: Passage, asked: Asked, config: ObjectiveConfig, alpha: float) -> Asked:
    """The same, with the targets of those that jump taught by `teacher`."""
    count = round(config.folded * len(asked.canvas))
    if not count or (alpha == 1 and not config.guided and not config.slowly):
        return asked
    own = passage.part(slice(count))
    z, x = (value[:count].flatten(0, 1) for value in (asked.canvas, asked.target))
    time, to, restraint = asked.level[:count].flatten(0, 1).unbind(-1)
    pictures = teacher.pictures

    def end(seen: Passage, canvas: Tensor, at: Tensor, until: Tensor, how: Tensor) -> Tensor:
        frame = replace(seen.frame, noised=canvas, level=torch.stack([at, until, how], -1))
        return pictures.clean(run(teacher, replace(seen, frame=frame)).pictures, canvas, at).clamp(-1, 1)

    led = end(own, z, time, time, restraint)
    if config.guided:
        alone = heedless(own, torch.ones_like(restraint[:count]) > 0, teacher.config.actions)
        unled = end(alone, z, time, time, torch.ones_like(restraint))
        x = (x + _wide(1 - restraint) * (led - unled)).clamp(-1, 1)
    shares = later(time, pictures.shift), later(to, pictures.shift)
    if config.slowly:
        shorter = [sooner(torch.lerp(*shares, n / config.slowly), pictures.shift) for n in range(1, config.slowly + 1)]
        midway = jump(z, led, _wide(time), _wide(shorter[0]))
        for at, until in pairwise(shorter):
            midway = jump(midway, end(own, midway, at, at, restraint), _wide(at), _wide(until))
        pull = (z - midway) / _wide((time - to).clamp(min=SOONEST))
        x = torch.where(_wide(time - to > SOONEST), z - _wide(time) * pull, x).clamp(-1, 1)
    elif alpha < 1:
        first = sooner(torch.lerp(*shares, alpha), pictures.shift)
        midway = jump(z, led, _wide(time), _wide(first))
        pull = (midway - end(own, midway, first, to, restraint)) / _wide(first.clamp(min=SOONEST))
        x = (alpha * x + (1 - alpha) * (z - _wide(time) * pull)).clamp(-1, 1)
    aimed = torch.where(_wide(time > 0), x, asked.target[:count].flatten(0, 1))
    target = torch.cat([aimed.view(asked.target[:count].shape), asked.target[count:]])
    return replace(asked, target=target)


def _wide(time: Tensor) -> Tensor:
    """(rows,) beside canvases."""
    return time[:, None, None]


def heedless(passage: Passage, who: Tensor, no_action: int) -> Passage:
    """The passage, where `who` (batch,) hears neither what was done nor what was said."""
    actions, rows = passage.frame.action, who.repeat_interleave(passage.directed.shape[1])
    none = torch.where(rows, no_action, actions)
    words = torch.where(who[:, None, None], 0, passage.words)
    return replace(passage, frame=replace(passage.frame, action=none), words=words)


def pixel_loss(pictures: Pixels, said: Tensor, asked: Asked) -> Tensor:
    """The weighed squared error of the pictures that (batch * time, patches, colours) outputs stand for."""
    canvas, time = asked.canvas.flatten(0, 1), asked.noise.flatten()
    wrong = (pictures.clean(said, canvas, time) - asked.target.flatten(0, 1)).square().mean(-1)
    return (wrong * asked.weight.flatten(0, 1)).mean()
