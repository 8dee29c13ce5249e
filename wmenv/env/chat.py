"""Language models over the wire: any endpoint that speaks the chat completions protocol.

Sends messages, does not wait for ever, tries again where that can help, and keeps to a budget. Knows nothing
of what the messages are about.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wmenv.errors import AgentError, MissingExtraError, OptionError

Message = dict[str, Any]
PASSING = (408, 409, 425, 429)  # statuses that another try may cure, besides all from 500 on
LONGEST_PAUSE_S = 30.0
SHOWN = 200  # characters of a refusal that an error quotes


@dataclass(frozen=True)
class Reply:
    """What a model said, what it cost, and how often it had to be asked."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    attempts: int = 1


Chat = Callable[[Sequence[Message]], str | Reply]


class Endpoint:
    """A model behind `base_url`, such as http://127.0.0.1:8080/v1; may be called from several threads at once.

    A call is given up when nothing comes for `timeout_s`, and repeated up to `retries` times with growing pauses from
    `pause_s` on. `max_calls` and `max_tokens` are the budget of this object. The key, if any, is read from the
    environment variable `key_variable`, so that it is in no command line and no record. `request` adds fields to every
    request.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        timeout_s: float = 60.0,
        retries: int = 3,
        pause_s: float = 0.5,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        key_variable: str = "OPENAI_API_KEY",
        request: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import httpx
        except ImportError as problem:
            raise MissingExtraError("text policies over HTTP need httpx: pip install 'wmenv[text]'.") from problem
        if not base_url.startswith(("http://", "https://")):
            raise OptionError(f"base_url is that of a server, such as http://127.0.0.1:8080/v1, got {base_url!r}.")
        self.base_url, self.model = base_url.rstrip("/"), model
        self.retries, self.pause_s = retries, pause_s
        self.max_calls, self.max_tokens = max_calls, max_tokens
        self.calls = self.tokens = 0
        self._request = {"model": model, "temperature": 0.0} | dict(request or {})
        key = os.environ.get(key_variable)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout_s, headers=headers)
        self._failures = httpx.HTTPError
        self._lock = threading.Lock()

    def __call__(self, messages: Sequence[Message]) -> Reply:
        """The model's reply, or `AgentError` once nothing more can be tried."""
        said = ""
        for attempt in range(1, self.retries + 2):
            self._spend_call()
            try:
                response = self._client.post(
                    f"{self.base_url}/chat/completions", json=self._request | {"messages": list(messages)}
                )
            except self._failures as problem:
                said, wait = f"{type(problem).__name__}: {problem}", 0.0
            else:
                if response.status_code == 200:
                    reply = _reply(response, attempt)
                    if reply is not None:
                        self._spend_tokens(reply)
                        return reply
                said, wait = f"status {response.status_code}: {response.text[:SHOWN]!r}", _asked_wait(response)
                if 400 <= response.status_code < 500 and response.status_code not in PASSING:
                    raise AgentError(f"{self.base_url} refuses requests for {self.model!r} with {said}.")
            if attempt <= self.retries:
                time.sleep(min(max(wait, self.pause_s * 2 ** (attempt - 1)), LONGEST_PAUSE_S))
        raise AgentError(
            f"{self.base_url} gave no answer in {self.retries + 1} tries; the last one: {said}. "
            "Is the server running, and is the time-out long enough for the model?"
        )

    def close(self) -> None:
        self._client.close()

    def _spend_call(self) -> None:
        with self._lock:
            if self.max_calls is not None and self.calls >= self.max_calls:
                raise AgentError(f"the budget of {self.max_calls} calls is spent. Give it more, or stop here.")
            if self.max_tokens is not None and self.tokens >= self.max_tokens:
                raise AgentError(f"the budget of {self.max_tokens} tokens is spent. Give it more, or stop here.")
            self.calls += 1

    def _spend_tokens(self, reply: Reply) -> None:
        with self._lock:
            self.tokens += (reply.tokens_in or 0) + (reply.tokens_out or 0)


def _reply(response: Any, attempt: int) -> Reply | None:
    """What a server answered, None if it is not in the protocol's form."""
    try:
        body = response.json()
        text = body["choices"][0]["message"]["content"]
        usage = body.get("usage") or {}
        return Reply(str(text or ""), usage.get("prompt_tokens"), usage.get("completion_tokens"), attempt)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _asked_wait(response: Any) -> float:
    """How many seconds a server asked us to wait."""
    try:
        return float(response.headers.get("Retry-After", 0))
    except ValueError:  # it may name a date instead
        return 0.0


def as_reply(given: str | Reply) -> Reply:
    """What a chat gave, a plain text or a whole reply."""
    return given if isinstance(given, Reply) else Reply(str(given))
