"""A tiny world whose truth is known: a wide textured scene behind a 64x64 window that pans.

Everything is decided by the seed, directions place things in scene coordinates, and what leaves the view stays where
it was. Probes, metrics and environments are proven on it. Knows nothing of any of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np

from wmenv.contract import (
    ActionTable,
    ArrayState,
    Direction,
    Directions,
    Outcome,
    Receipt,
    Start,
    State,
    WorldSpec,
    check_directions,
)
from wmenv.errors import DirectionError
from wmenv.worlds.door import one_row, own

VIEW = 64
SCENE = (192, 448)  # height, width; both wrap around
STRIDE = 4  # pixels per pan
SLOTS = 8  # things that directions may have placed at one time
LANDMARKS = 40
THING = 7  # radius of a disc, half the side of a square
BEACON_REACH = 6  # how many pans the beacon is away at most, along each axis

SHAPES = ("none", "disc", "square", "diamond", "ring")
PLACEABLE = ("disc", "square")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 190, 70),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 50),
    "purple": (160, 60, 200),
    "white": (250, 250, 250),
}
COLOUR_NAMES = tuple(COLOURS)
GROUNDS = {"meadow": (90, 125, 80), "desert": (160, 130, 90), "ice": (120, 140, 160)}
MIXERS = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03], np.uint64)  # odd constants that scatter seeds and steps
PLACES = {"on the left": -16, "ahead": 0, "on the right": 16}

ACTIONS = ActionTable(
    names=("left", "right", "up", "down", "noop"),
    noop=4,
    inverse={0: 1, 1: 0, 2: 3, 3: 2},
    pans=(0, 1, 2, 3),
    keys={"a": 0, "d": 1, "w": 2, "s": 3, "ArrowLeft": 0, "ArrowRight": 1, "ArrowUp": 2, "ArrowDown": 3},
)
PAN = np.array([(0, -1), (0, 1), (-1, 0), (1, 0), (0, 0)])  # y, x in strides

APPEARS = re.compile(rf"an? ({'|'.join(COLOURS)}) ({'|'.join(PLACEABLE)}) appears(?: ({'|'.join(PLACES)}))?")
VANISHES = re.compile(rf"the ({'|'.join(COLOURS)}) ({'|'.join(PLACEABLE)}) vanishes")
LIGHTS = {"night falls": True, "day breaks": False}


class PanWorld:
    """Pan over a seeded scene that wraps around; directions add and remove discs and squares, and turn day to night.

    `noise` is the standard deviation of fresh sensor noise in grey levels, `dynamic` how many sprites drift across the
    scene on their own, `lag` how many steps an action waits before it is obeyed: all three are healthy. With `beacon`,
    a white ring stands a few pans away; bringing it to the centre of the view pays 1 and ends the episode.

    >>> world = PanWorld()
    >>> state, first = world.open([Start()], seeds=[7])
    >>> state, seen = world.advance(state, np.array([1]), [Direction("a red disc appears ahead")])
    >>> seen.receipts[0].applied, seen.pose[0].tolist()
    (True, [1.0, 0.0, 0.0])
    """

    def __init__(self, noise: float = 0.0, dynamic: int = 0, lag: int = 0, beacon: bool = False) -> None:
        self._noise, self._dynamic, self._lag, self._beacon = noise, dynamic, lag, beacon
        bank = np.random.default_rng(0).standard_normal(16 * VIEW * VIEW * 3, dtype=np.float32)
        self._noise_bank = np.rint(bank * noise).astype(np.int16)
        self.spec = WorldSpec(
            name="pan",
            height=VIEW,
            width=VIEW,
            fps=20.0,
            actions=ACTIONS,
            reward="env" if beacon else None,
            terminates=beacon,
            directions=True,
            words=True,
            pose="true",
            snapshots="copy",
            starts=frozenset({"seed", "template", "moment", "prompt"}),
            templates=tuple(GROUNDS),
            suggestions=(
                "a red disc appears on the left",
                "a blue square appears ahead",
                "a yellow disc appears on the right",
                "the red disc vanishes",
                "night falls",
                "day breaks",
            ),
        )
        self._tag = f"pan noise={noise:g} dynamic={dynamic} lag={lag} beacon={beacon}"

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        rows = [self._open_row(start.check(self.spec), seed) for start, seed in zip(starts, seeds, strict=True)]
        state = ArrayState.concat(rows)
        return state, self._show(state.arrays)

    def advance(self, state: State, actions: np.ndarray, directions: Directions) -> tuple[State, Outcome]:
        actions = self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        now = own(state, ArrayState, self._tag).consume().arrays
        now["moved"] += PAN[next_in_line(now["waiting"], actions)]
        now["clock"] += 1
        receipts = [direct(now, row, wish) if wish else None for row, wish in enumerate(directions)]
        return ArrayState(self._tag, now), self._show(now, receipts)

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, self._tag)

    def describe(self, state: State) -> list[str]:
        """What stands in view, from left to right."""
        state.check_live()
        now = own(state, ArrayState, self._tag).arrays
        return [caption(now, row) for row in range(len(state))]

    def _open_row(self, start: Start, seed: int) -> ArrayState:
        if start.moment is None:
            state = ArrayState(self._tag, new_row(seed, start.template, self._dynamic, self._lag, self._beacon))
        else:
            state = one_row(self.revive(start.moment))
            state.arrays["stream"][:] = stream_of(seed)  # the past stays, what is random from now on is new
        if start.prompt is not None:
            receipt = direct(state.arrays, 0, Direction(start.prompt))
            if not receipt.applied:
                raise DirectionError(f"cannot start from the prompt {start.prompt!r}: {receipt.reason}")
        return state

    def _show(self, now: dict[str, np.ndarray], receipts: list[Receipt | None] | None = None) -> Outcome:
        rows = len(now["clock"])
        frames = np.empty((rows, VIEW, VIEW, 3), np.uint8)
        for row in range(rows):
            draw_view(frames[row], now, row)
        if self._noise:
            frames = self._with_noise(frames, now)
        around = np.array(SCENE) // STRIDE  # pans, after which one is back
        won = ((now["moved"] - now["beacon"]) % around == 0).all(axis=1)
        return Outcome(
            frames=frames,
            reward=won.astype(np.float32) if self._beacon else None,
            terminated=won if self._beacon else None,
            pose=np.column_stack([now["moved"][:, ::-1], np.zeros(rows)]).astype(np.float32),
            receipts=receipts or [None] * rows,
        )

    def _with_noise(self, frames: np.ndarray, now: dict[str, np.ndarray]) -> np.ndarray:
        """Frames with a stretch of the noise bank added, chosen by the row's stream and clock."""
        size = frames[0].size
        mixed = now["stream"].astype(np.uint64) * MIXERS[0] + now["clock"].astype(np.uint64) * MIXERS[1]
        offsets = (mixed >> np.uint64(20)) % np.uint64(len(self._noise_bank) - size)
        noise = np.stack([self._noise_bank[at : at + size] for at in offsets.astype(np.int64)])
        return np.clip(frames + noise.reshape(frames.shape), 0, 255).astype(np.uint8)


# --- a new row ------------------------------------------------------------------------------------------------------


def new_row(seed: int, template: str | None, dynamic: int, lag: int, beacon: bool) -> dict[str, np.ndarray]:
    """The arrays of one fresh row; rows are stacked along the first axis, so each array leads with 1."""
    rng = np.random.default_rng([stream_of(seed), 1])
    ground = template or list(GROUNDS)[rng.integers(len(GROUNDS))]
    scene, landmarks = paint_scene(stream_of(seed), ground)
    origin = rng.integers(0, np.array(SCENE) // STRIDE) * STRIDE
    away = rng.integers(1, BEACON_REACH + 1, 2) * rng.choice([-1, 1], 2)
    sprites = np.full((dynamic, 4), (SHAPES.index("disc"), COLOUR_NAMES.index("white"), *origin))
    sprites[:, 2:] += rng.integers(0, (VIEW, SCENE[1]), (dynamic, 2))
    things = np.zeros((SLOTS + 1, 4), np.int32)
    if beacon:
        things[SLOTS] = (SHAPES.index("ring"), COLOUR_NAMES.index("white"), *(origin + VIEW // 2 + away * STRIDE))
    row = {
        "scene": scene,
        "landmarks": landmarks,
        "origin": origin,
        "beacon": away,
        "sprites": sprites,
        "drift": rng.choice([-2, 2], dynamic),  # pixels to the right per step
        "things": things,
        "moved": np.zeros(2, np.int64),
        "waiting": np.full(lag, ACTIONS.noop, np.int64),
        "night": np.array(False),
        "clock": np.array(0, np.int64),
        "stream": np.array(stream_of(seed), np.int64),
    }
    return {name: array[None].copy() for name, array in row.items()}


def next_in_line(waiting: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The actions whose turn it is; the new ones go to the end of the line."""
    line = np.concatenate([waiting, actions[:, None]], axis=1)
    waiting[:] = line[:, 1:]
    return line[:, 0]


def stream_of(seed: int) -> int:
    """Any whole number as one that numpy takes for a seed and int64 can hold."""
    return int(seed) % 2**63


@functools.lru_cache(maxsize=64)
def paint_scene(seed: int, ground: str) -> tuple[np.ndarray, np.ndarray]:
    """A smooth, finely grained texture that wraps around, with landmarks on it; and the list of those landmarks."""
    rng = np.random.default_rng([seed, 2])
    coarse = np.fft.rfft2(rng.standard_normal((SCENE[0] // 8, SCENE[1] // 8, 3)), axes=(0, 1))
    rows, columns = coarse.shape[:2]
    spectrum = np.zeros((SCENE[0], SCENE[1] // 2 + 1, 3), complex)  # zero-padded: upsampling that stays periodic
    spectrum[: rows // 2, :columns] = coarse[: rows // 2]
    spectrum[-(rows // 2) :, :columns] = coarse[-(rows // 2) :]
    smooth = np.fft.irfft2(spectrum, s=SCENE, axes=(0, 1)) * 64
    grain = rng.integers(-12, 13, (*SCENE, 1))
    scene = np.clip(np.array(GROUNDS[ground]) + 20 * smooth + grain, 0, 255).astype(np.uint8)
    landmarks = np.column_stack(
        [
            rng.integers(3, 5, LANDMARKS),
            rng.integers(0, len(COLOURS), LANDMARKS),
            rng.integers(0, SCENE, (LANDMARKS, 2)),
        ]
    )
    for shape, colour, y, x in landmarks:
        draw_thing(scene, shape, colour, y, x)
    return scene, landmarks


# --- drawing --------------------------------------------------------------------------------------------------------


@functools.cache
def mask_of(shape: str) -> np.ndarray:
    """Which pixels around its centre a shape covers."""
    y, x = np.mgrid[-THING : THING + 1, -THING : THING + 1]
    radius = np.hypot(y, x)
    return {
        "disc": radius <= THING,
        "square": np.maximum(abs(y), abs(x)) <= THING - 1,
        "diamond": abs(y) + abs(x) <= THING,
        "ring": (radius <= THING) & (radius > THING - 3),
    }[shape]


def draw_thing(canvas: np.ndarray, shape: int, colour: int, y: int, x: int) -> None:
    """Stamp a shape centred at (y, x); what runs over an edge of the scene comes back at the other."""
    ys, xs = np.nonzero(mask_of(SHAPES[shape]))
    canvas[(ys + y - THING) % SCENE[0], (xs + x - THING) % SCENE[1]] = COLOURS[COLOUR_NAMES[colour]]


def draw_in_view(frame: np.ndarray, shape: str, colour: str, y: int, x: int) -> None:
    """Stamp a shape centred at (y, x) of the view, cut at its edges."""
    top, left = y - THING, x - THING
    rows, columns = (
        slice(max(top, 0), min(top + 2 * THING + 1, VIEW)),
        slice(max(left, 0), min(left + 2 * THING + 1, VIEW)),
    )
    part = mask_of(shape)[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    frame[rows, columns][part] = COLOURS[colour]


def corner(now: dict[str, np.ndarray], row: int) -> np.ndarray:
    """The scene coordinates of the view's top left pixel."""
    return (now["origin"][row] + STRIDE * now["moved"][row]) % SCENE


def seen_at(now: dict[str, np.ndarray], row: int, places: np.ndarray) -> np.ndarray:
    """View coordinates of scene `places` (n, 2), the nearest way around."""
    half = np.array(SCENE) // 2
    return (places - corner(now, row) - VIEW // 2 + half) % SCENE - half + VIEW // 2


def things_in_view(now: dict[str, np.ndarray], row: int, things: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Those of `things` (shape, colour, y, x in the scene) of which a pixel shows, with y, x in the view."""
    things = things[things[:, 0] > 0]
    if not len(things):
        return []
    centres = seen_at(now, row, things[:, 2:])
    shown = ((centres > -THING) & (centres < VIEW + THING)).all(axis=1)
    return [(*things[k, :2].tolist(), *centres[k].tolist()) for k in np.flatnonzero(shown)]


def sprites_now(now: dict[str, np.ndarray], row: int) -> np.ndarray:
    """The sprites as things, where they have drifted to by now."""
    sprites = now["sprites"][row].copy()
    sprites[:, 3] += now["drift"][row] * now["clock"][row]
    return sprites


def pieces(begin: int, size: int) -> list[tuple[slice, slice]]:
    """Where a view that begins there lies along a side that wraps around: slices of the view and of the scene."""
    first = min(VIEW, size - begin)
    whole = [(slice(0, first), slice(begin, begin + first))]
    return whole if first == VIEW else [*whole, (slice(first, VIEW), slice(0, VIEW - first))]


def draw_view(frame: np.ndarray, now: dict[str, np.ndarray], row: int) -> None:
    """What row `row` sees, without sensor noise."""
    top, left = corner(now, row).tolist()
    for rows, scene_rows in pieces(top, SCENE[0]):
        for columns, scene_columns in pieces(left, SCENE[1]):
            frame[rows, columns] = now["scene"][row, scene_rows, scene_columns]
    for shape, colour, y, x in things_in_view(now, row, now["things"][row]):
        draw_in_view(frame, SHAPES[shape], COLOUR_NAMES[colour], y, x)
    for _, _, y, x in things_in_view(now, row, sprites_now(now, row)):
        draw_in_view(frame, "disc", "white", y, x)
    if now["night"][row]:
        frame //= 3


# --- directions and words -------------------------------------------------------------------------------------------


def direct(now: dict[str, np.ndarray], row: int, wish: Direction) -> Receipt:
    """Apply a direction to the true state of one row, or refuse it with a reason."""
    text = wish.text.strip().rstrip(".!").lower()
    if text in LIGHTS:
        return switch_light(now, row, LIGHTS[text], wish)
    if match := APPEARS.fullmatch(text):
        return place_thing(now, row, match, wish)
    if match := VANISHES.fullmatch(text):
        return remove_thing(now, row, match, wish)
    return Receipt(False, f"this world understands directions such as 'a red disc appears ahead', not {wish.text!r}.")


def switch_light(now: dict[str, np.ndarray], row: int, night: bool, wish: Direction) -> Receipt:
    if wish.lock is not None:
        return Receipt(False, "light falls on the locked region as well.")
    now["night"][row] = night
    return Receipt(True)


def place_thing(now: dict[str, np.ndarray], row: int, match: re.Match[str], wish: Direction) -> Receipt:
    centre = np.array([VIEW // 2, VIEW // 2 + PLACES[match[3] or "ahead"]])
    free = np.flatnonzero(now["things"][row, :SLOTS, 0] == 0)
    if not free.size:
        return Receipt(False, f"{SLOTS} things stand here already; let one vanish first.")
    if touches(wish.lock, centre):
        return Receipt(False, "it would stand in the locked region.")
    place = (corner(now, row) + centre) % SCENE
    now["things"][row, free[0]] = (SHAPES.index(match[2]), COLOUR_NAMES.index(match[1]), *place)
    return Receipt(True)


def remove_thing(now: dict[str, np.ndarray], row: int, match: re.Match[str], wish: Direction) -> Receipt:
    things = now["things"][row, :SLOTS]
    wanted = (things[:, 0] == SHAPES.index(match[2])) & (things[:, 1] == COLOUR_NAMES.index(match[1]))
    if not wanted.any():
        return Receipt(False, f"no {match[1]} {match[2]} was placed here.")
    if any(touches(wish.lock, centre) for centre in seen_at(now, row, things[wanted, 2:])):
        return Receipt(False, "it stands in the locked region.")
    things[wanted] = 0
    return Receipt(True)


def touches(lock: tuple[int, int, int, int] | None, centre: np.ndarray) -> bool:
    """Whether a thing centred there overlaps the locked rectangle."""
    if lock is None:
        return False
    top, left, height, width = lock
    y, x = centre
    return top - THING <= y < top + height + THING and left - THING <= x < left + width + THING


def caption(now: dict[str, np.ndarray], row: int) -> str:
    """What stands in view, from left to right, and the time of day."""
    known = np.concatenate([now["landmarks"][row], now["things"][row]])
    shown = sorted(things_in_view(now, row, known), key=lambda thing: thing[::-1])
    names = [f"a {COLOUR_NAMES[colour]} {SHAPES[shape]} {side(x)}" for shape, colour, _, x in shown]
    return (", ".join(names) or "open ground") + (", at night" if now["night"][row] else "")


def side(x: int) -> str:
    """Where in the view a column is, in the words that directions use."""
    third = min(max(x * 3 // VIEW, 0), 2)
    return tuple(PLACES)[third]
