"""The alphabet of tiles: every patch is one of a palette, and a drawing fills in patch by patch.

What is drawn is always a real tile, so nothing blurs and nothing drifts. How far the eye reaches is drawn for all
patches together; which patches are drawn when depends on what the model is sure of.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wmenv.models.config import StreamConfig
from wmenv.models.look import Look
from wmenv.models.position import view_offsets
from wmenv.models.randomness import uniforms

SURE = 0.98  # a patch this certain is drawn at once, however many passes are left
ABSURD = 0.02  # a patch believed less than this is drawn again in the last pass, and when a dream is mended
NOWHERE = -30.0  # the logit of a tile that cannot stand at a patch
MENDS = 4  # looks over a patient drawing, at most; hardly any needs the last


class Tiles(nn.Module):
    """Pictures as tile numbers. Noise is absence: number `palette` stands for "not yet drawn", `palette + 1` for
    "never seen".

    Predictions are logits over the palette: the clean tile is a distribution, and its samples are always real tiles.
    """

    cell: tuple[int, ...] = ()
    dtype = torch.int16
    levels = 1

    def __init__(self, config: StreamConfig) -> None:
        super().__init__()
        self.size = config.palette
        self.patch = config.patch
        self.grid = config.grid
        self.noised = nn.Embedding(self.size + 2, config.channels)
        self.place = nn.Embedding(self.size + 2, config.channels)
        self.spot = nn.Embedding(self.size + 2, config.channels)
        self.head = nn.Linear(config.channels, self.size)
        shape = (self.size, config.patch, config.patch, 3)
        self.register_buffer("images", torch.zeros(shape, dtype=torch.uint8))
        # whether the tile tells what lies at its place
        self.register_buffer("anchored", torch.ones(self.size, dtype=torch.bool))
        # 0: seen and seen through, 1: a wall or part of one, 2: hidden behind it
        self.register_buffer("sight", torch.zeros(self.size, dtype=torch.int64))
        # which tiles may be drawn at which patch; None: any
        stands = torch.ones(config.patches, self.size, dtype=torch.bool) if config.stands else None
        self.register_buffer("stands", stands)
        if config.recall_met:  # added, where nothing was seen yet, to the log-odds of tiles that were met before
            self.register_buffer("again", torch.zeros(self.size))
        distance = view_offsets(*config.grid, config.anchor).abs().sum(-1)
        self.register_buffer("distance", distance, persistent=False)

    @property
    def undrawn(self) -> int:
        return self.size

    @property
    def never(self) -> int:
        return self.size + 1

    # --- tokens in, logits out ---

    def embed(self, canvas: Tensor) -> Tensor:
        return self.noised(canvas)

    def embed_place(self, kept: Tensor) -> Tensor:
        return self.place(kept.long())

    def embed_spot(self, kept: Tensor) -> Tensor:
        return self.spot(kept.long())

    def predict(self, x: Tensor) -> Tensor:
        said = self.head(x)
        return said if self.stands is None else said.masked_fill(~self.stands, NOWHERE)

    def met_by_now(self, met: Tensor, canvas: Tensor) -> Tensor:
        """(rows, palette) which tiles are `met` when so much is drawn."""
        drawn = met.new_zeros(len(met), self.size + 2).scatter(1, canvas, True)[:, : self.size]
        return met | drawn & self.anchored

    # --- drawing ---

    def blank(self, seed: Tensor, step: Tensor) -> Tensor:
        return torch.full((len(seed), len(self.distance)), self.undrawn, device=seed.device)

    def level(self, canvas: Tensor, look: Look) -> Tensor:
        """The share that is undrawn."""
        return (canvas == self.undrawn).float().mean(-1, keepdim=True)

    def most_looks(self, passes: int, patient: bool) -> int:
        """A patient drawing in many passes is looked over; what is asked for in one is drawn in one."""
        return passes + MENDS if patient and passes > 1 else passes

    def settle(self, canvas: Tensor, said: Tensor, known: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Draw from what the pass said: what is certain at once, the rest from near to far, for the near hides the far.

        The order never depends on what the dice drew: to prefer likely draws would fill every dream with floor. The
        last pass draws everything, and draws again what, beside all the others, turned out to make no sense; a patient
        drawing is looked over until nothing does. What is certain of a place that is known is not diced: a ball that is
        sure to lie there with 0.999 would be gone after a thousand looks.
        """
        chances, left = said.float().softmax(-1), look.passes - look.number
        likeliest = chances.max(-1)
        undrawn = canvas == self.undrawn
        believed = chances.gather(-1, canvas.clamp(max=self.size - 1)[..., None]).squeeze(-1)
        sure = undrawn & (likeliest.values > SURE)
        open_ = undrawn & ~sure
        turn = (self.distance + 1e6 * ~open_).argsort(dim=-1, stable=True).argsort(dim=-1)
        near = open_ & (turn * left < open_.sum(-1, keepdim=True))
        last = ~undrawn.any(-1, keepdim=True) | (left <= 1)
        change = torch.where(last, undrawn | (believed < ABSURD), sure | near)
        drawn = self.throw(chances, *self._dice(look, change & ~sure))
        drawn = torch.where(known & (likeliest.values > SURE), likeliest.indices, drawn)
        again = change if look.patient else undrawn & ~change
        return torch.where(change, drawn, canvas), again.any(-1)

    def _dice(self, look: Look, open_: Tensor) -> tuple[Tensor, Tensor]:
        """Each patch's own die, and the one of how far the eye reaches: shared, for many patches are drawn at once;
        where patience draws few, each patch has one.

        The dice of `open_` patches are spread evenly: where each of ten may hold the goal with a tenth, one does.
        """
        patches = len(self.distance)
        dice = uniforms(look.seed, look.step, look.number, 1 + (2 * patches if look.patient else patches + 1))
        own, shared, offset = dice[:, :patches], dice[:, patches:-1], dice[:, -1:]
        turn = (own + 1.0 * ~open_).argsort(dim=-1, stable=True).argsort(dim=-1)
        even = (turn + offset) / open_.sum(-1, keepdim=True).clamp(min=1)
        return torch.where(open_, even, own), shared

    def throw(self, chances: Tensor, own: Tensor, shared: Tensor) -> Tensor:
        """Tile numbers (rows, patches) drawn by `chances` (rows, patches, palette), each with exactly its chance.

        How far the eye reaches is decided by `shared` (rows, 1), one die for all, so that patches drawn together agree
        where the wall is and what it hides; which tile of that sort stands there, by each patch's `own` (rows,
        patches).
        """
        order = self.sight.argsort(stable=True)
        ladder = chances[..., order].cumsum(-1)
        last = (self.sight <= torch.arange(3, device=order.device)[:, None]).sum(1) - 1
        edges = F.pad(ladder[..., last.clamp(min=0)] * (last >= 0), (1, 0))
        sort = (edges[..., 1:-1] < shared[..., None] * edges[..., -1:]).sum(-1, keepdim=True)
        low, high = edges.gather(-1, sort).squeeze(-1), edges.gather(-1, sort + 1).squeeze(-1)
        die = low + own * 0.999999 * (high - low)
        return order[(ladder <= die[..., None]).sum(-1).clamp(max=self.size - 1)]

    # --- finished pictures ---

    def keep(self, canvas: Tensor) -> Tensor:
        return canvas.to(self.dtype)

    def shows_place(self, kept: Tensor) -> Tensor:
        return self.anchored[kept.long()]

    def draw(self, kept: Tensor) -> Tensor:
        rows, columns = self.grid
        return rearrange(self.images[kept.long()], "b (r c) h w k -> b (r h) (c w) k", r=rows, c=columns)

    def read(self, frames: Tensor) -> Tensor:
        """The numbers of the nearest tiles."""
        p = self.patch
        patches = rearrange(frames, "b (r h) (c w) k -> b (r c) (h w k)", h=p, w=p).float()
        table = rearrange(self.images, "n h w k -> n (h w k)").float()
        return torch.cdist(patches, table).argmin(-1)
