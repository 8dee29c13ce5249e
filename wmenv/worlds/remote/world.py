"""A world that runs in another process, behind the protocol of every world.

Each row is a session of the server; a step of all rows is one request. If the connection breaks, the same step is asked
for again, and the server makes no step twice; if the server dies, or takes an idle session back, the row is made again
from what is kept of it here. So a run goes on through both with no step lost or doubled.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from wmenv.contract import Actions, Direction, Directions, Event, Outcome, Receipt, Start, State, check_directions
from wmenv.errors import RemoteError, SessionError
from wmenv.worlds.door import own
from wmenv.worlds.remote.link import Answer, Link
from wmenv.worlds.remote.row import LOST, Did, Moment, Opened, Row
from wmenv.worlds.remote.schema import DirectionPart, spec_in

MOST_LITTER = 512  # sessions closed at a time
TRIES = 5  # at rows that the server loses again and again


class RemoteWorld:
    """The world that `wmenv serve` shows at `url`.

    A request waits up to `patience_s` for a server that is away. Every `keep_every` steps the state of each row is
    fetched, so that making it again takes no more steps than that. `token` may also be in the URL, or WMENV_TOKEN.
    """

    def __init__(
        self,
        url: str = "ws://127.0.0.1:8765",
        *,
        token: str | None = None,
        codec: Literal["raw", "png", "jpeg"] = "raw",
        patience_s: float = 30.0,
        timeout_s: float = 60.0,
        keep_every: int = 256,
    ) -> None:
        self.url = url
        self._codec, self._keep_every = codec, keep_every
        self._litter: deque[str] = deque()
        self._link = Link(url, token or os.environ.get("WMENV_TOKEN"), patience_s, timeout_s)
        self._link.ask({"op": "status"})
        self.spec = spec_in(self._link.facts["world"])
        if self._link.facts["instructs"]:
            self.instructions = self._instructions  # other worlds have none, and `Instructs` shall say so

    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        origins = [Opened(start.check(self.spec), int(seed) % 2**63) for start, seed in zip(starts, seeds, strict=True)]
        answer = self._opened(origins, self._codec)
        rows = [Row(s["session"], o, self._litter) for s, o in zip(answer[0]["shown"], origins, strict=True)]
        return RemoteState(self, rows), self._outcome(answer)

    def advance(self, state: State, actions: Actions, directions: Directions) -> tuple[State, Outcome]:
        actions = self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        own(state, RemoteState, self.spec.name).check_live()
        rows = own(state, RemoteState, self.spec.name).rows
        did = [Did(action.tolist(), wish) for action, wish in zip(actions, directions, strict=True)]
        answer = self.ask(rows, lambda: {"op": "advance", "moves": moves(rows, did), "codec": self._codec})
        state.consume()
        for row, one in zip(rows, did, strict=True):
            row.since.append(one)
        self._keep([row for row in rows if len(row.since) >= self._keep_every])
        return RemoteState(self, rows), self._outcome(answer)

    def revive(self, data: bytes) -> State:
        self.spec.need("snapshots")
        answer, _ = self._asked({"op": "restore", "moment": 0}, [data])
        sessions = [one["session"] for one in answer["sessions"]]
        if len(sessions) == 1:
            return RemoteState(self, [Row(sessions[0], Moment(data, 0), self._litter)])
        _, parts = self._asked({"op": "export", "sessions": sessions})
        moments = [Moment(bytes(part), 0) for part in parts]
        return RemoteState(self, [Row(s, m, self._litter) for s, m in zip(sessions, moments, strict=True)])

    def describe(self, state: State) -> list[str]:
        """What is in view of each row, in the words of the world over there."""
        self.spec.need("words")
        return self._words(state, "words")

    def close(self) -> None:
        """Give all rows that nobody has any more back, and hang up; the next request connects again."""
        if self._litter:
            self._asked({"op": "status"})
        self._link.close()

    # --- what states ask for ----------------------------------------------------------------------------------------

    def ask(self, rows: Sequence[Row], request: Callable[[], Mapping[str, Any]]) -> Answer:
        """The answer to a request on these rows, after making again those that the server has not."""
        lost: list[Row] = [row for row in rows if row.session == LOST]
        for last in range(TRIES - 1, -1, -1):
            try:
                if lost:
                    self._make_again(lost)
                return self._asked(request())
            except SessionError as problem:
                lost = [row for row in rows if row.session in (LOST, *problem.gone)]
                if not (last and lost):
                    raise
            except RemoteError:  # whether it was done is not known, and the caller may ask for something else next
                for row in rows:
                    row.lose()
                raise
        raise AssertionError("the last try returns or raises")

    def _words(self, state: State, kind: str) -> list[str]:
        state.check_live()
        rows = own(state, RemoteState, self.spec.name).rows
        answer, _ = self.ask(rows, lambda: {"op": "describe", "sessions": names(rows)})
        return list(answer[kind])

    def _instructions(self, state: State) -> list[str]:
        """The task of each row, in words."""
        return self._words(state, "instructions")

    def _asked(self, message: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> Answer:
        """Put the litter out, then ask."""
        litter = {self._litter.popleft() for _ in range(min(len(self._litter), MOST_LITTER))} - {LOST}
        if litter:
            self._link.ask({"op": "close", "sessions": sorted(litter)})
        return self._link.ask(message, blobs)

    # --- making rows again ------------------------------------------------------------------------------------------

    def _keep(self, rows: Sequence[Row]) -> None:
        """Fetch the state of rows, so that their past need not be kept."""
        if rows and self.spec.snapshots:
            _, parts = self.ask(rows, lambda: {"op": "export", "sessions": names(rows)})
            for row, part in zip(rows, parts, strict=True):
                row.origin, row.since = Moment(bytes(part), row.step), []

    def _make_again(self, rows: Sequence[Row]) -> None:
        """New sessions for rows whose own are gone: begin as they began, and do what they did."""
        if not self.spec.seeded:
            raise RemoteError(f"{self.url} has lost rows, and {self.spec.name!r} never does the same twice.")
        try:
            self._begin_again(rows)
            for past in range(max(len(row.since) for row in rows)):
                behind = [row for row in rows if past < len(row.since)]
                did = [row.since[past] for row in behind]
                steps = [row.origin.step + past + 1 for row in behind]
                self._asked({"op": "advance", "moves": moves(behind, did, steps), "codec": "none"})
        except BaseException:
            for row in rows:
                row.lose()  # they are somewhere between their beginning and where they were
            raise

    def _begin_again(self, rows: Sequence[Row]) -> None:
        opened = [row for row in rows if isinstance(row.origin, Opened)]
        if opened:
            answer, _ = self._opened([row.origin for row in opened if isinstance(row.origin, Opened)], "none")
            for row, shown in zip(opened, answer["shown"], strict=True):
                row.session = shown["session"]
        for row in rows:
            if isinstance(row.origin, Moment):
                message = {"op": "restore", "moment": 0, "step": row.origin.step}
                answer, _ = self._asked(message, [row.origin.data])
                row.session = answer["sessions"][0]["session"]

    def _opened(self, origins: Sequence[Opened], codec: str) -> Answer:
        blobs: list[bytes] = []
        starts = [start_part(origin.start, blobs) for origin in origins]
        seeds = [origin.seed for origin in origins]
        return self._asked({"op": "open", "starts": starts, "seeds": seeds, "codec": codec}, blobs)

    # --- what was shown ---------------------------------------------------------------------------------------------

    def _outcome(self, answer: Answer) -> Outcome:
        """The outcome for all rows out of what the server shows of each."""
        shown, blobs = answer[0]["shown"], answer[1]
        spec = self.spec
        chunk = np.stack([[self._frame(blobs[place]) for place in one["frames"]] for one in shown])
        return Outcome(
            frames=np.array(chunk[:, -1]),
            chunk=chunk if spec.frames_per_step > 1 and chunk.shape[1] == spec.frames_per_step else None,
            reward=numbers(shown, "reward", np.float32),
            terminated=numbers(shown, "terminated", np.bool_),
            audio=np.stack([np.frombuffer(blobs[one["audio"]], "<i2") for one in shown]).astype(np.int16)
            if all("audio" in one for one in shown)
            else None,
            pose=numbers(shown, "pose", np.float32),
            receipts=[receipt_in(one) for one in shown] if spec.directions else None,
            events=[tuple(Event(**event) for event in one.get("events", ())) for one in shown],
        )

    def _frame(self, blob: memoryview) -> np.ndarray:
        if self._codec == "raw":
            return np.frombuffer(blob, np.uint8).reshape(self.spec.height, self.spec.width, 3)
        import cv2

        return np.asarray(cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]  # OpenCV has BGR


class RemoteState(State):
    """Rows that are sessions of a server. Their bytes are the world's own, and revive beside it, too."""

    def __init__(self, remote: RemoteWorld, rows: Sequence[Row]) -> None:
        self.remote, self.world, self.rows = remote, remote.spec.name, list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Sequence[int]) -> Self:
        self.check_live()
        return type(self)(self.remote, forked(self.remote, [self.rows[row] for row in rows]))

    def put(self, rows: Sequence[int], other: Self) -> Self:
        self.check_kin(other)
        mine, guests = self.consume().rows, other.consume().rows
        for row, guest in zip(rows, guests, strict=True):
            mine[row] = guest
        return type(self)(self.remote, mine)

    @classmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        for state in states:
            state.check_live()
            states[0].check_kin(state)
        remote = states[0].remote
        return cls(remote, forked(remote, [row for state in states for row in state.rows]))

    def to_bytes(self) -> bytes:
        self.check_live()
        self.remote.spec.need("snapshots")
        request = {"op": "export", "together": True}
        _, parts = self.remote.ask(self.rows, lambda: request | {"sessions": names(self.rows)})
        return bytes(parts[0])

    @property
    def nbytes(self) -> int:
        self.check_live()
        answer, _ = self.remote.ask(self.rows, lambda: {"op": "status", "sessions": names(self.rows)})
        return sum(one["nbytes"] for one in answer["sessions"])


def forked(remote: RemoteWorld, rows: Sequence[Row]) -> list[Row]:
    """Independent copies of rows."""
    if not rows:
        return []
    answer, _ = remote.ask(rows, lambda: {"op": "fork", "sessions": names(rows)})
    return [row.forked(one["session"]) for row, one in zip(rows, answer["sessions"], strict=True)]


# --- messages -------------------------------------------------------------------------------------------------------


def names(rows: Sequence[Row]) -> list[str]:
    return [row.session for row in rows]


def moves(rows: Sequence[Row], did: Sequence[Did], steps: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """What each row does in its next step, or in these steps, as a request says it."""
    steps = steps or [row.step + 1 for row in rows]
    return [
        {"session": row.session, "step": step, "action": one.action, **wish_part(one.direction)}
        for row, one, step in zip(rows, did, steps, strict=True)
    ]


def wish_part(direction: Direction | None) -> dict[str, Any]:
    return {} if direction is None else {"direction": DirectionPart.of(direction)}


def start_part(start: Start, blobs: list[bytes]) -> dict[str, Any]:
    """A start as a request says it; its bytes are added to `blobs`."""
    part: dict[str, Any] = {"template": start.template, "prompt": start.prompt}
    for kind, data in (("picture", start.picture), ("moment", start.moment)):
        if data is not None:
            part[kind] = len(blobs)
            blobs.append(np.ascontiguousarray(data).tobytes() if kind == "picture" else bytes(data))
    return part


def numbers(shown: Sequence[Mapping[str, Any]], name: str, kind: Any) -> np.ndarray | None:
    """One number, or list of numbers, of every row; what JSON could not say was not finite."""
    if not all(name in one for one in shown):
        return None
    return np.array([one[name] for one in shown], np.float64 if kind is np.float32 else kind).astype(kind)


def receipt_in(shown: Mapping[str, Any]) -> Receipt | None:
    receipt = shown.get("receipt")
    return Receipt(receipt["applied"], receipt["reason"]) if receipt else None
