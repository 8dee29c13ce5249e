"""One room: a scene that runs at its pace for the people in it.

Steps and everything that changes the scene come one at a time, under one lock; what people press and say meanwhile
waits for the next step. Knows nothing of sockets.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wmenv.contract import Direction, Span, Start
from wmenv.errors import OptionError, WmenvError
from wmenv.live import messages as said
from wmenv.live.encode import picture, view
from wmenv.live.gauges import Gauges
from wmenv.live.hands import Hands, Press
from wmenv.live.messages import AnyMessage, told
from wmenv.live.pace import Pace
from wmenv.live.people import Outbox, People, Person
from wmenv.live.save import Kind, Saved, save
from wmenv.live.scene import Scene, Stepped
from wmenv.live.stock import Stock
from wmenv.live.wishes import Wish, Wishes

CAPTIONED_EVERY = 5  # steps; nobody reads faster
GAUGED_EVERY_S = 1.0

log = logging.getLogger("wmenv.live")


class Room:
    """A world for the people in it. `stock` has the hubs, `name` is what the invitation says."""

    def __init__(self, name: str, stock: Stock, moment_bytes: int, grace_s: float) -> None:
        self.name, self._stock, self.spec = name, stock, stock.spec
        self.people = People(grace_s)
        self.scene = Scene(stock, f"room {name}", moment_bytes)
        self.hands, self._wishes = Hands(self.spec.actions), Wishes()
        self.used_at = time.monotonic()  # when somebody last did something
        self._paused, self._fps = False, self.spec.fps
        self._pace = Pace(self._fps / self.spec.frames_per_step)
        self._gauges: Gauges | None = None
        self._over = self._failed = ""  # why nothing goes on
        self._single = False  # whether one step is wanted though the world stands
        self._nudged = asyncio.Event()
        self._lock, self._saving = asyncio.Lock(), asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    # --- its life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the first scene, and let the world run."""
        first = self._stock.template
        await self.scene.begin(Start(template=first), 0, template=first)
        await self._entered()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._tell_gauges())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.scene.close()

    def nudge(self) -> None:
        """Something changed that the world may wait for."""
        self._nudged.set()

    @property
    def _stuck(self) -> bool:
        return bool(self._over or self._failed)

    @property
    def _resting(self) -> bool:
        return self._paused or self._stuck or not self.people.here or self.hands.idle

    async def _run(self) -> None:
        while True:
            slot = await self._slot()
            async with self._lock:
                if slot is not None and not self._stuck:
                    await self._step_or_stop(slot)

    async def _slot(self) -> int | None:
        """Wait until a step is due; gives when it was, in nanoseconds, or None if the world was stopped meanwhile."""
        while self._resting:
            self._nudged.clear()
            if not self._stuck and (self._single or self.hands.pressed):
                self._single = False
                return time.monotonic_ns()
            await self._nudged.wait()
        slot = self._pace.next_ns()
        await asyncio.sleep(self._pace.wait_s(slot))
        return None if self._resting else slot

    # --- a step -----------------------------------------------------------------------------------------------------

    async def _step_or_stop(self, slot: int) -> None:
        """A step; if it fails, stop and say so, until somebody begins again."""
        try:
            await self._step(slot)
        except WmenvError as problem:
            self._failed = str(problem)
            self.tell_all()
        except Exception:
            log.exception("room %s failed", self.name)
            self._failed = "This is a mistake in the server or the world; the server's log says more."
            self.tell_all()

    async def _step(self, slot: int) -> None:
        action, presses = self.hands.take()
        wish = self._wishes.take()
        accepted = time.monotonic_ns()
        stepped = await self.scene.step(action, Direction(wish.text) if wish else None)
        span = Span(slot, accepted, time.monotonic_ns())
        stepped.moment.latency_ms = span.latency_ms
        self._show(stepped, presses)
        assert self._gauges is not None, "a scene has its gauges"
        self._gauges.see(stepped.views["main"], action, span)
        if wish is not None:
            self._wishes.answered(wish, stepped.moment, self._gauges.expect())
            self._tell_receipt(wish)
            self.tell_all()  # of its mark on the timeline
        await self._after(stepped.moment.step)

    async def _after(self, step: int) -> None:
        """What has time until the picture is out."""
        if self.scene.timeline.wants_state(step):
            await self.scene.keep()
        if self._paused or step % CAPTIONED_EVERY == 0:
            self._say_all(told("caption", text=await self.scene.caption()))
        self._see_whether_over()
        if self._over:
            self.tell_all()

    def _see_whether_over(self) -> None:
        moment = self.scene.last
        reward = f", with a reward of {moment.reward:g}" if moment.reward else ""
        self._over = f"After {moment.step} steps{reward}." if moment.terminated else ""

    # --- showing ----------------------------------------------------------------------------------------------------

    def _show(self, stepped: Stepped, presses: list[Press]) -> None:
        """Send what a step showed to everybody; each is told which of their own presses it answers."""
        views = [view(name, sight.frames[-1]) for name, sight in stepped.views.items()]
        head = {"kind": "frame", "branch": self.scene.timeline.current, "step": stepped.moment.step}
        audio = stepped.moment.audio
        sound = audio.astype("<i2").tobytes() if audio is not None else None
        for person in self.people.here:
            draw = _drawing(head, views, sound if person.sound else None)
            person.show("frame", draw, [press.id for press in presses if press.person == person.id])

    def _look(self, person: Person, branch: int, step: int) -> None:
        """Send one person a moment of the past."""
        moment = self.scene.timeline.branch(branch).moment(step)
        views = [view("main", moment.frame)]
        if moment.ghost is not None:
            views.append(view("ghost", moment.ghost.frame))
        head = {"kind": "look", "branch": branch, "step": step, "caption": moment.caption}
        person.show("look", _drawing(head, views, None))

    def _look_at_now(self, person: Person) -> None:
        """Send one person what was shown last, as if it had just been."""
        moment, twin = self.scene.last, self.scene.twin
        views = [view("main", moment.frame)]
        if twin is not None:
            views.append(view("twin", twin.branch.moment(twin.branch.tip).frame))
        if moment.ghost is not None:
            views.append(view("ghost", moment.ghost.frame))
        head = {"kind": "frame", "branch": self.scene.timeline.current, "step": moment.step}
        person.show("frame", _drawing(head, views, None))
        person.say(told("caption", text=moment.caption or ""))

    # --- telling ----------------------------------------------------------------------------------------------------

    def facts(self, person: Person) -> dict[str, Any]:
        """All that a page needs to know of the room."""
        scene, stock = self.scene, self._stock
        begun = scene.timeline.now.begun
        return told(
            "room",
            room=self.name,
            world=stock.name,
            spec=stock.spec_facts,
            passes=scene.passes,
            most_passes=stock.most_passes,
            has_ghost=stock.ghost_hub is not None,
            seed=begun.get("seed"),
            template=begun.get("template"),
            paused=self._paused,
            fps=self._fps,
            over=self._over,
            failed=self._failed,
            ghost=scene.main.ghost is not None,
            twin=scene.twin and scene.twin.branch.id,
            current=scene.timeline.current,
            branches=[branch.facts() for branch in scene.timeline.branches.values()],
            waiting=stock.waiting,
            **self.people.facts(person),
        )

    def tell_all(self) -> None:
        """Tell everybody how the room is now."""
        for person in self.people.here:
            person.say(self.facts(person))

    def welcome(self, person: Person) -> None:
        """Show somebody who has just come, or come back, where things are."""
        self.tell_all()
        self._look_at_now(person)
        self.nudge()

    def left(self, person: Person, outbox: Outbox) -> None:
        """The page with this outbox has gone, and with it what it held down."""
        self.people.leave(person, outbox)
        if self.people.may(person, "move"):
            self.hands.let_go()
        self.tell_all()

    def _tell_receipt(self, wish: Wish) -> None:
        for person in self.people.here:
            person.say(wish.receipt(person))

    def _say_all(self, message: dict[str, Any]) -> None:
        for person in self.people.here:
            person.say(message)

    async def _tell_gauges(self) -> None:
        while True:
            await asyncio.sleep(GAUGED_EVERY_S)
            if self._gauges is not None and self._gauges.news:
                self._say_all(told("gauges", **self._gauges.facts(1e3 * self.spec.frames_per_step / self._fps)))
                for wish in self._wishes.shown(self.scene.last.step):
                    self._tell_receipt(wish)

    # --- what people do ---------------------------------------------------------------------------------------------

    async def hear(self, person: Person, message: AnyMessage) -> None:
        """Do what somebody asks for, or raise the reason why not."""
        match message:
            case said.Look(branch=None):
                return self._look_at_now(person)
            case said.Look(branch=int(branch), step=step):
                return self._look(person, branch, step)
            case said.Want():
                person.sound = message.sound
            case said.Give():
                self.people.give(person, message.role, message.to)
                self.hands.let_go()
                self.tell_all()
            case said.Direct():
                self._need_role(person, "direct")
                self.spec.need("directions")
                self._tell_receipt(self._wishes.add(message.text, person, message.id, self.scene.last.step))
            case _:
                self._need_role(person, "move")
                await self._moved(person, message)
        self.used_at = time.monotonic()
        self.nudge()
        return None

    async def _moved(self, person: Person, message: AnyMessage) -> None:
        """What only whoever moves may do."""
        match message:
            case said.Act():
                self.hands.press(Press(_plain(message.action), person.id, message.id))
            case said.Hold():
                self.hands.hold(_plain(message.action))
            case said.Step():
                self._single = self._paused
            case said.Pace():
                self._set_pace(message)
                self.tell_all()
            case said.Rename():
                self.scene.timeline.rename(message.branch, message.name)
                self.tell_all()
            case _:
                await self._whole(self._change, message)

    async def _whole(self, change: Callable[..., Any], *args: Any) -> None:
        """Change the scene while nothing steps, and to the end, even if whoever asked leaves meanwhile."""

        async def alone() -> None:
            async with self._lock:
                await change(*args)
            self.tell_all()
            self.nudge()

        await asyncio.shield(asyncio.create_task(alone()))

    async def _change(self, message: AnyMessage) -> None:
        scene = self.scene
        match message:
            case said.Begin():
                start = Start(template=message.template, prompt=message.prompt)
                events = await scene.begin(start, message.seed, template=message.template, prompt=message.prompt)
                await self._entered()
                for event in events:  # such as a sentence of the prompt that was refused
                    self._say_all(told("note", text=f"{event.kind.replace('-', ' ')}: {event.detail}"))
            case said.Branch():
                await scene.fork(message.branch, message.step)
                await self._entered()
            case said.Go():
                await scene.go(message.branch)
                await self._entered()
            case said.Ghost(on=True):
                await scene.begin_beside_the_real()
                await self._entered()
            case said.Ghost(on=False):
                scene.end_ghost()
            case said.Compare(branch=None):
                scene.end_twin()
            case said.Compare(branch=int(branch)):
                await scene.compare(branch)
            case said.Passes():
                await scene.look(message.passes)
            case said.Remove():
                scene.remove(message.branch)

    async def _entered(self) -> None:
        """The scene goes on from another moment: what was pressed, said and measured belonged to the last one."""
        self.hands.let_go()
        self._wishes.clear()
        self._gauges = Gauges(self.spec, self.scene.last.frame)
        self._failed = ""
        self._see_whether_over()
        await self.scene.caption()
        for person in self.people.here:
            self._look_at_now(person)
        if self.scene.inexact:
            self._say_all(told("note", text="This moment was lived again, and came out a little different."))

    def _need_role(self, person: Person, role: str) -> None:
        if not self.people.may(person, role):
            holder = self.people.roles[role]
            who = f"{holder.name} {role}s" if holder else f"nobody {role}s"
            raise OptionError(f"{who} here; you look on. Open People to ask for it or take it.")

    def _set_pace(self, message: said.Pace) -> None:
        if message.fps is not None:
            self._fps = message.fps
            self._pace.change(self._fps / self.spec.frames_per_step)
        if message.paused is not None:
            self._paused = message.paused

    # --- files ------------------------------------------------------------------------------------------------------

    async def begin_from(self, person: Person, kind: str, data: bytes, seed: int) -> None:
        """A scene from somebody's own picture, as RGB bytes of the world's size, or from a moment that was saved."""
        self._need_role(person, "move")
        self.used_at = time.monotonic()
        start = Start(picture=self._picture_in(data)) if kind == "picture" else Start(moment=data)

        async def begin() -> None:
            await self.scene.begin(start, seed, dropped=kind)
            await self._entered()

        await self._whole(begin)

    def _picture_in(self, data: bytes) -> np.ndarray:
        height, width = self.spec.height, self.spec.width
        if len(data) != height * width * 3:
            raise OptionError(f"a picture for this world has {height} x {width} x 3 bytes, got {len(data)}.")
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    async def save(self, kind: Kind, branch: int, first: int, last: int) -> Saved:
        """A file of some moments."""
        async with self._saving:
            async with self._lock:
                stretch = await self.scene.stretch(branch, first, last)
            return await asyncio.to_thread(save, kind, stretch)


def _drawing(
    head: dict[str, Any], views: list[tuple[dict[str, Any], bytes]], sound: bytes | None
) -> Callable[[list[int]], bytes]:
    """Makes a picture as it is sent to somebody, once it is known which of their presses it answers."""
    return functools.partial(_drawn, head, views, sound)


def _drawn(
    head: dict[str, Any], views: list[tuple[dict[str, Any], bytes]], sound: bytes | None, acts: list[int]
) -> bytes:
    return picture({**head, "acts": acts}, views, sound)


def _plain(action: Any) -> Any:
    """A list of fields as the tuple that tables take."""
    return tuple(action) if isinstance(action, list) else action
