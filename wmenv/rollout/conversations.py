"""Episodes that text agents play: several at once, each step on the disk before the next is asked for.

A folder holds `episodes.jsonl` (one record per finished episode), a transcript per episode, and a snapshot of each that
is under way. Whatever stops a run, a dead server, a spent budget or a kill, running it again goes on with the very step
that was not taken. Knows nothing of how agents are asked.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wmenv.contract import Instructs
from wmenv.env.infos import row_info
from wmenv.env.snapshot import Snapshot
from wmenv.env.text import Decision, Exchange, Scene, TextPolicy
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import DirectionError, OptionError, RolloutError
from wmenv.logs.sinks import AppendedFile, JsonLines, Record, finite, read_jsonl
from wmenv.metrics.quantiles import quantile_record
from wmenv.runtime import to_host

SCHEMA = "wmenv-conversation-1"
FACTS, EPISODES = "run.json", "episodes.jsonl"


def converse(
    env: WorldVectorEnv,
    policy: TextPolicy,
    episodes: int,
    folder: Path | str,
    *,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> list[Record]:
    """The records of `episodes` episodes, episode i begun with the seed `seed + i`; what is done already is not redone.

    As many episodes run at once as `env` has rows, and all agents are asked at the same time. `options` are reset
    options for every episode. If the agent gives no answer, its `AgentError` passes through, and all is kept.
    """
    if env.autoreset_mode.value != "NextStep":
        raise OptionError(f"conversations need autoreset_mode='NextStep', got {env.autoreset_mode.value!r}.")
    run = _Run(env, policy, Path(folder), seed, dict(options or {}))
    run.play(episodes)
    return [record for record in read_jsonl(run.folder / EPISODES) if record["episode"] < episodes]


class Transcript:
    """The steps of one episode, one JSON line each; whole after a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = AppendedFile(path)
        self.lines = read_jsonl(path)

    def add(self, line: Mapping[str, Any]) -> None:
        self._file.append(json.dumps(finite(line)) + "\n")
        self.lines.append(dict(line))

    def cut(self, steps: int) -> None:
        """Forget what comes after so many steps."""
        self._file.close()
        self.lines = self.lines[:steps]
        write_whole(self._path, "".join(json.dumps(line) + "\n" for line in self.lines).encode())
        self._file = AppendedFile(self._path)

    def close(self) -> None:
        self._file.close()


@dataclass
class _Episode:
    """One episode under way in a row."""

    number: int
    transcript: Transcript
    task: str | None
    resumed: bool  # the next step is the first after a resumption

    @property
    def news(self) -> str:
        return news_of(self.transcript.lines[-1]) if self.transcript.lines else ""

    @property
    def past(self) -> list[Exchange]:
        return [Exchange(line["told"], line["said"]) for line in self.transcript.lines]


class _Run:
    """A folder of conversations, and the environment that they happen in."""

    def __init__(
        self, env: WorldVectorEnv, policy: TextPolicy, folder: Path, seed: int, options: dict[str, Any]
    ) -> None:
        self.env, self.policy, self.folder, self.seed, self.options = env, policy, folder, seed, options
        self._claim()
        self._finished = JsonLines(folder / EPISODES)
        self._rows: dict[int, _Episode] = {}
        self._frames: Any = None

    def play(self, episodes: int) -> None:
        done = {record["episode"] for record in read_jsonl(self.folder / EPISODES)}
        waiting = [number for number in range(episodes) if number not in done]
        try:
            if waiting:
                self._frames, _ = self.env.reset(seed=self.seed)
            for row in range(min(self.env.num_envs, len(waiting))):
                self._begin(row, waiting.pop(0))
            while self._rows:
                for row in self._step():
                    if waiting:
                        self._begin(row, waiting.pop(0))
        finally:
            for episode in self._rows.values():
                episode.transcript.close()
            self._finished.close()

    # --- one step of every episode ------------------------------------------------------------------------------------

    def _step(self) -> list[int]:
        """Ask, act and write down; gives the rows that are free now."""
        rows = list(self._rows)
        scenes = self._scenes(rows)
        decisions = self.policy.decide_all(scenes, [self._rows[row].past for row in rows])
        actions = np.zeros(self.env.num_envs, np.int64)
        refused = {}
        for row, decision in zip(rows, decisions, strict=True):
            actions[row] = decision.answer.action
            refused[row] = self._direct(row, decision.answer.direction)
        self._frames, rewards, terminated, truncated, infos = self.env.step(actions)
        free = []
        for row, scene, decision in zip(rows, scenes, decisions, strict=True):
            info = row_info(infos, row)
            episode = self._rows[row]
            line = self._line(scene, decision, float(rewards[row]), info, refused[row], episode.resumed)
            over = bool(terminated[row] or truncated[row])
            self._keep(row, line, over)
            if over:
                self._finish(row, "terminated" if terminated[row] else "truncated", info)
                free.append(row)
        return free

    def _scenes(self, rows: Sequence[int]) -> list[Scene]:
        captions = self.env.describe() if self.env.world_spec.words else None
        frames = to_host(self._frames)
        return [
            Scene(self._rows[row].task, captions[row] if captions else None, frames[row], self._rows[row].news)
            for row in rows
        ]

    def _direct(self, row: int, text: str | None) -> str | None:
        """Pass a direction on; the reason if the environment would not even ask the world."""
        if text is None:
            return None
        try:
            self.env.direct(text, [row])
        except DirectionError as problem:
            return str(problem)
        return None

    def _line(
        self,
        scene: Scene,
        decision: Decision,
        reward: float,
        info: Mapping[str, Any],
        refused: str | None,
        resumed: bool,
    ) -> dict[str, Any]:
        answer, span = decision.answer, self.env.last_step
        direction = info.get("direction")
        if answer.direction and direction is None:
            direction = {"text": answer.direction, "applied": False, "reason": refused}
        return {
            "resumed": resumed,
            "told": scene.told,
            "said": decision.said,
            "action": self.policy.actions.names[answer.action],
            "how": answer.how,
            "direction": direction,
            "reward": reward,
            "thinking_ms": decision.thinking_ms,
            "world_ms": span.latency_ms if span else None,
            "attempts": decision.attempts,
            "tokens_in": decision.tokens_in,
            "tokens_out": decision.tokens_out,
            "unanswered": decision.unanswered,
        }

    def _keep(self, row: int, line: dict[str, Any], over: bool) -> None:
        """The step first, then the moment it led to: a kill between the two only means asking once more. Of a step that
        ends an episode no moment is kept, for nothing goes on from there."""
        episode = self._rows[row]
        episode.transcript.add(line)
        episode.resumed = False
        if not over:
            write_whole(self._moment(episode.number), self.env.snapshot([row]).to_bytes())

    # --- beginning and ending -----------------------------------------------------------------------------------------

    def _begin(self, row: int, number: int) -> None:
        """A new episode in `row`, or one that an earlier run did not finish."""
        transcript = Transcript(self.folder / "steps" / f"episode-{number:06d}.jsonl")
        moment, steps = self._moment(number), 0
        if moment.exists():
            snapshot = Snapshot.from_bytes(moment.read_bytes(), self.env.world)
            self._frames = self.env.restore(snapshot, [row])
            steps = int(snapshot.book.steps[0])
        else:
            mask = np.arange(self.env.num_envs) == row
            seeds = [self.seed + number if chosen else None for chosen in mask]
            self._frames, _ = self.env.reset(seed=seeds, options={**self.options, "reset_mask": mask})
        transcript.cut(steps)
        task = self.env.instructions()[row] if isinstance(self.env.world, Instructs) else None
        self._rows[row] = _Episode(number, transcript, task, resumed=steps > 0)

    def _finish(self, row: int, end: str, info: Mapping[str, Any]) -> None:
        episode = self._rows.pop(row)
        self._finished.write([self._record(episode, end, info)])
        episode.transcript.close()
        self._moment(episode.number).unlink(missing_ok=True)

    def _record(self, episode: _Episode, end: str, info: Mapping[str, Any]) -> Record:
        lines = episode.transcript.lines
        return {
            "schema": SCHEMA,
            "episode": episode.number,
            "seed": self.seed + episode.number,
            "agent": self.policy.name,
            "task": episode.task,
            "reward_source": self.env.reward_source,
            "end": end,
            "success": info.get("is_success"),
            "steps": len(lines),
            "return": sum(line["reward"] for line in lines),
            "invalid_action_rate": sum(line["how"] == "none" for line in lines) / len(lines),
            "unanswered": sum(line["unanswered"] is not None for line in lines),
            "answers": dict(Counter(line["how"] for line in lines)),
            "actions": dict(Counter(line["action"] for line in lines)),
            "directions": [line["direction"] for line in lines if line["direction"]],
            "thinking_ms": quantile_record(np.array([line["thinking_ms"] for line in lines])),
            "world_ms": quantile_record(np.array([line["world_ms"] for line in lines])),
            "attempts": sum(line["attempts"] for line in lines),
            "tokens_in": _sum(line["tokens_in"] for line in lines),
            "tokens_out": _sum(line["tokens_out"] for line in lines),
            "resumed_at": [step for step, line in enumerate(lines) if line["resumed"]],
            "wmenv": info.get("wmenv"),  # the environment's own record, since the last resumption
        }

    def _moment(self, number: int) -> Path:
        return self.folder / "under-way" / f"episode-{number:06d}"

    def _claim(self) -> None:
        """The folder is ours if nobody's, or if its run was this one."""
        facts = {
            "world": self.env.world_spec.name,
            "provenance": dict(self.env.world_spec.provenance),
            "agent": self.policy.name,
            "remembers": self.policy.remembers,
            "pictures": self.policy.pictures,
            "directs": self.policy.directs,
            "reward_source": self.env.reward_source,
            "seed": self.seed,
            "options": self.options,
        }
        path = self.folder / FACTS
        facts = json.loads(json.dumps(facts, default=repr))
        if path.exists() and (found := json.loads(path.read_text())) != facts:
            differs = [key for key in facts if found.get(key) != facts[key]]
            raise RolloutError(
                f"{self.folder} holds conversations with another {', '.join(differs)}. Choose another folder."
            )
        write_whole(path, json.dumps(facts, indent=1).encode())


def news_of(line: Mapping[str, Any]) -> str:
    """What an agent is told of the step it took."""
    said = "" if line["how"] != "none" else f"Your answer named no action of the menu, so you did {line['action']!r}. "
    if line["direction"] and not line["direction"]["applied"]:
        said += f"The world did not do {line['direction']['text']!r}: {line['direction']['reason']} "
    return f"{said}You did {line['action']}." if not said else said.strip()


def write_whole(path: Path, data: bytes) -> None:
    """A file that is either the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _sum(counts: Any) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
