"""Where things are, relative to where the episode began: the pose convention, and the place behind every view slot.

The agent begins at (0, 0) with heading 0, looking along -y; heading 1 looks along +x, after one right turn. So x grows
to the right of the first view and y grows behind it. Knows nothing of tiles or of the simulator.
"""

from __future__ import annotations

import numpy as np

from wmenv.sources.gridrooms.tiles import VIEW

_QUARTER = np.array([(0, -1), (1, 0)], np.int16)  # one right turn of an offset (x, y), y pointing down
TURNS = np.stack([np.linalg.matrix_power(_QUARTER, turns) for turns in range(4)]).astype(np.int16)

_rows, _columns = np.divmod(np.arange(VIEW * VIEW), VIEW)
SLOT_OFFSETS = np.stack([_columns - VIEW // 2, _rows - (VIEW - 1)], axis=1).astype(np.int16)  # right, and down
TURNED_OFFSETS = np.stack([SLOT_OFFSETS @ turn.T for turn in TURNS])  # (4, 49, 2)


def place_of_view(pose: np.ndarray) -> np.ndarray:
    """The places (..., 49, 2) int16 that the view slots show, row-major, from grid poses (..., 3): x, y, heading 0..3.

    >>> place_of_view(np.array([0, 0, 0]))[45], place_of_view(np.array([2, 0, 1]))[3]
    (array([0, 0], dtype=int16), array([8, 0], dtype=int16))
    """
    pose = np.asarray(pose).astype(np.int16)
    return pose[..., None, :2] + TURNED_OFFSETS[pose[..., 2] % 4]


def pose_in_radians(grid_pose: np.ndarray) -> np.ndarray:
    """x, y in steps and heading in radians, float32."""
    return np.asarray(grid_pose, np.float32) * np.array([1, 1, np.pi / 2], np.float32)
