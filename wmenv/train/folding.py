"""What a stream of pixels is asked: where the way from noise to picture ends, and where a jump along it lands.

The end is taught by the data. A jump is taught by the model itself, as it was a while ago: of the way from t to s it
does a first part as it would by small steps and the rest in one, and the two together are what one jump must do. The
first part shrinks as training goes on, so the same weights come to draw in any number of looks. Or, at a higher price,
the model goes the whole way in so many small steps (`slowly`), and where it arrives is what one jump must reach. How
strongly to follow what was asked is learnt from the model as it follows by looking twice, so that it costs no second
look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from wmenv.models.pixels import LAST, SOONEST, Pixels, jump, later, sooner
from wmenv.models.sequence import Passage
from wmenv.models.stream import Readout, Stream
from wmenv.train.asked import Asked, ObjectiveConfig, amounts
from wmenv.train.data import Batch
from wmenv.train.palette import Colours, Palette
from wmenv.train.weighing import weigh

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
    to = torch.where(chance[0] < config.straight + 0.3, LAST * (time > LAST), to)  # the two jumps of two looks
    to = torch.where(chance[0] < config.straight, 0.0, to)  # and the one of one
    to = torch.where(jumps, to, time)
    strength = torch.where(jumps & (chance[2] < config.guided), config.strongest ** chance[3], 1.0)
    weight = weigh(palette, batch, config) / time[..., None].clamp(min=FLATTEST) ** 2
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
    own, truth = passage.part(slice(count)), asked.target[:count].flatten(0, 1)
    jumps = Jumps(asked.canvas[:count].flatten(0, 1), *asked.level[:count].flatten(0, 1).unbind(-1))
    way = Way(run, teacher, own)
    led, x = way.end(jumps.canvas, jumps.time, jumps.time), truth
    if config.slowly:
        x = _arrived(way, jumps, led, truth, config.slowly)
    elif alpha < 1:
        x = _in_two(way, jumps, led, truth, alpha)
    if config.guided:
        x = torch.where(_wide(jumps.restraint < 1), _looked_twice(way, jumps, led), x)
    x = torch.where(_wide(jumps.time > 0), x, truth)
    return replace(asked, target=torch.cat([x.view(asked.target[:count].shape), asked.target[count:]]))


@dataclass(frozen=True)
class Jumps:
    """Canvases (rows, patches, colours), the times they are at and are to jump to, and how held back, (rows,) each."""

    canvas: Tensor
    time: Tensor
    to: Tensor
    restraint: Tensor


@dataclass(frozen=True)
class Way:
    """The way from noise to picture as `teacher` sees it from the frames of a passage."""

    run: Run
    teacher: Stream
    passage: Passage

    def end(self, canvas: Tensor, at: Tensor, until: Tensor) -> Tensor:
        """Where it ends, for canvases at a time that are to jump until another."""
        level = torch.stack([at, until, torch.ones_like(at)], -1)
        frame = replace(self.passage.frame, noised=canvas, level=level)
        said = self.run(self.teacher, replace(self.passage, frame=frame)).pictures
        return self.teacher.pictures.clean(said, canvas, at).clamp(-1, 1)

    def between(self, jumps: Jumps, share: float) -> Tensor:
        """The times at which that share of each jump is made."""
        shift = self.teacher.pictures.shift
        return sooner(torch.lerp(later(jumps.time, shift), later(jumps.to, shift), share), shift)


def _arrived(way: Way, jumps: Jumps, led: Tensor, x: Tensor, steps: int) -> Tensor:
    """What each jump must end at to land where so many small steps lead; the first goes towards `led`. Where there is
    nothing to jump, `x`."""
    times = [way.between(jumps, n / steps) for n in range(1, steps + 1)]
    canvas = jump(jumps.canvas, led, _wide(jumps.time), _wide(times[0]))
    for at, until in pairwise(times):
        canvas = jump(canvas, way.end(canvas, at, at), _wide(at), _wide(until))
    far = jumps.time - jumps.to
    pull = (jumps.canvas - canvas) / _wide(far.clamp(min=SOONEST))
    return torch.where(_wide(far > SOONEST), jumps.canvas - _wide(jumps.time) * pull, x).clamp(-1, 1)


def _in_two(way: Way, jumps: Jumps, led: Tensor, x: Tensor, alpha: float) -> Tensor:
    """What each jump must end at: by a share `alpha` `x`, by the rest where one more jump from there leads."""
    first = way.between(jumps, alpha)
    midway = jump(jumps.canvas, led, _wide(jumps.time), _wide(first))
    pull = (midway - way.end(midway, first, jumps.to)) / _wide(first.clamp(min=SOONEST))
    return (alpha * x + (1 - alpha) * (jumps.canvas - _wide(jumps.time) * pull)).clamp(-1, 1)


def _looked_twice(way: Way, jumps: Jumps, led: Tensor) -> Tensor:
    """What each jump ends at when what is asked is followed more strongly by looking twice: beyond the jump by so much
    of how far `led` is from where the way ends unasked. That may lie beyond what colours can be: cut, it would be less
    than was asked for."""
    deaf = torch.ones(len(way.passage.directed), dtype=torch.bool, device=led.device)
    unasked = replace(way, passage=heedless(way.passage, deaf, way.teacher.config.actions))
    away = led - unasked.end(jumps.canvas, jumps.time, jumps.time)
    return way.end(jumps.canvas, jumps.time, jumps.to) + _wide(1 / jumps.restraint - 1) * away


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
