"""One episode of GridRooms as training data: tile ids instead of pixels, event ids instead of sound, and what was
typed.

Everything follows from the episode's number, so a data set can be made again, in parts, anywhere. An action leads to a
frame; a direction is applied after the action and is seen in the same frame.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from wmenv.sources.gridrooms.directions import sample_direction
from wmenv.sources.gridrooms.env import GridRooms
from wmenv.sources.gridrooms.grammar import VOCABULARY, nonsense
from wmenv.sources.gridrooms.policies import POLICIES, Unhurried, make_policy
from wmenv.sources.gridrooms.sounds import SOUND_BANK
from wmenv.sources.gridrooms.spec import ACTIONS, spec_of
from wmenv.sources.gridrooms.tasks import TASKS
from wmenv.sources.gridrooms.tiles import CATALOGUE

MOTIONS = ((0, 0, 0), (0, -1, 0), (0, 0, -1), (0, 0, 1))  # stay, forward, turn left, turn right; in the viewer's frame
SILENT = 255

TASK_SHARES = {"explore": 0.4, "reach": 0.15, "fetch": 0.15, "unlock": 0.15, "put_next": 0.15}
POLICY_SHARES = {
    "random_walk": 0.15,
    "solver": 0.2,
    "explorer": 0.15,
    "look_away_and_return": 0.15,
    "place_and_leave": 0.1,
    "hands_full": 0.1,
    "weird": 0.15,
}
assert set(TASK_SHARES) == set(TASKS)
assert set(POLICY_SHARES) == set(POLICIES)


@dataclass
class Recording:
    """One episode of T steps, T + 1 frames. `typed` lists (frame, text, applied)."""

    tiles: np.ndarray
    pose: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    end: np.ndarray
    sound: np.ndarray
    instruction: str
    task: str
    policy: str
    typed: list[tuple[int, str, bool]] = field(default_factory=list)

    columns = ("tiles", "pose", "action", "reward", "end", "sound")


def data_facts() -> dict[str, Any]:
    """What a trainer must know to read the recordings, and a learned world to be one: palette, words, sounds,
    motions, spec."""
    spec = spec_of("explore")
    return {
        "source": spec.name,
        "instructions": {name: task.instruction for name, task in TASKS.items()},
        "spec": {
            "fps": spec.fps,
            "actions": asdict(spec.actions),
            "audio": asdict(spec.audio) if spec.audio else None,
            "suggestions": spec.suggestions,
        },
        "images": CATALOGUE.images,
        "anchored": CATALOGUE.shows_place,
        "sight": CATALOGUE.sight,
        "traits": CATALOGUE.traits,
        "sound_bank": SOUND_BANK,
        "words": list(VOCABULARY),
        "motions": MOTIONS,
        "actions": ACTIONS.count,
        "anchor": (6.0, 3.0),
    }


def record_episode(number: int) -> Recording:
    """Episode `number` of the endless data set."""
    rng = np.random.default_rng([number, 20])
    task = str(rng.choice(list(TASK_SHARES), p=list(TASK_SHARES.values())))
    policy = make_policy(str(rng.choice(list(POLICY_SHARES), p=list(POLICY_SHARES.values()))), rng)
    hand = Unhurried(policy)
    env = GridRooms(task)
    env.reset(seed=int(rng.integers(2**31)))
    length = int(rng.integers(60, 260))
    directing = rng.random() < 0.6
    rate = float(rng.choice([0.03, 0.08, 0.15])) if directing else 0.0
    tiles, pose, steps, typed = [env.tiles()], [env.grid_pose()], [], []
    for frame in range(1, length + 1):
        action = hand(env)
        _, reward, end, _, _ = env.step(action)
        if rng.random() < rate and not end:
            text = _draw_text(rng, env)
            typed.append((frame, text, env.direct(text).applied))
        tiles.append(env.tiles())
        pose.append(env.grid_pose())
        steps.append((action, reward, end, *_heard(env)))
        if end:
            break
    actions, rewards, ends, *sounds = (np.array(column) for column in zip(*steps, strict=True))
    return Recording(
        tiles=np.stack(tiles),
        pose=np.stack(pose),
        action=actions.astype(np.uint8),
        reward=rewards.astype(np.float16),
        end=ends.astype(bool),
        sound=np.stack(sounds, 1).astype(np.uint8),
        instruction=env.instruction(),
        task=task,
        policy=type(policy).__name__,
        typed=typed,
    )


def _draw_text(rng: np.random.Generator, env: GridRooms) -> str:
    chance = rng.random()
    if chance < 0.08:
        return nonsense(rng)
    return sample_direction(rng, env, possible=chance < 0.82)


def _heard(env: GridRooms) -> tuple[int, int]:
    """The step's sound events in two columns."""
    events = [*env.sound_events(), SILENT, SILENT]
    return events[0], events[1]
