"""The hub: steps of many in one call, each made once; snapshots are values; nobody waits for another's mistake."""

from __future__ import annotations

import asyncio
import functools
import threading

import numpy as np
import pytest

from tests.fakes import CountingWorld, pixel
from wmenv.contract import Direction, Start
from wmenv.errors import BusyError, DirectionError, ProtocolError, SessionError, SnapshotError, UnsupportedError
from wmenv.serve.hub import Hub, Move
from wmenv.serve.limits import Limits
from wmenv.worlds.pan import PanWorld


def in_a_loop(test):
    """Run an asynchronous test to its end."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 60))

    return run


class Watched(CountingWorld):
    """Notes who calls it, waits when told to, and breaks when asked to."""

    def __init__(self, **settings):
        super().__init__(goal=None, **settings)
        self.threads, self.rows, self.go = set(), [], threading.Event()
        self.go.set()

    def advance(self, state, actions, directions):
        self.threads.add(threading.get_ident())
        self.rows.append(len(state))
        assert self.go.wait(30)
        texts = [direction.text for direction in directions if direction]
        if "be rude" in texts:
            raise DirectionError("not here")
        state, outcome = super().advance(state, actions, directions)
        if "explode" in texts:
            raise ZeroDivisionError("half way")
        return state, outcome


def numbers(sights):
    """The count of each."""
    return [pixel(sight.frames[-1])[0] for sight in sights]


async def opened(hub, client, seeds):
    return [sight.session for sight in await hub.open(client, [Start()] * len(seeds), seeds)]


async def step(hub, client, names, number, action=2, **more):
    return await hub.advance(client, [Move(name, number, action, **more) for name in names])


async def until(true):
    while not true():
        await asyncio.sleep(0.001)


@in_a_loop
async def test_steps_of_several_clients_share_one_call_which_never_runs_in_the_loop():
    world = Watched()
    async with Hub(world) as hub:
        with hub.client("a") as a, hub.client("b") as b, hub.client("c") as c:
            ours = [(client, await opened(hub, client, seeds)) for client, seeds in ((a, [0, 1]), (b, [2]), (c, [3]))]
            world.go.clear()
            first = [asyncio.create_task(step(hub, client, names, 1)) for client, names in ours]
            await until(lambda: world.rows)
            second = [asyncio.create_task(step(hub, client, names, 2)) for client, names in ours]
            await asyncio.sleep(0.01)
            world.go.set()
            assert [numbers(sights) for sights in await asyncio.gather(*first)] == [[1, 2], [3], [4]]
            assert [numbers(sights) for sights in await asyncio.gather(*second)] == [[2, 3], [4], [5]]
    assert max(world.rows) == 4
    assert threading.get_ident() not in world.threads
    assert len(world.threads) == 1


@in_a_loop
async def test_rows_of_different_ages_share_a_call_and_stay_themselves():
    world, alone = PanWorld(), PanWorld()
    async with Hub(world) as hub:
        with hub.client("a") as client:
            names = await opened(hub, client, [1, 2, 3])
            states = [alone.open([Start()], [seed])[0] for seed in (1, 2, 3)]
            rng, made = np.random.default_rng(0), [0, 0, 0]
            for _ in range(30):
                rows = [row for row in rng.permutation(3) if rng.random() < 0.6]
                moves = [Move(names[row], made[row] + 1, int(rng.integers(0, 5))) for row in rows]
                sights = await hub.advance(client, moves) if moves else []
                for row, move, sight in zip(rows, moves, sights, strict=True):
                    made[row] += 1
                    states[row], wanted = alone.advance(states[row], np.array([move.action]), [None])
                    assert (sight.frames[-1] == wanted.frames[0]).all()


@in_a_loop
async def test_a_step_asked_for_by_many_is_made_once():
    world = Watched()
    async with Hub(world) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            answers = await asyncio.gather(*(step(hub, client, [name], 1) for _ in range(20)))
            assert {id(sights[0]) for sights in answers} == {id(answers[0][0])}
            assert await step(hub, client, [name], 1) == answers[0]
    assert world.calls["advance"] == 1


@in_a_loop
async def test_whoever_leaves_while_a_step_is_made_finds_it_made():
    world = Watched()
    async with Hub(world) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            world.go.clear()
            asking = asyncio.create_task(step(hub, client, [name], 1))
            await until(lambda: world.rows)
            asking.cancel()
        world.go.set()
        with hub.client("a") as client:
            assert numbers(await step(hub, client, [name], 1)) == [1]
            assert numbers(await step(hub, client, [name], 2)) == [2]
    assert world.calls["advance"] == 2


@in_a_loop
async def test_a_direction_in_between_comes_with_the_next_free_step_and_its_receipt():
    async with Hub(Watched()) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            await step(hub, client, [name], 1)
            assert hub.direct(client, name, Direction("jump"), "t1") == 1
            assert hub.direct(client, name, Direction("jump"), "t1") == 1
            hub.direct(client, name, Direction("sing"), "t2")
            [own] = await step(hub, client, [name], 2, direction=Direction("jump"))
            [first], [second], [third] = [await step(hub, client, [name], number) for number in (3, 4, 5)]
    assert (own.answer.ticket, own.answer.applied_at) == (None, 2)
    assert (first.answer.ticket, first.answer.received_at, first.answer.applied_at) == ("t1", 1, 3)
    assert (second.answer.ticket, second.answer.receipt.applied) == ("t2", False)
    assert third.answer is None
    assert numbers([own, first, second, third]) == [12, 23, 24, 25]


@in_a_loop
async def test_a_snapshot_is_a_value_and_so_is_a_fork():
    async with Hub(Watched()) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            await step(hub, client, [name], 1)
            [kept] = await hub.snapshot(client, [name])
            [data] = await hub.export(client, [], [kept])
            await step(hub, client, [name], 2)
            again = [*await hub.restore(client, [kept, kept]), *await hub.revive(client, data, 1)]
            [fork] = await hub.fork(client, [name])
            assert [session.step for session in (*again, fork)] == [1, 1, 1, 2]
            assert numbers(await step(hub, client, [session.name for session in again], 2, action=0)) == [0, 0, 0]
            assert numbers(await step(hub, client, [name, fork.name], 3)) == [3, 3]
            hub.close(client, [fork.name, "nobody"], [kept])
            for gone in (hub.restore(client, [kept]), step(hub, client, [fork.name], 4)):
                with pytest.raises(SessionError):
                    await gone
            with pytest.raises(SnapshotError):
                await hub.revive(client, b"noise")


@in_a_loop
async def test_what_one_client_asks_for_in_vain_costs_no_other_their_step():
    world = Watched()
    async with Hub(world) as hub:
        with hub.client("good") as good, hub.client("bad") as bad:
            [ours], [theirs] = await opened(hub, good, [0]), await opened(hub, bad, [0])
            world.go.clear()
            blocker = asyncio.create_task(step(hub, good, [ours], 1))
            await until(lambda: world.rows)
            rude = asyncio.create_task(step(hub, bad, [theirs], 1, direction=Direction("be rude")))
            behind = asyncio.create_task(step(hub, bad, [theirs], 2))
            polite = asyncio.create_task(step(hub, good, [ours], 2))
            await asyncio.sleep(0.01)
            world.go.set()
            await blocker
            assert numbers(await polite) == [2]
            with pytest.raises(DirectionError, match="not here"):
                await rude
            with pytest.raises(ProtocolError, match="one before it was refused"):
                await behind
            assert numbers(await step(hub, bad, [theirs], 1)) == [1]


@in_a_loop
async def test_a_session_whose_step_failed_half_way_is_gone_and_can_be_restored():
    async with Hub(Watched()) as hub:
        with hub.client("a") as client:
            names = await opened(hub, client, [0, 1])
            [kept] = await hub.snapshot(client, names[:1])
            with pytest.raises(SessionError, match="half way") as problem:
                await step(hub, client, names[:1], 1, direction=Direction("explode"))
            assert problem.value.gone == (names[0],)
            assert numbers(await step(hub, client, names[1:], 1)) == [2]
            [session] = await hub.restore(client, [kept])
            assert numbers(await step(hub, client, [session.name], 1)) == [1]


@in_a_loop
async def test_the_queue_is_fair_between_clients_whatever_one_has_queued():
    world = Watched(seconds=0.002)
    async with Hub(world, Limits(batch=4)) as hub:
        with hub.client("many") as many, hub.client("one") as one:
            crowd, [single] = await opened(hub, many, range(32)), await opened(hub, one, [0])
            stop = asyncio.Event()

            async def flood(name):
                number = 0
                while not stop.is_set():
                    number += 1
                    await step(hub, many, [name], number)
                return number

            floods = [asyncio.create_task(flood(name)) for name in crowd]
            await until(lambda: len(world.rows) > 10)
            before = len(world.rows)
            for number in range(1, 21):
                await step(hub, one, [single], number)
            calls = len(world.rows) - before
            stop.set()
            made = await asyncio.gather(*floods)
    assert calls <= 2.5 * 20, f"20 steps of the small client took {calls} calls"
    assert max(made) - min(made) <= 2, f"sessions of one client came to {min(made)} to {max(made)} steps"


@in_a_loop
async def test_limits_are_reached_by_refusing():
    limits = Limits(sessions=3, sessions_per_client=2, ahead=2, snapshots_per_client=1, snapshot_bytes=50)
    world = Watched()
    async with Hub(world, limits) as hub:
        with hub.client("a") as a, hub.client("b") as b:
            names = await opened(hub, a, [0, 1])
            with pytest.raises(BusyError, match="you hold 2 of 2"):
                await opened(hub, a, [2])
            with pytest.raises(BusyError, match="the server holds 2 of 3"):
                await opened(hub, b, [2, 3])
            await opened(hub, b, [2])
            world.go.clear()
            waiting = [asyncio.create_task(step(hub, a, names[:1], number)) for number in (1, 2)]
            await until(lambda: world.rows)
            with pytest.raises(BusyError, match="2 steps of session"):
                await step(hub, a, names[:1], 3)
            world.go.set()
            await asyncio.gather(*waiting)
            await hub.snapshot(a, names[:1])
            with pytest.raises(BusyError, match="1 of 1 snapshots"):
                await hub.snapshot(a, names[:1])
            with pytest.raises(BusyError, match="50 bytes"):
                await hub.snapshot(b, list(b.sessions))


@in_a_loop
async def test_leases_end_and_clients_that_hold_nothing_are_forgotten():
    async with Hub(Watched(), Limits(lease_s=0.4)) as hub:
        with hub.client("stays") as stays, hub.client("goes") as goes:
            [kept], [idle] = await opened(hub, stays, [0]), await opened(hub, stays, [1])
            await hub.snapshot(goes, await opened(hub, goes, [2]))
            await hub.snapshot(stays, [kept])
            for _ in range(12):
                await asyncio.sleep(0.05)
                hub.status(stays, [kept])
            with pytest.raises(SessionError):
                hub.status(stays, [idle])
            assert hub.now()["sessions"] == 1
        await until(lambda: hub.now()["clients"] == 0)
        assert hub.now()["snapshots"] == 0


@in_a_loop
async def test_what_the_world_lacks_is_refused_by_name():
    world = CountingWorld()
    world.spec = world.spec.with_(snapshots=None, directions=False)
    async with Hub(world) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            with pytest.raises(UnsupportedError, match="snapshots"):
                await hub.snapshot(client, [name])
            with pytest.raises(UnsupportedError, match="directions"):
                hub.direct(client, name, Direction("jump"))


@in_a_loop
async def test_the_end_of_the_hub_is_told_to_those_who_wait():
    world = Watched()
    async with Hub(world) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            world.go.clear()
            asking = asyncio.create_task(step(hub, client, [name], 1))
            await until(lambda: world.rows)
            world.go.set()
    with pytest.raises(SessionError, match="going away"):
        await asking


@in_a_loop
async def test_a_message_has_room_for_what_rows_of_this_world_are_made_of():
    limits = Limits(message_bytes=1000)
    async with Hub(PanWorld(), limits) as hub:
        with hub.client("a") as client:
            [name] = await opened(hub, client, [0])
            [data] = await hub.export(client, [name])
        assert hub.limits.message_bytes > 4 * len(data) > limits.message_bytes
