"""A world behind a socket is the world itself: it keeps the contract, and goes on through breaks, leases and kills."""

from __future__ import annotations

import contextlib
import gc
import time

import numpy as np
import pytest

from tests.fakes import CountingWorld, pixel
from tests.serve.serving import Process, serving
from wmenv.contract import ActionTable, Direction, Instructs, Start
from wmenv.env.vector import WorldVectorEnv
from wmenv.errors import BusyError, DirectionError, RemoteError, SnapshotError, UnsupportedError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.catalog import load_world
from wmenv.worlds.door import one_row
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.remote.schema import spec_in, spec_message
from wmenv.worlds.remote.world import RemoteWorld

FIELDS = ActionTable(("x", "y"), noop=(0.0, 0.0), kind="box", low=(-1.0, -np.inf), high=(1.0, np.inf))


class PlainCounting(CountingWorld):
    """One that refuses what the contract says it must."""

    def advance(self, state, actions, directions):
        actions = self.spec.actions.check(actions, len(state))
        state.check_live()
        if state.world != "counting":
            raise SnapshotError(f"a state of {state.world!r}")
        return super().advance(state, actions, directions)

    def _row(self, start, seed):
        if start.moment is not None:
            one_row(self.revive(start.moment))
        return super()._row(start, seed)


WORLDS = {
    "pan": PanWorld,
    "counting": PlainCounting,
    "all fields": lambda: PlainCounting(frames_per_step=2, extras=True),
    "tensors": lambda: PlainCounting(output="torch", extras=True),
    "action fields": lambda: PlainCounting(actions=FIELDS),
}


@pytest.fixture(scope="module", params=WORLDS)
def remote(request):
    with serving(WORLDS[request.param]()) as server, contextlib.closing(RemoteWorld(server.url)) as world:
        yield world


@pytest.mark.parametrize("clause", CLAUSES)
def test_it_keeps_the_contract(remote, clause):
    check_clause(remote, clause)


@pytest.fixture
def served():
    """A counting world, as it is and as it is served."""
    world = PlainCounting(goal=None)
    with serving(world) as server, contextlib.closing(RemoteWorld(server.url, keep_every=8)) as remote:
        yield world, remote, server


def walk(world, state, steps, begin=0, wishes=None):
    """The pixels that these steps show."""
    film = []
    for step in range(begin, begin + steps):
        actions = np.array([(step + row) % 3 for row in range(len(state))])
        wish = Direction("jump") if wishes and step in wishes else None
        state, outcome = world.advance(state, actions, [wish] + [None] * (len(state) - 1))
        film.append(pixel(outcome.frames))
    return state, film


def test_it_shows_what_the_world_itself_shows(served):
    world, remote, _ = served
    films = [
        walk(w, w.open([Start(), Start(template="high"), Start(prompt="more")], [5, 6, 7])[0], 20, wishes={4})[1]
        for w in (world, remote)
    ]
    assert films[0] == films[1]


def test_a_sound_is_heard_at_the_other_end():
    world = PlainCounting(goal=None, extras=True)
    played = [Direction("(a sound)", sound=np.array([7, 0, 0, 0], "<i2").tobytes()), None]
    with serving(world) as server, contextlib.closing(RemoteWorld(server.url)) as remote:
        assert remote.spec.hears
        state, _ = remote.open([Start()] * 2, [0, 0])
        state, outcome = remote.advance(state, np.array([2, 2]), played)
        assert [count for count, *_ in pixel(outcome.frames)] == [7, 1]
        with pytest.raises(DirectionError, match="8 bytes"):
            remote.advance(state, np.array([2, 2]), [Direction("(a sound)", sound=b"\0\0"), None])


def test_a_broken_connection_is_not_noticed(served):
    world, remote, server = served
    state, _ = remote.open([Start()] * 2, [1, 2])
    _, wanted = walk(world, world.open([Start()] * 2, [1, 2])[0], 12)
    film = []
    for step in range(12):
        remote._link._socket.socket.shutdown(2)
        state, shown = walk(remote, state, 1, begin=step)
        film += shown
    assert film == wanted
    assert server.now()["steps"] == 24
    assert server.now()["opened"] == 2


def test_a_step_whose_answer_was_lost_is_asked_for_again_and_made_once(served):
    world, remote, server = served
    state, _ = remote.open([Start()], [1])
    talk, lost = remote._link._exchange, []

    def lose_every_other_answer(message, blobs):
        answer = talk(message, blobs)
        if message["op"] == "advance" and not lost.append(1) and len(lost) % 2:
            remote._link._hang_up()
            from wmenv.worlds.remote.link import ConnectionBrokenError

            raise ConnectionBrokenError("the answer fell into the sea")
        return answer

    remote._link._exchange = lose_every_other_answer
    _, film = walk(remote, state, 6)
    assert film == walk(world, world.open([Start()], [1])[0], 6)[1]
    assert server.now()["steps"] == 6
    assert server.now()["retried"] == 6


def test_rows_whose_lease_is_over_go_on():
    world = PlainCounting(goal=None)
    with serving(world, lease_s=1.0) as server, contextlib.closing(RemoteWorld(server.url, keep_every=8)) as remote:
        state, _ = remote.open([Start()] * 3, [1, 2, 3])
        state, _ = walk(remote, state, 11, wishes={3, 9})
        kept = state.fork()
        while server.now()["sessions"]:
            time.sleep(0.01)
        after = [walk(remote, s, 5, begin=11)[1] for s in (state, kept)]
        truth, _ = walk(world, world.open([Start()] * 3, [1, 2, 3])[0], 11, wishes={3, 9})
        assert after == [walk(world, truth, 5, begin=11)[1]] * 2


def test_what_nobody_has_any_more_is_closed_on_the_server(served):
    _, remote, server = served
    state, _ = remote.open([Start()] * 3, [1, 2, 3])
    fork = state.fork()
    assert server.now()["sessions"] == 6
    del fork
    gc.collect()
    state, _ = walk(remote, state, 1)
    assert server.now()["sessions"] == 3


def test_a_refused_direction_or_opening_leaves_everything_as_it_was(served):
    world, remote, _ = served
    state, _ = remote.open([Start()], [1])
    with pytest.raises(DirectionError, match="1000 characters"):
        remote.advance(state, np.array([0]), [Direction("x" * 2000)])
    with pytest.raises(BusyError, match="no room for 200 more sessions: you hold 1 of 128"):
        remote.open([Start()] * 200, range(200))
    assert walk(remote, state, 3)[1] == walk(world, world.open([Start()], [1])[0], 3)[1]


def test_rows_that_are_on_no_server_are_not_put_among_those_that_are(served):
    world, remote, _ = served
    (state, _), (local, _) = (one.open([Start()], [1]) for one in (remote, world))
    for mix in (lambda: state.put([0], local), lambda: type(state).concat([state, local])):
        with pytest.raises(SnapshotError, match=r"\(ArrayState\) cannot go on among rows of 'counting'"):
            mix()
    assert walk(remote, state, 3)[1] == walk(world, local, 3)[1]


def test_nobody_there_is_said_in_time(served):
    with pytest.raises(RemoteError, match="Is `wmenv serve` running"):
        RemoteWorld("ws://127.0.0.1:9", patience_s=0.1)


def test_a_token_is_asked_for(monkeypatch):
    with serving(PlainCounting(), token="open sesame") as server:
        with pytest.raises(RemoteError, match="401: This server wants a token"):
            RemoteWorld(server.url)
        for world in (RemoteWorld(server.url, token="open sesame"), RemoteWorld(f"{server.url}/?token=open%20sesame")):
            assert world.spec.name == "counting"
            world.close()


def test_another_world_at_the_same_address_is_refused():
    with serving(PlainCounting()) as server:
        remote = RemoteWorld(server.url)
        state, _ = remote.open([Start()], [0])
        remote._link.facts["world"]["fps"] = 1.0
        remote._link.close()
        with pytest.raises(RemoteError, match="other weights or settings"):
            walk(remote, state, 1)
        remote._link.facts["world"]["fps"] = 100.0
        assert walk(remote, state, 3)[1] == walk(PlainCounting(), PlainCounting().open([Start()], [0])[0], 3)[1]
        remote.close()


def test_pictures_may_be_compressed_on_the_way(served):
    world, _, server = served
    picture = np.random.default_rng(0).integers(0, 255, (36, 36, 3), np.uint8)
    with contextlib.closing(RemoteWorld(server.url, codec="png")) as remote:
        _, outcome = remote.open([Start(picture=picture)], [3])
        assert (outcome.frames == world.open([Start(picture=picture)], [3])[1].frames).all()


def test_an_environment_stands_on_it():
    with serving(PlainCounting(goal=3)) as server:
        worlds = [PlainCounting(goal=3), load_world(server.url)]
        films = []
        for world in worlds:
            env = WorldVectorEnv(world, 3, autoreset_mode="SameStep", max_episode_steps=9)
            env.reset(seed=4)
            films.append([env.step(np.array([2, 1, 0]))[:4] for _ in range(20)])
            env.close()
        for one, other in zip(*films, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        worlds[1].close()


def test_it_has_what_the_world_has_and_no_more():
    with serving(PlainCounting()) as talking, serving(PanWorld()) as plain:
        with contextlib.closing(RemoteWorld(talking.url)) as remote:
            state, _ = remote.open([Start()], [3])
            assert remote.describe(state) == ["the count is 3"]
            assert remote.instructions(state) == ["reach 8"]
            assert isinstance(remote, Instructs)
        with contextlib.closing(RemoteWorld(plain.url)) as remote:
            assert not isinstance(remote, Instructs)


def test_a_spec_comes_back_from_the_wire_as_it_was():
    for make in WORLDS.values():
        spec = make().spec
        assert spec_in(spec_message(spec)) == spec.with_(output="numpy")


def test_a_server_that_is_killed_and_started_again_loses_and_doubles_no_step():
    world = PanWorld()
    starts, seeds = [Start(), Start(template=world.spec.templates[0]), Start()], [3, 4, 5]
    with Process("pan") as server:
        port = server.port
        remote = RemoteWorld(server.url, keep_every=5)
        state, _ = remote.open(starts, seeds)
        film = []
        state, shown = frames_of(remote, state, 7)
        film += shown
        data = state.to_bytes()
        server.kill()
    with Process("pan", port) as server:
        state, shown = frames_of(remote, state, 6, begin=7)
        film += shown
        assert state.rows[0].step == 13
        remote.close()
        assert server.stop() == 0
    _, wanted = frames_of(world, world.open(starts, seeds)[0], 13)
    assert all((a == b).all() for a, b in zip(film, wanted, strict=True))
    _, after = frames_of(world, world.revive(data), 6, begin=7)  # the remote snapshot, in this process, without server
    assert all((a == b).all() for a, b in zip(after, wanted[7:], strict=True))


def frames_of(world, state, steps, begin=0):
    film = []
    for step in range(begin, begin + steps):
        actions = np.array([(step + row) % world.spec.actions.count for row in range(len(state))])
        wishes = (
            [Direction(world.spec.suggestions[0])] + [None] * (len(state) - 1) if step == 2 else [None] * len(state)
        )
        state, outcome = world.advance(state, actions, wishes)
        film.append(outcome.frames)
    return state, film


def test_what_the_spec_lacks_is_refused_here_already(served):
    _, remote, _ = served
    remote.spec = remote.spec.with_(words=False)
    with pytest.raises(UnsupportedError, match="words"):
        remote.describe(remote.open([Start()], [0])[0])
