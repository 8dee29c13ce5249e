"""Plays from captions alone, by a few rules: the baseline that a language model must beat.

    python agents/caption_policy.py --task fetch

It reads "a red ball two ahead and one left; you carry a blue key" as a person would, inside the generated world and in
the real one, and says how often it succeeds in each.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

import wmenv  # noqa: F401  (registers the ids)

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
THING = re.compile(
    r"an? (?:(?P<state>open|closed|locked) )?(?P<colour>\w+) (?P<kind>goal|door|key|ball|box)(?P<where>.*)"
)
CARRIED = re.compile(r"you carry an? (\w+) (\w+)")
PRESENT = "ahead"  # without a number: the very next place


@dataclass(frozen=True)
class Thing:
    """Something in view: `ahead` and `right` are steps, negative `right` is left."""

    kind: str
    colour: str
    state: str
    ahead: int
    right: int

    @property
    def reachable_now(self) -> bool:
        return (self.ahead, self.right) == (1, 0)


@dataclass(frozen=True)
class Sight:
    """A caption, understood."""

    things: tuple[Thing, ...]
    wall: bool
    carried: tuple[str, str] | None  # colour, kind

    @classmethod
    def read(cls, caption: str) -> Sight:
        """What a caption says.

        >>> Sight.read("a red ball two ahead and one left; you are red").things
        (Thing(kind='ball', colour='red', state='', ahead=2, right=-1),)
        """
        parts = caption.split("; ")
        carried = next((match.groups() for part in parts if (match := CARRIED.fullmatch(part))), None)
        things = [_thing(match) for part in parts if (match := THING.fullmatch(part))]
        return cls(tuple(things), "a wall ahead" in parts, carried)

    @property
    def in_front(self) -> Thing | None:
        return next((thing for thing in self.things if thing.reachable_now), None)

    def nearest(self, *kinds: str, **wanted: str) -> Thing | None:
        """The nearest thing of these kinds; captions name the nearest first."""
        fits = (one for one in self.things if one.kind in kinds)
        return next((one for one in fits if all(getattr(one, key) == value for key, value in wanted.items())), None)


def _thing(match: re.Match) -> Thing:
    words = match["where"].split()
    ahead = right = 0
    for before, word in zip(["", *words], words, strict=False):
        if word == PRESENT:
            ahead = NUMBERS.get(before, 1)
        elif word in ("left", "right"):
            right = NUMBERS[before] * (1 if word == "right" else -1)
    return Thing(match["kind"], match["colour"], match["state"] or "", ahead, right)


class CaptionPolicy:
    """Rules for the four tasks; chance decides only where there is nothing to go for."""

    def __init__(self, task: str, seed: int) -> None:
        self.task, self.rng = task, np.random.default_rng(seed)
        self.turning: str | None = None

    def __call__(self, caption: str) -> str:
        """The next action."""
        sight = Sight.read(caption)
        target, deed = self._wanted(sight)
        if target is not None and target.reachable_now:
            return deed
        if target is not None:
            return self._towards(sight, target)
        return self._explore(sight)

    def _wanted(self, sight: Sight) -> tuple[Thing | None, str]:
        """What to go to, and what to do in front of it."""
        if self.task == "reach":
            return sight.nearest("goal"), "forward"
        if self.task == "fetch":
            return sight.nearest("ball"), "pickup"
        if self.task == "unlock":
            return self._unlock(sight)
        if sight.carried and sight.carried[1] == "ball":
            return self._beside_box(sight), "drop"
        return sight.nearest("ball"), "pickup"

    def _unlock(self, sight: Sight) -> tuple[Thing | None, str]:
        if sight.carried and sight.carried[1] == "key":
            fits = sight.nearest("door", state="locked", colour=sight.carried[0])
            if fits is not None:
                return fits, "toggle"
            return None, ""
        return sight.nearest("key"), "pickup"

    def _beside_box(self, sight: Sight) -> Thing | None:
        """A free place next to a box, if one is in view."""
        box = sight.nearest("box")
        if box is None:
            return None
        taken = {(one.ahead, one.right) for one in sight.things}
        places = [(box.ahead - 1, box.right), (box.ahead, box.right - 1), (box.ahead, box.right + 1)]
        free = [place for place in places if place not in taken and place[0] >= 1]
        if not free:
            return Thing("place", "", "", max(box.ahead - 1, 0), box.right)
        ahead, right = min(free, key=lambda place: place[0] + abs(place[1]))
        return Thing("place", "", "", ahead, right)

    def _towards(self, sight: Sight, target: Thing) -> str:
        if target.ahead > (1 if target.right else 0):
            step = self._forward(sight, target)
            if step is not None:
                return step
        if target.ahead == 1 and target.right and (step := self._forward(sight, target)) is not None:
            return step
        if target.right:
            return "right" if target.right > 0 else "left"
        return self._turn()

    def _forward(self, sight: Sight, target: Thing) -> str | None:
        """A step ahead, or through a door; None where the way is blocked."""
        blocking = sight.in_front
        if blocking is None:
            return None if sight.wall else "forward"
        if blocking.kind == "door" and blocking.state == "closed":
            return "toggle"
        passable = blocking.kind == "goal" or blocking.state == "open"
        return "forward" if passable else None

    def _explore(self, sight: Sight) -> str:
        """On until something blocks, then along it; sometimes a turn for its own sake."""
        step = self._forward(sight, Thing("place", "", "", 1, 0))
        if step is not None and self.rng.random() > 0.12:
            self.turning = None
            return step
        return self._turn()

    def _turn(self) -> str:
        """The same way as before until the way is free, so that it does not sway for ever."""
        self.turning = self.turning or str(self.rng.choice(["left", "right"]))
        return self.turning


def success(env_id: str, task: str, episodes: int, rows: int, steps: int, stray: float, seed: int) -> float:
    """The share of episodes that the rules win; with `stray`, any action at all that often."""
    env = gym.make_vec(env_id, num_envs=rows, max_episode_steps=steps)
    names, won = env.unwrapped.get_action_meanings(), []
    rng = np.random.default_rng(seed)
    for first in range(0, episodes, rows):
        env.reset(seed=seed + first)
        policies = [CaptionPolicy(task, seed + first + row) for row in range(rows)]
        over = np.zeros(rows, bool)
        done = np.zeros(rows, bool)
        while not over.all():
            told = zip(policies, env.unwrapped.describe(), strict=True)
            actions = np.array([names.index(policy(caption)) for policy, caption in told])
            strays = rng.random(rows) < stray
            actions[strays] = rng.integers(0, len(names), int(strays.sum()))
            _, rewards, terminated, truncated, _ = env.step(actions)
            done |= ~over & terminated & (rewards > 0)
            over |= terminated | truncated
        won += done.tolist()
    env.close()
    return float(np.mean(won[:episodes]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = {"reach": "Reach", "fetch": "Fetch", "unlock": "Unlock", "put_next": "PutNext"}
    parser.add_argument("--task", choices=tasks, default="fetch")
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--rows", type=int, default=16, help="episodes at once")
    parser.add_argument("--steps", type=int, default=64, help="after which an episode is cut")
    parser.add_argument("--stray", type=float, default=0.05, help="how often any action at all is taken")
    parser.add_argument("--only", choices=["inside", "outside"])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for where, name in (("inside", "GridRooms"), ("outside", "GridRoomsSource")):
        if asked.only in (None, where):
            env_id = f"wmenv/{name}-{tasks[asked.task]}-v0"
            share = success(env_id, asked.task, asked.episodes, asked.rows, asked.steps, asked.stray, asked.seed)
            print(f"{where:8} {env_id:34} success {share:.2f} of {asked.episodes} episodes")


if __name__ == "__main__":
    main()
