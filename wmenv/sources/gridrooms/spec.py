"""What GridRooms says of itself: its actions, and the abilities it has for each task. Needs no simulator."""

from __future__ import annotations

from wmenv.contract import ActionTable, AudioSpec, WorldSpec
from wmenv.sources.gridrooms import sounds
from wmenv.sources.gridrooms.grammar import SUGGESTIONS
from wmenv.sources.gridrooms.tasks import TASKS
from wmenv.sources.gridrooms.tiles import FRAME

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, STAY = range(7)
ACTIONS = ActionTable(
    names=("left", "right", "forward", "pickup", "drop", "toggle", "stay"),
    noop=6,
    inverse={0: 1, 1: 0},
    pans=(0, 1),
    keys={"ArrowLeft": 0, "ArrowRight": 1, "ArrowUp": 2, "a": 0, "d": 1, "w": 2, "e": 3, "q": 4, " ": 5, "s": 6},
)


def spec_of(task: str) -> WorldSpec:
    """What GridRooms says of itself when made for `task`."""
    ends = task != "explore"
    return WorldSpec(
        name="gridrooms",
        height=FRAME,
        width=FRAME,
        fps=sounds.FPS,
        actions=ACTIONS,
        reward="env" if ends else None,
        terminates=ends,
        directions=True,
        words=True,
        audio=AudioSpec(sounds.RATE, sounds.SAMPLES),
        pose="true",
        snapshots="copy",
        starts=frozenset({"seed", "template"}),
        templates=tuple(TASKS),
        suggestions=SUGGESTIONS,
    )
