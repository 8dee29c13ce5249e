"""GridRooms, the environment: minigrid's mechanics, seen as tiles, with sound, words, pose and directions.

Keeps one number per cell, the id of the tile that shows it, beside minigrid's objects; the view is cut out of those
numbers and rendered by table look-up. Knows nothing of learned worlds.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from gymnasium import spaces
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

from wmenv.contract import Receipt
from wmenv.errors import ActionError, LifecycleError, OptionError, did_you_mean
from wmenv.sources.gridrooms import sounds
from wmenv.sources.gridrooms.captions import caption_of
from wmenv.sources.gridrooms.changes import change
from wmenv.sources.gridrooms.directions import aim, understand
from wmenv.sources.gridrooms.drawing import make_object
from wmenv.sources.gridrooms.layout import AROUND, MOST_ROOMS, SIZE, lay_out
from wmenv.sources.gridrooms.places import TURNED_OFFSETS, TURNS, pose_in_radians
from wmenv.sources.gridrooms.sight import seen
from wmenv.sources.gridrooms.spec import ACTIONS, spec_of
from wmenv.sources.gridrooms.tasks import TASKS, Happening
from wmenv.sources.gridrooms.tiles import AGENT_SLOT, CATALOGUE, COLOURS, FRAME, VIEW

UNSEEN = CATALOGUE.encode("unseen")
FLOOR = CATALOGUE.encode("floor")
WALL = CATALOGUE.encode("wall", "grey")

_MARGIN = VIEW  # walls around the grid, so that every view lies inside the numbers
_STRIDE = SIZE + 2 * _MARGIN
_UP = 3  # minigrid's direction along -y, our heading 0


def _tile_numbers() -> dict[tuple[int, int, int], int]:
    """From minigrid's own encoding of an object to the id of its tile."""
    places = range(FLOOR + 1, CATALOGUE.encode("agent", COLOURS[0]))
    things: dict[int, Any] = {index: make_object(*CATALOGUE.tiles[index][:3]) for index in places}
    return {thing.encode(): index for index, thing in things.items()}


_NUMBER_OF = _tile_numbers()
# offsets of the 49 view slots in the flat numbers, by minigrid direction
_SLOTS = (TURNED_OFFSETS.astype(np.int64) @ (1, _STRIDE))[[(direction - _UP) % 4 for direction in range(4)]]


class GridRooms(MiniGridEnv):
    """Rooms seen from inside: 7x7 tiles of 8 pixels, 56x56 RGB; the actions of minigrid, the last one being "stay".

    `task` is one of `TASKS`; `rooms` fixes how many rooms there are (else 1 to 4, drawn anew each episode).
    `reset(options={"template": task})` lays the next episode out for another task; an environment made for "explore"
    never pays and never ends, whatever its template.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": sounds.FPS}  # noqa: RUF012 (as in minigrid)
    carrying: Any  # minigrid declares it None

    def __init__(
        self,
        task: str = "explore",
        max_steps: int | None = None,
        render_mode: str | None = None,
        rooms: int | None = None,
    ) -> None:
        self.task = self.template = _known_task(task)
        self.rooms = _possible_rooms(rooms, task)
        super().__init__(
            mission_space=MissionSpace(mission_func=lambda: TASKS[task].instruction),
            grid_size=SIZE,
            max_steps=2**62 if max_steps is None else max_steps,
            agent_view_size=VIEW,
            render_mode=render_mode,
            tile_size=FRAME // VIEW,
            agent_pov=True,
        )
        self.observation_space = spaces.Box(0, 255, (FRAME, FRAME, 3), np.uint8)
        self.world_spec = spec_of(task)

    # --- Gymnasium ------------------------------------------------------------------------------------------------

    def reset(  # type: ignore[override]  # minigrid leaves its observation type open
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        unknown = set(options or {}) - {"template"}
        if unknown:
            raise OptionError(f"no reset option {min(unknown)!r}. {did_you_mean(min(unknown), ['template'])}")
        self.template = _known_task((options or {}).get("template") or self.task)
        _possible_rooms(self.rooms, self.template)
        self.mission = self.instruction()
        return super().reset(seed=seed)

    def step(  # type: ignore[override]
        self, action: int
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self.agent_pos is None:
            raise LifecycleError("step() came before reset(). Reset the environment first.")
        if not 0 <= action < ACTIONS.count:
            raise ActionError(f"action {action!r} is not in 0..{ACTIONS.count - 1} ({', '.join(ACTIONS.names)}).")
        x, y = self.agent_pos
        dx, dy = AROUND[self.agent_dir]
        self._touched = x + dx, y + dy
        before = self.grid.get(*self._touched), self.carrying, self._number(*self._touched)
        frame, _, _, truncated, info = super().step(action)
        happening = self._happening(int(action), *before)
        over, success = self._judge(happening)
        self._hear(happening, success)
        return frame, float(success), over, truncated, info

    def _gen_grid(self, width: int, height: int) -> None:
        layout = lay_out(self.np_random, self.template, self.rooms)
        self.grid = layout.grid
        self.agent_pos, self.agent_dir = layout.agent_pos, layout.agent_dir
        self._start = (*layout.agent_pos, layout.agent_dir)
        self.agent_colour = COLOURS[0]
        self.dark = False
        self._numbers = np.full(_STRIDE * _STRIDE, WALL, np.int64)
        for x, y in np.ndindex(SIZE, SIZE):
            self._note((x, y))
        self._touched = layout.agent_pos
        self._recent: deque[list[int]] = deque([[]], maxlen=sounds.RING)

    def gen_obs(self) -> np.ndarray:
        """The frame the agent sees now; minigrid calls this at the end of `reset` and `step`."""
        self._note(self._touched)
        self._ids = self._look()
        return CATALOGUE.render(self._ids)

    def get_pov_render(self, tile_size: int) -> np.ndarray:
        """What `render` shows: the agent's view."""
        return self.gen_obs()

    # --- the view -------------------------------------------------------------------------------------------------

    def tiles(self) -> np.ndarray:
        """(49,) uint16: the tile ids of the view, row-major."""
        return self._ids.astype(np.uint16)

    def sees(self) -> np.ndarray:
        """(49,) bool: the view slots whose place is seen."""
        return self._ids % CATALOGUE.night != UNSEEN

    def _look(self) -> np.ndarray:
        here = self._index(*self.agent_pos)
        view = self._numbers[here + _SLOTS[self.agent_dir]]
        view[~seen(CATALOGUE.opaque[view])] = UNSEEN
        shown = self._numbers[here] if self.carrying is None else _NUMBER_OF[self.carrying.encode()]
        view[AGENT_SLOT] = CATALOGUE.agent[COLOURS.index(self.agent_colour), shown]
        return view + CATALOGUE.night if self.dark else view

    def _index(self, x: int, y: int) -> int:
        return (int(y) + _MARGIN) * _STRIDE + int(x) + _MARGIN

    def _number(self, x: int, y: int) -> int:
        return int(self._numbers[self._index(x, y)])

    def _cell(self, slot: int) -> tuple[int, int]:
        """The grid cell behind a view slot."""
        dx, dy = TURNED_OFFSETS[(self.agent_dir - _UP) % 4, slot]
        return int(self.agent_pos[0] + dx), int(self.agent_pos[1] + dy)

    def _note(self, cell: tuple[int, int]) -> None:
        """Read a cell's number anew from minigrid's object."""
        thing = self.grid.get(*cell)
        self._numbers[self._index(*cell)] = FLOOR if thing is None else _NUMBER_OF[thing.encode()]

    # --- what happened --------------------------------------------------------------------------------------------

    def _happening(self, action: int, cell: WorldObj | None, carried: Any, number: int) -> Happening:
        name = ACTIONS.names[action]
        kind = "floor" if cell is None else cell.type
        if name in ("left", "right"):
            return Happening("turn")
        if name == "forward":
            return Happening("step" if self.agent_pos == self._touched else "bump", kind)
        if name == "pickup" and self.carrying is not carried:
            return Happening("pickup", kind, place=self._touched)
        if name == "drop" and self.carrying is not carried:
            return Happening("drop", carried.type, place=self._touched)
        if name == "toggle" and self._number(*self._touched) != number:
            return Happening("door", kind, unlocked=CATALOGUE.state[number] == "locked")
        return Happening()

    def _judge(self, happening: Happening) -> tuple[bool, bool]:
        if self.task == "explore":
            return False, False
        verdict = TASKS[self.template].judge(self, happening)
        return verdict.over, verdict.success

    def _hear(self, happening: Happening, success: bool) -> None:
        events = [sounds.SOUNDS.index(happening.name)] if happening.name else []
        self._recent.appendleft(events + [sounds.SOUNDS.index("success")] * success)

    # --- SourceEnv ------------------------------------------------------------------------------------------------

    def sound_events(self) -> list[int]:
        """Ids into `sounds.SOUNDS` of what was heard in the step just taken."""
        return list(self._recent[0])

    def sound(self) -> np.ndarray:
        """The PCM of the step just taken."""
        return sounds.mix(list(self._recent))

    def grid_pose(self) -> np.ndarray:
        """(3,) int16: x, y and heading 0..3 relative to where the episode began; see `places.py`."""
        x, y, direction = self._start
        offset = TURNS[(_UP - direction) % 4] @ (self.agent_pos[0] - x, self.agent_pos[1] - y)
        return np.array([*offset, (self.agent_dir - direction) % 4], np.int16)

    def pose(self) -> np.ndarray:
        """(3,) float32: x, y in steps and heading in radians relative to where the episode began."""
        return pose_in_radians(self.grid_pose())

    def caption(self) -> str:
        """What is in view, in words."""
        return caption_of(self._ids)

    def direct(self, text: str) -> Receipt:
        """Change the true state as the sentence says, at once; or refuse with a reason."""
        if self.agent_pos is None:
            raise LifecycleError("direct() came before reset(). Reset the environment first.")
        command, confusion = understand(text)
        if command is None:
            return Receipt(False, confusion)
        target = aim(command, self._ids)
        if target.refusal:
            return Receipt(False, target.refusal)
        cell = None if target.slot is None else self._cell(target.slot)
        change(self, command, cell)
        if cell is not None:
            self._note(cell)
        self._ids = self._look()
        return Receipt(True)

    def look(self) -> np.ndarray:
        """The frame of what is in view now."""
        return CATALOGUE.render(self._ids)

    def instruction(self) -> str:
        """The task of this episode, in words."""
        return TASKS[self.template].instruction


def _known_task(task: str) -> str:
    if task not in TASKS:
        raise OptionError(f"no task {task!r} in GridRooms. {did_you_mean(task, TASKS)}")
    return task


def _possible_rooms(rooms: int | None, task: str) -> int | None:
    least = TASKS[task].least_rooms
    if rooms is not None and not least <= rooms <= MOST_ROOMS:
        raise OptionError(f"task {task!r} takes {least} to {MOST_ROOMS} rooms, got rooms={rooms!r}.")
    return rooms
