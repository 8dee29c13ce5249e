"""Running free: worlds that are dreamt from a seed and never see the truth again, walked through for as long as you
like.

The walker goes where the dream lets it, so what is measured is the world that an agent would live in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wmenv.models.position import places_in_view
from wmenv.models.streaming import Streamer
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, VIEW
from wmenv.train.data import Episodes
from wmenv.train.palette import Palette
from wmenv.train.quality.law import UNSEEN, lawful

LEFT, RIGHT, FORWARD = 0, 1, 2


@dataclass
class Free:
    """Tiles (rows, steps + 1, 49), the actions that led to each but the first, and the poses."""

    tiles: np.ndarray
    actions: np.ndarray
    pose: np.ndarray
    places: np.ndarray


@torch.inference_mode()
def run_free(
    streamer: Streamer, instruction: np.ndarray, seeds: np.ndarray, steps: int, passes: int, hands: float = 0.1
) -> Free:
    """Dream one world per seed and walk through it; with likelihood `hands` the walker uses its hands instead."""
    rows = len(seeds)
    rng = np.random.default_rng(seeds[0])
    told = torch.from_numpy(np.repeat(instruction[None], rows, 0))
    memory = streamer.empty(torch.from_numpy(seeds), told)
    palette = Palette(streamer.model, CATALOGUE.images)
    tiles, actions, poses = [palette.tiles(streamer.begin(memory).shown).numpy()], [], [memory["pose"].clone()]
    turning = np.zeros(rows, np.int64)
    for _ in range(steps):
        action = _stroll(rng, tiles[-1], turning, hands)
        drawn = streamer.step(memory, torch.from_numpy(action), None, passes)
        tiles.append(palette.tiles(drawn.shown).numpy())
        actions.append(action)
        poses.append(memory["pose"].clone())
    pose = torch.stack(poses, 1)
    places = places_in_view(pose, streamer.model.offsets).round().long().numpy()
    return Free(np.stack(tiles, 1), np.stack(actions, 1), pose.numpy(), places)


def _stroll(rng: np.random.Generator, view: np.ndarray, turning: np.ndarray, hands: float) -> np.ndarray:
    """Mostly ahead where the dream is walkable, else keep turning one way; now and then pick up, drop or toggle."""
    ahead = CATALOGUE.walkable[view[:, AGENT_SLOT - VIEW]]
    chance = rng.random(len(view))
    fresh = rng.integers(LEFT, RIGHT + 1, len(view))
    turning[ahead] = fresh[ahead]
    action = np.where(ahead & (chance < 0.8), FORWARD, turning)
    busy = rng.random(len(view)) < hands
    return np.where(busy, rng.integers(3, 7, len(view)), action)


# --- figures --------------------------------------------------------------------------------------------------------


def valid_rate(free: Free, last: int) -> np.ndarray:
    """Per row: the share of lawful tiles in the last tenth of the first `last` steps."""
    window = slice(last - last // 10, last + 1)
    return np.array([lawful(row[window]).mean() for row in free.tiles])


def self_consistency(free: Free) -> np.ndarray:
    """(rows, steps + 1): of the places in view that were seen before, how many look as at first sight; NaN where none
    was.

    Meant for walks without hands, in which nothing may change.
    """
    agreement = np.full(free.tiles.shape[:2], np.nan)
    for row, (tiles, places) in enumerate(zip(free.tiles, free.places, strict=True)):
        first: dict[tuple[int, int], int] = {}
        for step, (view, where) in enumerate(zip(tiles, places.tolist(), strict=True)):
            shows = CATALOGUE.shows_place[view]
            again = [
                first[tuple(w)] == t for t, w, s in zip(view, where, shows, strict=True) if s and tuple(w) in first
            ]
            agreement[row, step] = np.mean(again) if again else np.nan
            first |= {tuple(w): t for t, w, s in zip(view, where, shows, strict=True) if s and tuple(w) not in first}
    return agreement


def places_known(free: Free, step: int) -> np.ndarray:
    """Per row: how many different places had been seen after `step` steps."""
    counts = []
    for tiles, places in zip(free.tiles, free.places, strict=True):
        shows = CATALOGUE.shows_place[tiles[: step + 1]]
        counts.append(len(np.unique(places[: step + 1][shows], axis=0)))
    return np.array(counts)


def goals_met(free: Free) -> np.ndarray:
    """Per row: in how many different places a goal was ever seen. True rooms have at most one."""
    shows = CATALOGUE.kind[free.tiles] == "goal"
    return np.array([len(np.unique(where[goal], axis=0)) for goal, where in zip(shows, free.places, strict=True)])


def doors_in_walls(free: Free) -> np.ndarray:
    """(rows, 2): of the doors that were seen from all sides, how many stand in a wall with a way through, and how many
    there are. All true ones do."""
    counts = []
    for tiles, places in zip(free.tiles, free.places, strict=True):
        shows = CATALOGUE.shows_place[tiles]
        seen, first = np.unique(places[shows], axis=0, return_index=True)
        kinds = dict(zip(map(tuple, seen.tolist()), CATALOGUE.kind[tiles[shows][first]], strict=True))
        doors = [place for place, kind in kinds.items() if kind == "door"]
        beside = [[kinds.get((x + dx, y + dy)) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))] for x, y in doors]
        walls = [[kind == "wall" for kind in four] for four in beside if None not in four]
        counts.append((sum(four in ([1, 1, 0, 0], [0, 0, 1, 1]) for four in walls), len(walls)))
    return np.array(counts)


def motion_agreement(free: Free) -> float:
    """Inverse dynamics without a network: the move that best explains two views, against the move the action should
    make."""
    right = []
    for row, step in np.argwhere(np.isin(free.actions, (LEFT, RIGHT, FORWARD))):
        before, after = free.tiles[row, step], free.tiles[row, step + 1]
        action = int(free.actions[row, step])
        blocked = action == FORWARD and not CATALOGUE.walkable[before[AGENT_SLOT - VIEW]]
        right.append(_best_move(before, after) == ("stay" if blocked else ("left", "right", "forward")[action]))
    return float(np.mean(right))


def _best_move(before: np.ndarray, after: np.ndarray) -> str:
    """Of stay, left, right and forward, the move under which what both views show agrees best."""
    scores = {}
    for move, source in _MOVES.items():
        both = source >= 0
        a, b = before[source[both]], after[both]
        shown = CATALOGUE.shows_place[a] & CATALOGUE.shows_place[b]
        same = ((a == b) & shown).sum()
        scores[move] = same / max(shown.sum(), 1) + 1e-3 * same
    return max(scores, key=scores.get)


def _sources() -> dict[str, np.ndarray]:
    """For each move, where every slot of the new view was in the old one; -1 if outside it."""
    rows, columns = np.divmod(np.arange(VIEW * VIEW), VIEW)
    x, y = columns - VIEW // 2, rows - (VIEW - 1)
    moved = {"stay": (x, y), "forward": (x, y - 1), "left": (y, -x), "right": (-y, x)}
    slots = {}
    for move, (dx, dy) in moved.items():
        column, row = dx + VIEW // 2, dy + VIEW - 1
        inside = (column >= 0) & (column < VIEW) & (row >= 0) & (row < VIEW)
        slots[move] = np.where(inside, row * VIEW + column, -1)
    return slots


_MOVES = _sources()


def diversity(free: Free, step: int) -> float:
    """How often two dreams differ in a slot that both show, at the same step."""
    view = free.tiles[:, step]
    shown = CATALOGUE.shows_place[view]
    pairs = [(a, b) for a in range(len(view)) for b in range(a)]
    return float(
        np.mean([(view[a] != view[b])[shown[a] & shown[b]].mean() for a, b in pairs if (shown[a] & shown[b]).any()])
    )


def tile_shares(tiles: np.ndarray) -> dict[str, float]:
    """How much of the seen view each kind of tile takes."""
    lit = tiles % CATALOGUE.night
    kinds = CATALOGUE.kind[lit[lit != UNSEEN]]
    names, counts = np.unique(kinds, return_counts=True)
    return dict(zip(names.tolist(), (counts / counts.sum()).round(4).tolist(), strict=True))


def band_energy_ratio(free: Free, episodes: Episodes, last: int) -> float:
    """Energy between neighbouring pixels of dreamt frames, in the last tenth of the first `last` steps, over that of
    real ones: 1 is as crisp as the truth. What lies in the dark is left out of both."""

    def energy(tiles: np.ndarray) -> float:
        lit = tiles[~CATALOGUE.dark[tiles[:, AGENT_SLOT]]]
        frames = CATALOGUE.render(lit[:: max(1, len(lit) // 2000)]).astype(np.float32)
        return float((np.diff(frames, axis=1) ** 2).mean() + (np.diff(frames, axis=2) ** 2).mean())

    return energy(free.tiles[:, last - last // 10 : last + 1].reshape(-1, VIEW * VIEW)) / energy(episodes.tiles)
