"""One small honest world whose every number can be worked out by hand, for tests of what stands on worlds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from wmenv.contract import (
    Actions,
    ActionTable,
    ArrayState,
    AudioSpec,
    Directions,
    Event,
    Outcome,
    Receipt,
    Start,
    Step,
    WorldSpec,
    check_directions,
)

ACTIONS = ActionTable(("less", "stay", "more"), noop=1, inverse={0: 2, 2: 0}, keys={"a": 0, "d": 2})
SIDE = 36  # the smallest picture that Stable-Baselines3 takes


class CountingWorld:
    """Each row counts: action 2 adds one, 0 takes one away, and each row's own dice add noise to its picture.

    A row begins at its seed modulo 5; it pays 1 and ends when the count reaches `goal`. The direction "jump" adds ten;
    a row that hears adds the first sample instead of its action.
    The picture's first pixel is (count, step, dice), so a test can read everything back.
    """

    def __init__(
        self,
        goal: int | None = 8,
        frames_per_step: int = 1,
        seconds: float = 0.0,
        extras: bool = False,
        output: str = "numpy",
        actions: ActionTable = ACTIONS,
    ) -> None:
        self.goal, self.seconds, self.extras = goal, seconds, extras
        self.calls = {"open": 0, "advance": 0}
        self.spec = WorldSpec(
            name="counting",
            height=SIDE,
            width=SIDE,
            fps=100.0,
            actions=actions,
            frames_per_step=frames_per_step,
            reward=None if goal is None else "env",
            terminates=goal is not None,
            directions=True,
            words=True,
            audio=AudioSpec(8000, 4) if extras else None,
            hears=extras,
            pose="true" if extras else None,
            snapshots="copy",
            starts=frozenset({"seed", "template", "moment", "prompt", "picture"}),
            templates=("low", "high"),
            suggestions=("jump",),
            output=output,
        )

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[ArrayState, Outcome]:
        self.calls["open"] += 1
        rows = [self._row(start.check(self.spec), seed) for start, seed in zip(starts, seeds, strict=True)]
        state = ArrayState.concat(rows)
        return state, self._show(state.arrays, [None] * len(seeds))

    def advance(self, state: ArrayState, actions: Actions, directions: Directions) -> tuple[ArrayState, Outcome]:
        self.calls["advance"] += 1
        check_directions(directions, self.spec)
        time.sleep(self.seconds)
        now = state.consume().arrays
        moves = actions if actions.ndim == 1 else np.rint(actions[:, 0]).astype(np.int64) + 1
        heard = [int(np.frombuffer(one.sound, "<i2")[0]) if one and one.sound else None for one in directions]
        now["count"] += [move - 1 if sound is None else sound for move, sound in zip(moves, heard, strict=True)]
        now["step"] += 1
        now["dice"] = (now["dice"] * 6364136223846793005 + now["stream"]) % 2**32
        receipts = [
            None if direction is None else Receipt(True) if direction.sound else self._direct(now, row, direction.text)
            for row, direction in enumerate(directions)
        ]
        return ArrayState("counting", now), self._show(now, receipts)

    def revive(self, data: bytes) -> ArrayState:
        return ArrayState.from_bytes(data, "counting")

    def describe(self, state: ArrayState) -> list[str]:
        return [f"the count is {count}" for count in state.arrays["count"]]

    def instructions(self, state: ArrayState) -> list[str]:
        return [f"reach {self.goal}"] * len(state)

    def _row(self, start: Start, seed: int) -> ArrayState:
        if start.moment is not None:
            state = self.revive(start.moment)
            state.arrays["stream"][:] = seed * 2 + 1
            return state
        count = {"low": 0, "high": 6, None: seed % 5}[start.template] + (1 if start.prompt else 0)
        if start.picture is not None:
            count = int(start.picture[0, 0, 0])
        numbers = {"count": count, "step": 0, "dice": seed % 251, "stream": seed * 2 + 1}
        return ArrayState("counting", {name: np.array([value], np.int64) for name, value in numbers.items()})

    def _direct(self, now: dict[str, np.ndarray], row: int, text: str) -> Receipt:
        if text != "jump":
            return Receipt(False, f"I can only jump, not {text!r}.")
        now["count"][row] += 10
        return Receipt(True)

    def _show(self, now: dict[str, np.ndarray], receipts: list[Receipt | None]) -> Outcome:
        rows, made = len(now["count"]), self.spec.frames_per_step
        chunk = np.zeros((rows, made, SIDE, SIDE, 3), np.uint8)
        pixel = np.stack([now["count"] % 256, now["step"] % 256, now["dice"] % 256], axis=1).astype(np.uint8)
        chunk[:, -1, 0, 0] = pixel
        reached = now["count"] >= self.goal if self.goal is not None else None
        outcome = {
            "frames": chunk[:, -1].copy() if made > 1 else chunk[:, 0],
            "chunk": chunk if made > 1 else None,
            "reward": None if reached is None else reached.astype(np.float32),
            "terminated": reached,
        }
        if self.extras:
            outcome["pose"] = np.stack([now["count"], now["step"], now["step"] * 0], axis=1).astype(np.float32)
            outcome["audio"] = np.repeat(now["count"][:, None], 4, axis=1).astype(np.int16)
        if self.spec.output == "torch":
            import torch

            outcome = {name: value if value is None else torch.from_numpy(value) for name, value in outcome.items()}
        tens = [(Event("ten", f"step {step}"),) if step % 10 == 9 else () for step in now["step"]]
        return Outcome(**outcome, receipts=receipts, events=tens)


def pixel(frames: np.ndarray) -> tuple[int, ...]:
    """The count, step and dice that a frame (or a batch of them) shows."""
    return frames[..., 0, 0, :].tolist()


class Diary:
    """An observer whose records are a function of the episode alone, with values of every kind."""

    def __init__(self, rows: int) -> None:
        self.steps = dict.fromkeys(range(rows), 0)
        self.begun: list = []
        self.seen: list[Step] = []
        self.closed = False

    def opened(self, rows, seeds, starts, outcome, span) -> None:
        self.begun.append((list(rows), list(seeds), [sorted(start.kinds) for start in starts]))
        for row in rows:
            self.steps[row] = 0

    def stepped(self, step: Step) -> dict[int, dict]:
        self.seen.append(step)
        for row in np.flatnonzero(step.active):
            self.steps[row] += 1
        ended = np.flatnonzero(step.active & (step.terminated | step.truncated)).tolist()
        return {
            row: {"frames": self.steps[row], "how": {"cut": bool(step.truncated[row]), "name": "fake"}} for row in ended
        }

    def close(self) -> None:
        self.closed = True
