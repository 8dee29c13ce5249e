"""Paints tiles with minigrid's own drawing, plus what it lacks: an agent of any colour, and darkness.

Knows tiles by name only; ids and frames belong to `tiles.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from minigrid.core.constants import COLORS
from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Wall, WorldObj
from minigrid.utils.rendering import downsample, fill_coords, highlight_img, point_in_rect, point_in_triangle, rotate_fn

from wmenv.sources.gridrooms.tiles import TILE, Tile

OVERSAMPLING = 3  # minigrid's own
DIMMING = 5  # pixel values are divided by this when the lights are out; every tile stays distinct


def make_object(kind: str, colour: str = "", state: str = "") -> WorldObj | None:
    """The minigrid object of that name, None for floor and for what is unseen."""
    if kind == "door":
        return Door(colour, is_open=state == "open", is_locked=state == "locked")
    if kind in ("key", "ball", "box"):
        return {"key": Key, "ball": Ball, "box": Box}[kind](colour)
    return {"goal": Goal, "wall": Wall}[kind]() if kind in ("goal", "wall") else None


def draw(tile: Tile) -> np.ndarray:
    """The (TILE, TILE, 3) uint8 picture of a tile."""
    canvas = _place(*_shown(tile)).copy()
    if tile.under == "goal":
        canvas //= 2  # or a green arrow on the green goal would be invisible
    if tile.kind == "agent":
        canvas[_arrow()] = COLORS[tile.colour]
    if tile.kind != "unseen":
        highlight_img(canvas)
    picture = downsample(canvas, OVERSAMPLING).astype(np.uint8)
    return picture // DIMMING if tile.dark else picture


def _shown(tile: Tile) -> tuple[str, str, str]:
    """What is drawn below the agent's arrow, if any: kind, colour, state."""
    if tile.kind != "agent":
        return tile.kind, tile.colour, tile.state
    colour, _, kind = (tile.carried or tile.under).rpartition(" ")
    return kind, colour, "open"


@cache
def _place(kind: str, colour: str, state: str) -> np.ndarray:
    canvas = np.zeros((TILE * OVERSAMPLING, TILE * OVERSAMPLING, 3), np.uint8)
    fill_coords(canvas, point_in_rect(0, 0.031, 0, 1), (100, 100, 100))  # the grid lines left and above
    fill_coords(canvas, point_in_rect(0, 1, 0, 0.031), (100, 100, 100))
    thing = make_object(kind, colour, state)
    if thing is not None:
        thing.render(canvas)
    return canvas


@cache
def _arrow() -> np.ndarray:
    """Where the agent's arrow, pointing up, covers the canvas."""
    canvas = np.zeros((TILE * OVERSAMPLING, TILE * OVERSAMPLING, 3), np.uint8)
    triangle = point_in_triangle((0.12, 0.19), (0.87, 0.50), (0.12, 0.81))
    fill_coords(canvas, rotate_fn(triangle, cx=0.5, cy=0.5, theta=-0.5 * np.pi), (1, 1, 1))
    return canvas[..., 0] > 0
