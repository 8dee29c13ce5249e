"""A language model that plays, over any endpoint of the chat completions protocol.

    python agents/text_policy.py --base-url http://127.0.0.1:8080/v1 --model qwen --env wmenv/GridRooms-Fetch-v0

Without --base-url a stand-in server is started on this machine that answers at random, sometimes with nonsense, so that
everything but the wits can be tried. Stopped or refused at any time, the same command goes on. The key, if the server
wants one, is read from OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from wmenv.env.chat import Endpoint
from wmenv.env.text import TextPolicy
from wmenv.errors import AgentError
from wmenv.make import make_vector_env, settings_of
from wmenv.rollout.conversations import converse


class StandIn(BaseHTTPRequestHandler):
    """Picks an item of the menu that it reads in the rules; one answer in ten is none."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        menu = re.findall(r"^- (\w+)$", asked["messages"][0]["content"], re.MULTILINE)
        said = f"Let me try. <action>{random.choice(menu)}</action>" if random.random() < 0.9 else "Hm."
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


def stand_in() -> str:
    """Starts the stand-in; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="wmenv/GridRooms-Fetch-v0", help="any id whose actions have names")
    parser.add_argument("--base-url", help="of the endpoint; a stand-in if not given")
    parser.add_argument("--model", default="stand-in", help="its name at the endpoint")
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--rows", type=int, default=2, help="episodes at once")
    parser.add_argument("--steps", type=int, default=16, help="after which an episode is cut")
    parser.add_argument("--remembers", type=int, default=8, help="past turns that the model is shown")
    parser.add_argument("--no-pictures", action="store_true", help="captions alone, for models that cannot see")
    parser.add_argument("--directs", action="store_true", help="the model may change the world")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one answer")
    parser.add_argument("--max-calls", type=int, help="budget for this call of the program")
    parser.add_argument("--unanswered", choices=["stop", "noop"], default="stop", help="when no answer comes at all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/text"))
    asked = parser.parse_args()

    url = asked.base_url or stand_in()
    env = make_vector_env(num_envs=asked.rows, **settings_of(asked.env))
    spec = env.world_spec
    policy = TextPolicy(
        Endpoint(url, asked.model, timeout_s=asked.timeout, max_calls=asked.max_calls),
        spec.actions,
        remembers=asked.remembers,
        pictures=not asked.no_pictures,
        directs=asked.directs,
        suggestions=spec.suggestions,
        unanswered=asked.unanswered,
    )
    try:
        records = converse(
            env, policy, asked.episodes, asked.out, seed=asked.seed, options={"max_episode_steps": asked.steps}
        )
    except AgentError as problem:
        raise SystemExit(f"{problem}\nWhat was done is in {asked.out}; the same command goes on.") from None
    for record in records:
        thinking, world = (record[part]["p50"] or float("nan") for part in ("thinking_ms", "world_ms"))
        print(
            f"episode {record['episode']}: {record['steps']} steps, {record['end']}, success {record['success']}, "
            f"invalid answers {record['invalid_action_rate']:.0%}, thought {thinking:.1f} ms a step, "
            f"the world took {world:.1f} ms"
        )


if __name__ == "__main__":
    main()
