"""Text agents against a real HTTP server: what they answer, how they fail, and that nothing of an episode is lost."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import pytest

from tests.fakes import ACTIONS, CountingWorld
from wmenv.contract import ActionTable
from wmenv.env.answers import AnswerParser
from wmenv.env.chat import Endpoint, Reply
from wmenv.env.text import Exchange, Scene, TextPolicy
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import AgentError, OptionError, RolloutError, UnsupportedError
from wmenv.rollout import conversations
from wmenv.rollout.conversations import converse

MENU = ActionTable(("left", "right", "pick_up", "stay"), noop=3)
MORE = "<action>more</action>"


# --- a server that speaks the protocol -------------------------------------------------------------------------------


class Script:
    """What a server does with its n-th request: text to answer, a status, or a function of the handler."""

    def __init__(self, answer: Callable[[int, list], Any]) -> None:
        self.answer, self.requests, self.headers = answer, [], []
        self._lock = threading.Lock()

    def take(self, body: dict, headers: Any) -> Any:
        with self._lock:
            self.requests.append(body)
            self.headers.append(dict(headers))
            number = len(self.requests) - 1
        return self.answer(number, body["messages"])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        given = self.server.script.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), self.headers)
        if callable(given):
            given(self)
        elif isinstance(given, int):
            self.reply(given, b'{"error": "no"}')
        else:
            usage = {"prompt_tokens": 11, "completion_tokens": 3}
            body = {"choices": [{"message": {"role": "assistant", "content": given}}], "usage": usage}
            self.reply(200, json.dumps(body).encode())

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class Server:
    """A chat server on this machine; `die` closes its door, `live` opens it again at the same address."""

    def __init__(self, script: Script) -> None:
        self.script = script
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.live()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def live(self) -> None:
        ThreadingHTTPServer.allow_reuse_address = True
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._http.script = self.script
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def die(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def start(answer: Any) -> Server:
        servers.append(Server(Script(answer if callable(answer) else lambda number, messages: answer)))
        return servers[-1]

    yield start
    for server in servers:
        server.die()


def hang(seconds: float) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def break_off(handler: Handler) -> None:
    """Promise more than is sent, then hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')
    handler.close_connection = True


def endpoint(server: Server, **settings: Any) -> Endpoint:
    return Endpoint(server.url, "tiny", **({"timeout_s": 5.0, "retries": 2, "pause_s": 0.01} | settings))


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "action", "how"),
    [
        ("right", 1, "exact"),
        ("  Right. ", 1, "loose"),
        ("PICK UP", 2, "loose"),
        ("2", 2, "loose"),
        ("The ball is ahead.\n<action> pick-up </action>", 2, "tag"),
        ("<action>left</action> no, <action>right</action>", 1, "tag"),
        ('{"thought": "a {brace}", "action": "left"}', 0, "json"),
        ('```json\n{"action": 1}\n```', 1, "json"),
        ('{"action": "fly"} <action>left</action>', 0, "tag"),
        ("<think>left, <action>left</action></think> right", 1, "exact"),
        ("I will not go left", 3, "none"),
        ("<action>fly</action>", 3, "none"),
        ('{"action": ["left"]}', 3, "none"),
        ("{" * 5000, 3, "none"),
        ("", 3, "none"),
        ("4", 3, "none"),
        ("-1", 3, "none"),
        ('{"action": -1}', 3, "none"),
        ("<think>for ever", 3, "none"),
    ],
)
def test_answers_are_read_in_every_usual_form(text, action, how):
    answer = AnswerParser(MENU).read(text)
    assert (answer.action, answer.how, answer.valid) == (action, how, how != "none")


@pytest.mark.parametrize(
    ("text", "action", "how", "direction"),
    [
        ("left <direct>night\n falls</direct>", 0, "exact", "night falls"),
        ('{"action": "right", "direct": "a ball appears"}', 1, "json", "a ball appears"),
        ("<direct>night falls</direct>", 3, "direction", "night falls"),
        ("<direct> </direct>", 3, "none", None),
    ],
)
def test_words_for_the_world_are_found_beside_the_action(text, action, how, direction):
    answer = AnswerParser(MENU).read(text)
    assert (answer.action, answer.how, answer.direction) == (action, how, direction)


def test_a_menu_needs_names_and_something_to_fall_back_on():
    with pytest.raises(OptionError, match="fallback="):
        AnswerParser(ActionTable(("left", "right")))
    assert AnswerParser(ActionTable(("left", "right")), "right").read("?").action == 1
    with pytest.raises(UnsupportedError, match="menu"):
        AnswerParser(ActionTable(("yaw",), kind="box", low=(-1.0,), high=(1.0,)))


# --- the endpoint ----------------------------------------------------------------------------------------------------


def test_a_call_carries_model_and_messages_and_counts_tokens(serve):
    server = serve("hello")
    chat = endpoint(server, request={"max_tokens": 5})
    assert chat([{"role": "user", "content": "hi"}]) == Reply("hello", 11, 3, 1)
    assert chat.tokens == 14
    sent = server.script.requests[0]
    assert sent == {"model": "tiny", "temperature": 0.0, "max_tokens": 5, "messages": sent["messages"]}


def test_the_key_comes_from_the_environment_and_goes_only_into_the_header(serve, monkeypatch):
    monkeypatch.setenv("MY_KEY", "s3cret")
    server = serve("hello")
    chat = endpoint(server, key_variable="MY_KEY")
    chat([])
    assert server.script.headers[0]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in json.dumps(server.script.requests)
    assert "s3cret" not in repr(vars(chat))


@pytest.mark.parametrize("first", [503, 429, break_off, hang(0.6)], ids=["503", "429", "broken off", "too late"])
def test_what_may_pass_is_tried_again(serve, first):
    server = serve(lambda number, messages: first if number == 0 else "hello")
    assert endpoint(server, timeout_s=0.2)([]).attempts == 2


def test_a_reply_in_another_form_is_tried_again_and_then_named(serve):
    server = serve(lambda number, messages: lambda handler: handler.reply(200, b'{"choices": []}'))
    with pytest.raises(AgentError, match=r"no answer in 3 tries.*choices"):
        endpoint(server)([])


def test_what_will_not_pass_is_refused_at_once(serve):
    server = serve(404)
    with pytest.raises(AgentError, match=r"refuses requests for 'tiny' with status 404"):
        endpoint(server)([])
    assert len(server.script.requests) == 1


def test_a_server_that_is_not_there_is_named(serve):
    server = serve("hello")
    server._http.shutdown()
    server._http.server_close()
    with pytest.raises(AgentError, match=r"no answer in 3 tries.*Connect"):
        endpoint(server)([])
    server.live()  # for the fixture to close


@pytest.mark.parametrize("budget", [{"max_calls": 2}, {"max_tokens": 28}])
def test_a_budget_is_kept(serve, budget):
    chat = endpoint(serve("hello"), **budget)
    chat([])
    chat([])
    with pytest.raises(AgentError, match=r"budget of \d+ (calls|tokens) is spent"):
        chat([])


def test_an_address_is_one():
    with pytest.raises(OptionError, match="base_url"):
        Endpoint("localhost:8080", "tiny")


# --- what is said ----------------------------------------------------------------------------------------------------


def test_messages_hold_task_menu_memory_caption_and_picture():
    policy = TextPolicy(lambda messages: "", MENU, remembers=1)
    frame = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    past = [Exchange("first", "a"), Exchange("second", "b")]
    rules, told, said, now = policy.messages(Scene("find the ball", "a wall ahead", frame, "You did left."), past)
    assert "find the ball" in rules["content"]
    assert all(f"- {name}" in rules["content"] for name in MENU.names)
    assert "<direct>" not in rules["content"]
    assert (told["content"], said["content"]) == ("second", "b")
    text, picture = now["content"]
    assert text["text"] == "You did left. In view: a wall ahead."
    data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert shown.shape == (224, 224, 3)
    assert (shown[::56, ::56] == frame).all()


def test_an_agent_that_may_direct_is_told_how_and_others_are_not_heard():
    answer = "<action>left</action><direct>night falls</direct>"
    free = TextPolicy(lambda messages: answer, MENU, directs=True, suggestions=["night falls"])
    bound = TextPolicy(lambda messages: answer, MENU)
    assert "night falls" in free.messages(Scene())[0]["content"]
    assert free.decide(Scene()).answer.direction == "night falls"
    assert bound.decide(Scene()).answer.direction is None


def test_all_scenes_are_asked_at_once():
    meeting = threading.Barrier(4, timeout=5)

    def chat(messages: list) -> str:
        meeting.wait()  # nobody gets past before all four have come
        return "left"

    decisions = TextPolicy(chat, MENU).decide_all([Scene()] * 4, [()] * 4)
    assert [decision.answer.action for decision in decisions] == [0] * 4


# --- whole episodes --------------------------------------------------------------------------------------------------


def counting(rows: int = 2, **settings: Any) -> WorldVectorEnv:
    return WorldVectorEnv(CountingWorld(), rows, **({"max_episode_steps": 20} | settings))


def agent(server: Server, **settings: Any) -> TextPolicy:
    chat = endpoint(server, **settings.pop("endpoint", {}))
    return TextPolicy(chat, ACTIONS, **settings)


def lines_of(folder, number: int) -> list[dict]:
    return [json.loads(line) for line in (folder / "steps" / f"episode-{number:06d}.jsonl").read_text().splitlines()]


def played(line: dict) -> tuple:
    return line["told"], line["said"], line["action"], line["reward"]


def test_several_episodes_are_played_at_once_and_told_whole(serve, tmp_path):
    server = serve(lambda number, messages: MORE if number % 3 else "hm, more?")
    records = converse(counting(), agent(server), 5, tmp_path, seed=3)
    assert sorted(record["episode"] for record in records) == [0, 1, 2, 3, 4]
    for record in records:
        lines = lines_of(tmp_path, record["episode"])
        invalid = sum(line["how"] == "none" for line in lines)
        assert record["seed"] == 3 + record["episode"]
        assert record["steps"] == len(lines) == (8 - record["seed"] % 5) + invalid
        assert record["invalid_action_rate"] == invalid / len(lines)
        assert (record["success"], record["return"], record["end"]) == (True, 1.0, "terminated")
        assert (record["reward_source"], record["agent"], record["task"]) == ("env", "text:tiny", "reach 8")
        assert record["tokens_in"] == 11 * len(lines)
        assert all(line["thinking_ms"] > 0 and line["world_ms"] >= 0 for line in lines)
        assert record["thinking_ms"]["n"] == record["world_ms"]["n"] == len(lines)
        assert lines[0]["told"] == f"In view: the count is {record['seed'] % 5}."
    assert not list((tmp_path / "under-way").iterdir())
    invalid_news = [
        line["told"] for number in range(5) for line in lines_of(tmp_path, number) if "menu" in line["told"]
    ]
    assert invalid_news
    assert "so you did 'stay'" in invalid_news[0]


def test_a_run_that_is_done_asks_nobody(serve, tmp_path):
    server = serve(MORE)
    first = converse(counting(), agent(server), 2, tmp_path)
    asked = len(server.script.requests)
    assert converse(counting(), agent(server), 2, tmp_path) == first
    assert len(server.script.requests) == asked


@pytest.mark.parametrize("rows", [1, 3])
def test_a_server_that_dies_in_the_middle_costs_nothing(serve, tmp_path, rows):
    whole = converse(counting(rows), agent(serve(MORE)), 4, tmp_path / "whole")
    well_again = threading.Event()

    def failing(number: int, messages: list) -> Any:
        return break_off if number >= 7 and not well_again.is_set() else MORE

    server = serve(failing)
    with pytest.raises(AgentError, match="no answer"):
        converse(counting(rows), agent(server), 4, tmp_path / "cut")
    server.die()
    with pytest.raises(AgentError, match="Is the server running"):
        converse(counting(rows), agent(server), 4, tmp_path / "cut")
    server.live()
    well_again.set()
    again = converse(counting(rows), agent(server), 4, tmp_path / "cut")
    same = ("seed", "steps", "return", "success", "actions", "invalid_action_rate")
    by_number = sorted(again, key=lambda record: record["episode"])
    whole = sorted(whole, key=lambda record: record["episode"])
    assert [[record[key] for key in same] for record in by_number] == [[r[key] for key in same] for r in whole]
    assert any(record["resumed_at"] for record in again)
    for number in range(4):
        cut, straight = (lines_of(tmp_path / kind, number) for kind in ("cut", "whole"))
        assert [played(line) for line in cut] == [played(line) for line in straight]


def test_a_kill_between_the_step_and_its_moment_only_asks_once_more(serve, tmp_path):
    server = serve(lambda number, messages: MORE if number < 4 else 404)
    with pytest.raises(AgentError):
        converse(counting(1), agent(server), 1, tmp_path)
    steps = tmp_path / "steps" / "episode-000000.jsonl"
    steps.write_text(steps.read_text() + json.dumps({"told": "of a step whose moment was never kept"}) + '\n{"hal')
    record = converse(counting(1), agent(serve(MORE)), 1, tmp_path)[0]
    assert record["steps"] == 8
    assert record["resumed_at"] == [4]


def test_a_kill_between_the_last_step_and_the_record_only_asks_once_more(serve, tmp_path, monkeypatch):
    server = serve(MORE)
    with monkeypatch.context() as patch:
        patch.setattr(conversations.JsonLines, "write", lambda *asked: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            converse(counting(1), agent(server), 1, tmp_path)
    record = converse(counting(1), agent(server), 1, tmp_path)[0]
    assert (record["steps"], record["return"]) == (8, 1.0)
    assert record["resumed_at"] == [7]


def test_time_outs_can_be_lived_through(serve, tmp_path):
    server = serve(lambda number, messages: hang(1.0) if number in (1, 2) else MORE)
    policy = agent(server, unanswered="noop", endpoint={"timeout_s": 0.15, "retries": 1})
    record = converse(counting(1), policy, 1, tmp_path, seed=4)[0]
    assert (record["steps"], record["unanswered"], record["answers"]) == (5, 1, {"tag": 4, "none": 1})
    silent = lines_of(tmp_path, 0)[1]
    assert "no answer in 2 tries" in silent["unanswered"]
    assert (silent["action"], silent["thinking_ms"] > 250) == ("stay", True)


def test_words_into_the_world_are_taken_refused_and_told(serve, tmp_path):
    say = ["stay <direct>dance</direct>", f"stay <direct>{'long ' * 200}</direct>", "<direct>jump</direct>"]
    server = serve(lambda number, messages: say[min(number, 2)])
    record = converse(counting(1), agent(server, directs=True), 1, tmp_path)[0]
    assert [told["applied"] for told in record["directions"]] == [False, False, True]
    lines = lines_of(tmp_path, 0)
    assert "I can only jump, not 'dance'." in lines[1]["told"]
    assert "at most 500 characters" in lines[2]["told"]
    assert (record["steps"], record["success"], record["invalid_action_rate"]) == (3, True, 0.0)


def test_a_folder_belongs_to_one_run(serve, tmp_path):
    server = serve(MORE)
    converse(counting(1), agent(server), 1, tmp_path)
    with pytest.raises(RolloutError, match="another seed"):
        converse(counting(1), agent(server), 1, tmp_path, seed=1)
    with pytest.raises(OptionError, match="NextStep"):
        converse(counting(1, autoreset_mode="SameStep"), agent(server), 1, tmp_path)


def test_a_learned_world_goes_on_bit_for_bit(serve, tmp_path):
    """The same agent with and without a death in the middle is told the same."""
    from wmenv.make import make_vector_env

    def env() -> WorldVectorEnv:
        return make_vector_env("gridrooms", 1, world_settings={"task": "reach"}, max_episode_steps=6)

    moves = ["forward", "left", "forward", "right", "forward", "stay"]
    table = env().world_spec.actions
    straight, dying = (serve(lambda number, messages: moves[len(messages) // 2 - 1]) for _ in range(2))
    converse(env(), TextPolicy(endpoint(straight), table), 1, tmp_path / "a")
    with pytest.raises(AgentError):
        converse(env(), TextPolicy(endpoint(dying, max_calls=3), table), 1, tmp_path / "b")
    record = converse(env(), TextPolicy(endpoint(dying), table), 1, tmp_path / "b")[0]
    assert [played(line) for line in lines_of(tmp_path / "a", 0)] == [
        played(line) for line in lines_of(tmp_path / "b", 0)
    ]
    assert (record["resumed_at"], record["reward_source"]) == ([3], "head")
