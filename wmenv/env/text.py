"""Text agents: a scene becomes chat messages, an answer becomes an action, and words may direct the world.

A `TextPolicy` asks any callable that takes messages and gives text, an `Endpoint` or a function of your own. It keeps
nothing between two steps: what an agent remembers of an episode is handed to it. Knows nothing of files or of how
episodes are run.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wmenv.contract import ActionTable
from wmenv.env.answers import Answer, AnswerParser
from wmenv.env.chat import Chat, Message, as_reply
from wmenv.errors import AgentError, OptionError

RULES = """You act in a world that you see through your own eyes. Your task: {task}.
Each turn you are told what is in view. Answer with exactly one action from this menu, as <action>name</action>:
{menu}"""
DIRECTING = """
You may also change the world: add one sentence that says what happens, as <direct>sentence</direct>.{examples}"""
SMALLEST_PICTURE = 224  # pixels; smaller ones are enlarged, since vision models were made for larger ones


@dataclass(frozen=True)
class Scene:
    """What an agent is told of the present: the task, the words and the picture for what is in view, and what became
    of its last action."""

    task: str | None = None
    caption: str | None = None
    frame: np.ndarray | None = None
    news: str = ""

    @property
    def told(self) -> str:
        """All of it but the picture, as a message."""
        seen = self.caption or ("see the picture" if self.frame is not None else "nothing")
        return f"{self.news} In view: {seen}.".strip()


@dataclass(frozen=True)
class Exchange:
    """One turn of the past: what the agent was told and what it said."""

    told: str
    said: str


@dataclass(frozen=True)
class Decision:
    """What the agent said and what that means, how long it thought, and what it cost.

    `unanswered` is the reason why there was no answer at all; the action is then the fallback.
    """

    said: str
    answer: Answer
    thinking_ms: float
    attempts: int = 1
    tokens_in: int | None = None
    tokens_out: int | None = None
    unanswered: str | None = None


class TextPolicy:
    """An agent that is told scenes in words and pictures, and answers in words.

    `remembers` is how many past turns it is shown, in words. `directs` offers it to direct the world. `fallback` is
    what an invalid answer does, the table's no-op if not given. `unanswered` says what a call without any answer does:
    "stop" raises `AgentError`, "noop" takes the fallback and says so.

    >>> policy = TextPolicy(lambda messages: "<action>left</action>", ActionTable(("left", "stay"), noop=1))
    >>> policy.decide(Scene("find the ball", "a wall ahead")).answer
    Answer(action=0, how='tag', direction=None)
    """

    def __init__(
        self,
        chat: Chat,
        actions: ActionTable,
        *,
        remembers: int = 8,
        pictures: bool = True,
        directs: bool = False,
        suggestions: Sequence[str] = (),
        fallback: str | None = None,
        unanswered: Literal["stop", "noop"] = "stop",
    ) -> None:
        if unanswered not in ("stop", "noop"):
            raise OptionError(f"unanswered is 'stop' or 'noop', got {unanswered!r}.")
        self.chat, self.actions = chat, actions
        self.remembers, self.pictures, self.directs = remembers, pictures, directs
        self._suggestions, self._unanswered = tuple(suggestions), unanswered
        self._parser = AnswerParser(actions, fallback)

    @property
    def name(self) -> str:
        """How records say who acted."""
        model = getattr(self.chat, "model", None)
        return f"text:{model or getattr(self.chat, '__name__', type(self.chat).__name__)}"

    def messages(self, scene: Scene, past: Sequence[Exchange] = ()) -> list[Message]:
        """The chat as the model sees it: the rules, the turns it remembers, and the scene with its picture."""
        turns: list[Message] = [{"role": "system", "content": self._rules(scene.task)}]
        for turn in past[max(0, len(past) - self.remembers) :]:
            turns += [{"role": "user", "content": turn.told}, {"role": "assistant", "content": turn.said}]
        if scene.frame is None or not self.pictures:
            return [*turns, {"role": "user", "content": scene.told}]
        picture = {"type": "image_url", "image_url": {"url": data_url(scene.frame)}}
        return [*turns, {"role": "user", "content": [{"type": "text", "text": scene.told}, picture]}]

    def decide(self, scene: Scene, past: Sequence[Exchange] = ()) -> Decision:
        """Ask once, and read the answer."""
        began = time.perf_counter()
        try:
            reply = as_reply(self.chat(self.messages(scene, past)))
        except AgentError as problem:
            if self._unanswered == "stop":
                raise
            fallback = Answer(self._parser.fallback, "none")
            return Decision("", fallback, 1e3 * (time.perf_counter() - began), unanswered=str(problem))
        thinking_ms = 1e3 * (time.perf_counter() - began)
        answer = self._parser.read(reply.text)
        if not self.directs and answer.direction is not None:
            how = "none" if answer.how == "direction" else answer.how
            answer = Answer(answer.action, how)
        return Decision(reply.text, answer, thinking_ms, reply.attempts, reply.tokens_in, reply.tokens_out)

    def decide_all(self, scenes: Sequence[Scene], pasts: Sequence[Sequence[Exchange]]) -> list[Decision]:
        """One decision per scene, all asked for at the same time."""
        with ThreadPoolExecutor(max_workers=max(1, len(scenes))) as asking:
            return list(asking.map(self.decide, scenes, pasts))

    def _rules(self, task: str | None) -> str:
        menu = "\n".join(f"- {name}" for name in self.actions.names)
        rules = RULES.format(task=task or "look around", menu=menu)
        if not self.directs:
            return rules
        examples = f" For example: {'; '.join(self._suggestions[:5])}." if self._suggestions else ""
        return rules + DIRECTING.format(examples=examples)


def data_url(frame: np.ndarray) -> str:
    """A frame as a PNG that a message can carry."""
    import cv2

    factor = -(-SMALLEST_PICTURE // min(frame.shape[:2]))
    large = frame.repeat(factor, axis=0).repeat(factor, axis=1)
    done, data = cv2.imencode(".png", large[..., ::-1])
    assert done, f"OpenCV could not encode a frame of {frame.dtype} {frame.shape}"
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
