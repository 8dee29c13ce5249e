"""The environment: many rows of one world, stepped by one call of it.

Decodes actions, turns outcomes into reward and ends, begins new episodes in the chosen autoreset mode and tells an
observer. The single environment and the Stable-Baselines3 face are views of this one. Knows nothing of how a world
works inside, nor of what observers write down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from wmenv.contract import (
    Array,
    Describes,
    Direction,
    EpisodeObserver,
    Instructs,
    Outcome,
    Span,
    Start,
    Step,
    World,
)
from wmenv.env.arguments import checked_choice, checked_count, checked_mode, checked_rows
from wmenv.env.book import EpisodeBook
from wmenv.env.directions import DirectionQueue, checked_direction, checked_sound
from wmenv.env.director import Director
from wmenv.env.doubt import Doubt
from wmenv.env.infos import InfoBatch
from wmenv.env.options import RowOptions, checked_limit, kept, reset_request, start_of, time_limit_of
from wmenv.env.seeds import SeedStreams, row_seeds
from wmenv.env.snapshot import Snapshot
from wmenv.env.spaces import ActionDecoder, action_space, picture_space
from wmenv.env.tasks import Reward, reward_of_twin, reward_source
from wmenv.env.telling import tell_directions, tell_outcome
from wmenv.errors import LifecycleError, OptionError, SnapshotError, UnsupportedError
from wmenv.runtime import to_host, to_tensor
from wmenv.sim.session import Session, Shown

RENDER_MODES = ("rgb_array",)


class Chunk(NamedTuple):
    """Several steps in a row: arrays of (rows, steps, ...), and the info of each step."""

    observations: Array
    rewards: Array
    terminated: Array
    truncated: Array
    infos: list[dict[str, Any]]


class WorldVectorEnv(VectorEnv):
    """`num_envs` rows of a world as a Gymnasium vector environment.

    `world` is a World or its name. `autoreset_mode` is any of Gymnasium's three. `output` says whether observations,
    rewards and ends are numpy arrays or torch tensors on the world's device. `reward` is "world", "none", or a
    function of (outcome, actions); `reward_source` says which is used. `realtime` paces to the world's own frame
    rate. `doubt` truncates episodes in which the world disagrees with itself. `directed_every` lets a director type
    one of the world's suggestions every so many steps on average. An `observer` watches every episode; its record of an
    episode comes with the step that ends it, as `info["wmenv"]`.

    Row i with seed s lives the same life however many rows there are.

    >>> env = WorldVectorEnv("pan", 2, reward="none", max_episode_steps=3)
    >>> observations, infos = env.reset(seed=7)
    >>> observations.shape, env.episode_seeds.tolist()
    ((2, 64, 64, 3), [7, 8])
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(
        self,
        world: World | str,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        output: Literal["numpy", "torch"] = "numpy",
        reward: Reward = "world",
        realtime: bool = False,
        doubt: Doubt | None = None,
        directed_every: int | None = None,
        observer: EpisodeObserver | None = None,
        render_mode: str | None = None,
        sticky_reset_options: bool = True,
    ) -> None:
        self.num_envs = checked_count(num_envs)
        self.max_episode_steps = checked_limit(max_episode_steps)
        self.autoreset_mode = checked_mode(autoreset_mode)
        self.render_mode = checked_choice("render_mode", render_mode, (None, *RENDER_MODES))
        self.output = checked_choice("output", output, ("numpy", "torch"))
        self.reward = reward
        self.sticky_reset_options = sticky_reset_options
        self.observer = observer
        watched = observer is not None or callable(reward)
        self._session = Session(world, output=self.output, watched=watched, realtime=realtime)
        self.world = self._session.world
        self.world_spec = self.world.spec
        self._reward = reward_source(reward, self.world_spec)
        self._doubt = doubt
        if doubt is not None:
            doubt.check(self.world)
        self._director = Director(self.world_spec, directed_every) if directed_every else None
        self._set_spaces()
        self._every_row = list(range(self.num_envs))
        self._streams = SeedStreams(self.num_envs)
        self._book = EpisodeBook(self.num_envs)
        self._queue = DirectionQueue(self.num_envs)
        self._kept_options: list[RowOptions] = [{}] * self.num_envs
        self.last_step: Span | None = None

    def _set_spaces(self) -> None:
        spec = self.world_spec
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": spec.fps,
            "autoreset_mode": self.autoreset_mode,
            "frames_per_step": spec.frames_per_step,
        }
        self.single_observation_space = picture_space(spec)
        self.single_action_space = action_space(spec.actions)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._decode = ActionDecoder(spec.actions)

    @cached_property
    def observation_space(self) -> Any:  # type: ignore[override]
        """All rows' frames; made when asked for, because it holds four arrays as large as a batch."""
        return batch_space(self.single_observation_space, self.num_envs)

    @property
    def reward_source(self) -> str:
        """Where reward comes from: "env", "head", "none", or "task:<name>"."""
        return self._reward.name

    @property
    def episode_seeds(self) -> np.ndarray:
        """The seed that each row's episode began with: given to `reset` again, it begins so again."""
        return self._book.seeds.copy()

    # --- beginning ---------------------------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[Array, dict[str, Any]]:
        """Begin new episodes, in every row or in those of `options["reset_mask"]`.

        A seed of s gives row i the seed s + i; a row without a seed goes on with its own stream. Options are one dict
        for all rows or a list with one per row: `template`, `picture`, `moment`, `prompt`, `max_episode_steps`; and for
        the batch `reset_mask` and `group_size`: so many neighbours begin alike and differ in their random streams.
        """
        self._refuse_closed()
        request = reset_request(options, self.num_envs)
        if len(request.rows) < self.num_envs:
            self._refuse_unopened()
        seeds = row_seeds(seed, self.num_envs)
        infos = InfoBatch(self.num_envs)
        asked = [(row, begin, seeds[row]) for row, begin in zip(request.rows, request.begin, strict=True)]
        self._begin(asked, infos, request.group_size, afresh=len(asked) == self.num_envs)
        return self._session.frames, infos.as_dict()

    def _begin(
        self,
        asked: Sequence[tuple[int, RowOptions | None, int | None]],
        infos: InfoBatch,
        group_size: int = 1,
        afresh: bool = False,
    ) -> None:
        """New episodes for (row, options, seed); `afresh` drops every row that ran before."""
        rows = [row for row, _, _ in asked]
        options = [self._kept_options[row] if begin is None else begin for row, begin, _ in asked]
        starts = [start_of(begin, self.world_spec) for begin in options]
        limits = [time_limit_of(begin, self.max_episode_steps) for begin in options]
        seeds = [self._streams.draw(row, seed) for row, _, seed in asked]
        if group_size > 1:
            starts = self._shared(starts, seeds, group_size)
        open_rows = self._session.open if afresh else lambda *begin: self._session.reopen(rows, *begin)
        shown: Shown = open_rows(starts, seeds)
        self._book.begin(rows, limits, seeds)
        for row, begin in zip(rows, options, strict=True):
            self._queue.replace(row)
            self._kept_options[row] = kept(begin) if self.sticky_reset_options else {}
        self._reward.opened(rows, self._session.frames)
        if self.observer is not None:
            self.observer.opened(rows, seeds, starts, shown.outcome, shown.span)
        tell_outcome(infos, rows, shown.outcome, range(len(rows)))

    def _shared(self, starts: Sequence[Start], seeds: Sequence[int], size: int) -> list[Start]:
        """One beginning per group: the moment at which its first row would begin."""
        if "moment" not in self.world_spec.starts:
            raise UnsupportedError(
                f"world {self.world_spec.name!r} cannot start from a moment, so its rows cannot share one. "
                "Leave group_size out, or give the rows one seed each and the same options."
            )
        leaders, _ = self.world.open(starts[::size], seeds[::size])
        moments = [leaders.select([group]).to_bytes() for group in range(len(leaders))]
        return [Start(moment=moment) for moment in moments for _ in range(size)]

    # --- stepping ----------------------------------------------------------------------------------------------------

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every row; a row whose episode had ended begins anew instead, and its action is ignored."""
        self._refuse_closed()
        self._refuse_unopened()
        waiting = self._book.ended
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._refuse_ended(waiting)
        step = self._advance(self._decode(actions, ignored=waiting), waiting)
        records = self.observer.stepped(step) if self.observer is not None else {}
        infos = self._infos_of(step, records)
        self._autoreset(waiting, infos)
        return (*self._given(step), infos.as_dict())

    def _advance(self, actions: np.ndarray, waiting: np.ndarray) -> Step:
        active = ~waiting
        directions = self._queue.take(active)
        if self._director is not None:
            rows = np.flatnonzero(active).tolist()
            directions = self._director.add(directions, self._book.seeds, self._book.steps, rows)
        apart = self._apart(actions, active)
        shown = self._session.advance(actions, directions)
        self.last_step = shown.span
        outcome, cut = shown.outcome, None
        if self._doubt is not None:
            outcome, cut = self._doubt.told(outcome, apart), self._doubt.cuts(apart, self.num_envs)
        reward, terminated = self._reward(outcome, actions)
        reward[waiting], terminated[waiting] = 0.0, False
        truncated = self._book.count(active, terminated, cut)
        return Step(active, actions, directions, outcome, reward, terminated, truncated, shown.span)

    def _apart(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray | None:
        """How far the world disagrees with itself about the step to come, where it is asked."""
        if self._doubt is None:
            return None
        book = self._book
        return self._doubt.ask(self.world, self._session.state, actions, book.steps, book.seeds, active)

    def _infos_of(self, step: Step, records: Mapping[int, Mapping[str, Any]]) -> InfoBatch:
        """What the step tells of every row that it moved."""
        infos = InfoBatch(self.num_envs)
        ended = self._book.ended
        if ended.any():
            self._tell_ends(infos, step, np.flatnonzero(step.active & ended).tolist(), records)
        going_on = np.flatnonzero(~ended).tolist() if ended.any() else self._every_row
        tell_outcome(infos, going_on, step.outcome, going_on)
        tell_directions(infos, going_on, step)
        return infos

    def _tell_ends(
        self, infos: InfoBatch, step: Step, rows: list[int], records: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """The last words of the episodes that ended with this step, where the autoreset mode wants them."""
        last = infos
        if rows and self.autoreset_mode is AutoresetMode.SAME_STEP:
            frames = self._session.frames
            infos.put_objects("final_obs", rows, [frames[row] for row in rows])
            last = infos.nest("final_info", rows)
        tell_outcome(last, rows, step.outcome, rows)
        tell_directions(last, rows, step)
        if rows and self._reward.tells_success:
            last.put("is_success", rows, (step.terminated & (step.reward > 0))[rows])
        last.put_records({row: {"wmenv": record} for row, record in records.items()})

    def _autoreset(self, waiting: np.ndarray, infos: InfoBatch) -> None:
        """Begin anew where an episode ended: before this step, or with it if the mode is SAME_STEP."""
        over = self._book.ended if self.autoreset_mode is AutoresetMode.SAME_STEP else waiting
        if over.any():
            self._begin([(row, None, None) for row in np.flatnonzero(over).tolist()], infos)

    def _given(self, step: Step) -> tuple[Array, Array, Array, Array]:
        """Observations and what came with them, in the kind of array that was asked for."""
        frames = self._session.frames
        if self.output == "numpy":
            return frames, step.reward, step.terminated, step.truncated
        numbers = step.reward.astype(np.float32), step.terminated, step.truncated
        return (frames, *(to_tensor(array, beside=frames) for array in numbers))

    def step_chunk(self, actions: Any) -> Chunk:
        """Up to K steps with actions of (rows, K, ...); stops after the step in which any episode ends or begins.

        So no action that was meant for one episode is taken in the next.
        """
        plan = to_host(actions)
        if plan.ndim < 2 or plan.shape[:1] != (self.num_envs,) or not plan.shape[1]:
            raise OptionError(f"step_chunk takes actions of shape ({self.num_envs}, K, ...), got {plan.shape}.")
        taken = []
        for now in np.moveaxis(plan, 1, 0):
            begins = self._book.ended.any()
            taken.append(self.step(now))
            if begins or self._book.ended.any() or "final_info" in taken[-1][-1]:
                break
        observations, rewards, terminated, truncated, infos = zip(*taken, strict=True)
        return Chunk(stacked(observations), stacked(rewards), stacked(terminated), stacked(truncated), list(infos))

    # --- directing, keeping, branching -------------------------------------------------------------------------------

    def direct(
        self, text: str, rows: Sequence[int] | None = None, lock: tuple[int, int, int, int] | None = None
    ) -> list[int]:
        """Change the world with the next step of `rows`, or of every row that is under way; gives those rows back."""
        chosen = self._directed("directions", rows)
        self._queue.add(checked_direction(text, lock, self.world_spec), chosen)
        return chosen

    def hear(self, sound: Any, rows: Sequence[int] | None = None) -> list[int]:
        """Play a sound (int16, at `world_spec.audio.rate`) to `rows`, or to every row that is under way, from the next
        step on: for as long as it lasts, they do what they hear instead of their actions. Gives those rows back."""
        chosen = self._directed("hears", rows)
        for direction in checked_sound(sound, self.world_spec):
            self._queue.add(direction, chosen)
        return chosen

    def _directed(self, ability: str, rows: Sequence[int] | None) -> list[int]:
        """The rows that a direction is for, if the world takes such directions."""
        self._refuse_closed()
        self._refuse_unopened()
        self.world_spec.need(ability)
        chosen = np.flatnonzero(~self._book.ended).tolist() if rows is None else checked_rows(rows, self.num_envs)
        self._refuse_ended(self._book.ended, chosen)
        if not chosen:
            raise LifecycleError("every episode has ended: there is nothing to direct before the next reset.")
        return chosen

    def snapshot(self, rows: Sequence[int] | None = None) -> Snapshot:
        """Keep some rows, or all, as they are now."""
        self._refuse_closed()
        self._refuse_unopened()
        chosen = self._chosen(rows)
        waiting = tuple(self._queue.waiting(row) for row in chosen)
        return Snapshot(
            self.world_spec.name,
            self._session.snapshot(chosen),
            self._book.select(chosen),
            waiting,
            self._streams.keep(chosen),
            tuple(self._kept_options[row] for row in chosen),
        )

    def restore(self, snapshot: Snapshot, rows: Sequence[int] | None = None) -> Array:
        """Let `rows` go on from a snapshot, which can be used again; gives the observations of all rows."""
        self._refuse_closed()
        chosen = self._chosen(rows, unique=True)
        if snapshot.world != self.world_spec.name:
            raise SnapshotError(f"this snapshot is of world {snapshot.world!r}, not of {self.world_spec.name!r}.")
        if len(snapshot) != len(chosen):
            raise SnapshotError(f"a snapshot of {len(snapshot)} rows cannot fill {len(chosen)}; say which rows.")
        if chosen == self._every_row:
            self._session.revive(snapshot.moment)
        else:
            self._refuse_unopened()
            self._session.restore(snapshot.moment, chosen)
        self._streams.put(chosen, snapshot.streams)
        for row, options in zip(chosen, snapshot.kept_options, strict=True):
            self._kept_options[row] = options
        self._resume(chosen, snapshot.book, snapshot.waiting)
        return self._session.frames

    def fork(self, sources: Sequence[int], targets: Sequence[int]) -> Array:
        """Let the rows `targets` go on from where `sources` are; gives the observations of all rows.

        Their later episodes stay their own: each row keeps its stream of seeds.
        """
        self._refuse_closed()
        self._refuse_unopened()
        origin, chosen = self._chosen(sources), self._chosen(targets, unique=True)
        if len(origin) != len(chosen):
            raise OptionError(f"fork takes as many sources as targets, got {len(origin)} and {len(chosen)}.")
        self._session.fork(origin, chosen)
        self._resume(chosen, self._book.select(origin), [self._queue.waiting(row) for row in origin])
        return self._session.frames

    def _resume(self, rows: list[int], book: EpisodeBook, waiting: Sequence[tuple[Direction, ...]]) -> None:
        """Take over how far the episodes are that `rows` go on with; to an observer they begin from a moment."""
        self._book.put(rows, book)
        for row, directions in zip(rows, waiting, strict=True):
            self._queue.replace(row, directions)
        self._reward.opened(rows, self._session.frames)
        self._tell_resumed(rows)

    def _tell_resumed(self, rows: list[int]) -> None:
        if self.observer is None:
            return
        started = self._session.clock.at_once()
        outcome = Outcome(frames=to_host(self._session.frames)[rows])
        span = self._session.clock.stop(started, use="resume")
        self.observer.opened(rows, self._book.seeds[rows].tolist(), [Start(moment=b"")] * len(rows), outcome, span)

    def twin(self, observer: EpisodeObserver | None = None) -> WorldVectorEnv:
        """An independent environment on the same world at the same moment, watched by `observer` if by anyone."""
        twin = WorldVectorEnv(
            self.world,
            self.num_envs,
            max_episode_steps=self.max_episode_steps,
            autoreset_mode=self.autoreset_mode,
            output=self.output,
            reward=reward_of_twin(self.reward),
            realtime=self._session.clock.realtime,
            doubt=self._doubt,
            directed_every=self._director.every if self._director else None,
            observer=observer,
            render_mode=self.render_mode,
            sticky_reset_options=self.sticky_reset_options,
        )
        twin.restore(self.snapshot())
        return twin

    def watch(self, observer: EpisodeObserver) -> None:
        """Let `observer` watch from now on; to it, what is under way begins from this moment."""
        if self.observer is not None:
            raise LifecycleError(f"{type(self.observer).__name__} watches this environment already.")
        self.observer, self._session.watched = observer, True
        if self._session.is_open:
            self._tell_resumed(self._every_row)

    # --- looking -----------------------------------------------------------------------------------------------------

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The last frame of every row, if a render mode was asked for."""
        return tuple(self._pictures()) if self.render_mode else None

    def render_tiled(self) -> np.ndarray:
        """The last frames of all rows in one picture."""
        pictures = self._pictures()
        rows, height, width, channels = pictures.shape
        columns = math.ceil(math.sqrt(rows))
        lines = math.ceil(rows / columns)
        wall = np.zeros((lines * columns, height, width, channels), np.uint8)
        wall[:rows] = pictures
        grid = wall.reshape(lines, columns, height, width, channels).swapaxes(1, 2)
        return grid.reshape(lines * height, columns * width, channels)

    def describe(self) -> list[str]:
        """What is in view in each row, in the world's words."""
        self.world_spec.need("words")
        assert isinstance(self.world, Describes), f"{self.world_spec.name} has words but no describe()"
        return self.world.describe(self._session.state)

    def instructions(self) -> list[str]:
        """The task of each row, in words."""
        if not isinstance(self.world, Instructs):
            raise UnsupportedError(
                f"world {self.world_spec.name!r} has no instructions: its rows carry no task in words."
            )
        return self.world.instructions(self._session.state)

    def get_action_meanings(self) -> list[str]:
        """The names of the actions, in order."""
        return list(self.world_spec.actions.names)

    action_meanings = property(get_action_meanings)

    def close_extras(self, **kwargs: Any) -> None:
        """Let the world's state go and tell the observer that no more will come."""
        if "_session" in self.__dict__:  # a constructor that refused has none
            self._session.close()
            if self.observer is not None:
                self.observer.close()

    def _pictures(self) -> np.ndarray:
        self._refuse_closed()
        return np.array(to_host(self._session.frames))

    # --- refusing ----------------------------------------------------------------------------------------------------

    def _refuse_closed(self) -> None:
        if self.closed:
            raise LifecycleError("this environment is closed. Make a new one.")

    def _refuse_unopened(self) -> None:
        if not self._session.is_open:
            raise LifecycleError("nothing runs yet in every row: call reset() before anything else.")

    def _refuse_ended(self, ended: np.ndarray, rows: Sequence[int] | None = None) -> None:
        over = [row for row in np.flatnonzero(ended).tolist() if rows is None or row in rows]
        if over:
            raise LifecycleError(
                f"the episodes in rows {over} have ended. Reset them: reset(options={{'reset_mask': mask}})."
            )

    def _chosen(self, rows: Sequence[int] | None, unique: bool = False) -> list[int]:
        return self._every_row if rows is None else checked_rows(rows, self.num_envs, unique)


def stacked(series: Sequence[Array]) -> Array:
    """Arrays of successive steps as one, with the steps along the second axis."""
    if isinstance(series[0], np.ndarray):
        return np.stack(series, axis=1)
    import torch

    return torch.stack(list(series), dim=1)
