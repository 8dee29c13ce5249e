"""What a player of Oasis can do: the 25 fields of a Minecraft controller, as the model was trained to read them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wmenv.contract import ActionTable
from wmenv.errors import ActionError, did_you_mean

HOTBAR = tuple(f"hotbar.{slot}" for slot in range(1, 10))
WALK = ("forward", "back", "left", "right")
CAMERA = ("cameraX", "cameraY")  # -1 to 1; 0 is still
HANDS = ("jump", "sneak", "sprint", "swapHands", "attack", "use", "pickItem", "drop")
FIELDS = ("inventory", "ESC", *HOTBAR, *WALK, *CAMERA, *HANDS)

TABLE = ActionTable(
    FIELDS,
    kind="box",
    low=tuple(-1.0 if field in CAMERA else 0.0 for field in FIELDS),
    high=(1.0,) * len(FIELDS),
    noop=(0.0,) * len(FIELDS),
)


def press(values: Mapping[str, float]) -> np.ndarray:
    """The action with these fields set and all others at rest.

    >>> press({"forward": 1, "cameraX": -0.5})[[11, 15]].tolist()
    [1.0, -0.5]
    """
    action = np.zeros(len(FIELDS), np.float32)
    for name, value in values.items():
        if name not in FIELDS:
            raise ActionError(f"no field is called {name!r}. {did_you_mean(name, FIELDS)}")
        action[FIELDS.index(name)] = value
    return action
