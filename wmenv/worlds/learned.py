"""A world that a neural network generates, from the first frame to the last, behind the world protocol.

Wraps a checkpoint: its weights are shared and silent, and everything that changes is the `TensorState` it hands out. No
simulator is imported, let alone stepped; what the checkpoint's source called its actions and tasks is in the
checkpoint.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from wmenv.contract import (
    ActionTable,
    AudioSpec,
    Direction,
    Directions,
    Event,
    Outcome,
    Receipt,
    Start,
    State,
    WorldSpec,
    check_directions,
    is_whole,
)
from wmenv.errors import DirectionError, OptionError, StartError, UnsupportedError, did_you_mean
from wmenv.models.checkpoint import load_stream
from wmenv.models.compiled import CompiledStreamer
from wmenv.models.config import StreamConfig
from wmenv.models.listening import meant
from wmenv.models.streaming import MEMORIES, Drawn, Streamer, kinds_of
from wmenv.models.threads import Threads
from wmenv.models.words import NEW, Vocabulary, split_words
from wmenv.runtime import half_is_quicker
from wmenv.worlds.door import one_row, own
from wmenv.worlds.tensor_state import TensorState

MOST_PASSES = 16
ROUTINGS: tuple[str, ...] = get_args(StreamConfig.model_fields["routing"].annotation)
WEIGHTS = Path(__file__).parent.parent / "weights"
TELLERS = {"gridrooms": "wmenv.sources.gridrooms.captions:caption_of"}  # by name: worlds do not import sources
TRIFLE = 0.01  # a reward's share of a neighbouring value that is doubt, not reward


def gridrooms(task: str = "reach", **settings: Any) -> LearnedWorld:
    """The shipped world of GridRooms."""
    return LearnedWorld(WEIGHTS / "gridrooms.safetensors", task, **settings)


def gridrooms_memory(task: str = "reach", **settings: Any) -> LearnedWorld:
    """The same rooms by a network that was briefly taught every kind of memory, each often alone: to compare them."""
    return LearnedWorld(WEIGHTS / "gridrooms-memory.safetensors", task, **settings)


def gridrooms_pixels(task: str = "reach", **settings: Any) -> LearnedWorld:
    """The same rooms drawn in colours, from noise, in any number of looks, and as strongly as told as is asked."""
    return LearnedWorld(WEIGHTS / "gridrooms-pixels.safetensors", task, **settings)


class LearnedWorld:
    """A checkpoint as a world. `task` is what rows are told unless their start names another template; if not said, the
    first that pays.

    `passes` is K, how often the network may look at a frame before it is shown. `bf16` halves its numbers ("quicker":
    where that is quicker on this machine), `compiled` makes machine code of it when it is first opened: faster, and
    equal but for rounding. `memory` takes away what it
    remembers, for comparison: "places" leaves what each place showed, "window" the last frame, "bank" and "matrix"
    those and the last frame, "none" nothing. Of a bank of key frames, `routed` says how many are heard, and `routing`
    whether those that show what is in "view" or the most "recent". A world of pixels that was taught to may follow what
    is asked with more `strength` than the data do. `threads` is how many a step takes, or "quickest": what is quickest
    here for that many rows, tried before the first of them begins. `device` is where it computes, such as "cuda".

    A start is dreamt from the seed, read from a picture or revived from a moment. What is dreamt or read may then be
    changed by a prompt: sentences, parted by semicolons, that are directed one after another before the first frame is
    shown. A sentence that cannot be heard, or has words that are not known here, is an error; one that the network
    refuses, as it depends on what was dreamt, is told as an event of the first frame.
    """

    def __init__(
        self,
        weights: str | Path,
        task: str | None = None,
        passes: int = 2,
        bf16: bool | Literal["quicker"] = False,
        compiled: bool = False,
        memory: str = "all",
        routed: int | None = None,
        routing: str | None = None,
        strength: float = 1.0,
        threads: int | Literal["quickest"] | None = None,
        device: str = "cpu",
    ) -> None:
        if threads not in (None, "quickest") and not (isinstance(threads, int) and threads > 0):
            raise OptionError(f"threads is a number from 1 on, or 'quickest', got {threads!r}.")
        if bf16 not in (True, False, "quicker"):
            raise OptionError(f"bf16 is true, false or 'quicker', got {bf16!r}.")
        if memory not in MEMORIES:
            raise OptionError(f"no memory is called {memory!r}. {did_you_mean(memory, MEMORIES)}")
        if not (is_whole(passes) and 1 <= passes <= MOST_PASSES):
            raise OptionError(f"passes is a whole number from 1 to {MOST_PASSES}, got {passes!r}.")
        if routed is not None and not (is_whole(routed) and routed >= 0):
            raise OptionError(f"routed is how many key frames are heard, a whole number from 0 on, got {routed!r}.")
        if routing not in (None, *ROUTINGS):
            raise OptionError(f"no routing is called {routing!r}. {did_you_mean(str(routing), ROUTINGS)}")
        self.passes, self._strength = int(passes), strength
        half = half_is_quicker(device) if bf16 == "quicker" else bool(bf16)
        hears = {name: value for name, value in (("routed", routed), ("routing", routing)) if value is not None}
        self._streamer, self._facts, vocabulary = _loaded(
            str(weights), _written(weights), half, compiled, memory, strength, device, tuple(hears.items())
        )
        self._words = vocabulary
        self._threads = Threads(threads, self._streamer.rehearse)
        strongest = self._facts.get("strongest", 1.0)
        if not 1 <= strength <= strongest:
            taught = f"up to {strongest:g}" if strongest > 1 else "nothing but 1, as the data do"
            raise OptionError(f"these weights were taught to follow with strength {taught}; got {strength:g}.")
        self.config, self._device = self._streamer.config, torch.device(device)
        self._instructions: dict[str, str] = self._facts["instructions"]
        unpaid = self._facts["spec"].get("unpaid", ("explore",))
        paid = [name for name in self._instructions if name not in unpaid]
        self.task = task = (paid or list(unpaid))[0] if task is None else task
        self._pays = task not in unpaid
        if task not in self._instructions:
            raise OptionError(f"no task is called {task!r} here. {did_you_mean(task, self._instructions)}")
        kinds = kinds_of(self.config)
        if memory in ("places", "bank", "matrix") and memory not in kinds:
            raise OptionError(f"this world has no memory {memory!r}; it has {', '.join(sorted(kinds))}.")
        if hears and not self.config.bank:
            raise OptionError("this world keeps no key frames, so nothing of them is routed.")
        number = str(self._dtype).removeprefix("torch.")
        self._tag = f"learned:{self._facts['source']}:{self._facts['sha256'][:16]}:{number}"
        self.spec = self._spec(task)

    def _spec(self, task: str) -> WorldSpec:
        facts = self._facts["spec"]
        return WorldSpec(
            name=f"{self._facts['source']}-learned",
            height=self.config.height,
            width=self.config.width,
            fps=facts["fps"],
            actions=_action_table(facts["actions"]),
            reward="head" if self._pays else None,
            terminates=self._pays,
            directions=bool(self.config.words),
            words=self._facts["source"] in TELLERS and self.config.pictures == "tiles",
            audio=AudioSpec(**facts["audio"]) if self.config.samples else None,
            hears=bool(self.config.samples),
            pose="predicted" if len(self.config.motions) > 1 else None,
            snapshots="copy",
            starts=frozenset({"seed", "template", "picture", "moment"} | ({"prompt"} if self._prompts else set())),
            templates=tuple(self._instructions),
            suggestions=tuple(facts["suggestions"]),
            provenance={
                "weights_sha256": self._facts["sha256"],
                "dtype": str(self._dtype),
                "passes": str(self.passes),
                "memory": "+".join(sorted(self._streamer.uses & kinds_of(self.config))),
            }
            | ({"routed": f"{self.config.routed} by {self.config.routing}"} if self.config.bank else {})
            | ({"strength": f"{self._strength:g}"} if self._strength != 1 else {})
            | ({"compiled": "yes"} if isinstance(self._streamer, CompiledStreamer) else {})
            | ({"device": str(self._device)} if self._device.type != "cpu" else {})
            | ({"threads": str(self._threads.wanted)} if self._threads.wanted else {}),
        )

    @property
    def _prompts(self) -> bool:
        """A prompt is directed while the viewer does nothing, so there must be words and a way to do nothing."""
        return bool(self.config.words) and isinstance(self._facts["spec"]["actions"]["noop"], int)

    @property
    def _dtype(self) -> torch.dtype:
        return self._streamer.model.slots.dtype

    # --- the protocol ---

    @torch.inference_mode()
    def open(self, starts: Sequence[Start], seeds: Sequence[int]) -> tuple[State, Outcome]:
        prompts = [self._sentences(start.check(self.spec)) for start in starts]
        if isinstance(self._streamer, CompiledStreamer):
            self._streamer.warm(len(starts))
        kept = [row for row, start in enumerate(starts) if start.moment is not None]
        fresh = [row for row, start in enumerate(starts) if start.moment is None]
        parts = [self._begin(starts[row], seeds[row]) for row in kept]
        if fresh:
            with self._threads.held(len(starts)):
                parts.append(self._dream([starts[row] for row in fresh], [seeds[row] for row in fresh]))
        state = TensorState.concat(parts).select(np.argsort(kept + fresh))
        refused = self._prompt(state.tensors, prompts)
        return state, self._outcome(_still(state.tensors, self.config.samples), None, refused)

    @torch.inference_mode()
    def advance(self, state: State, actions: np.ndarray, directions: Directions) -> tuple[State, Outcome]:
        state = own(state, TensorState, self._tag)
        state.check_live()
        actions = self.spec.actions.check(actions, len(state))
        check_directions(directions, self.spec)
        words = self._heard(directions)
        hearing = [row for row, said in enumerate(directions) if said and said.sound and not self._unheard(said)]
        memory = state.consume().tensors
        action = torch.from_numpy(actions).to(self._device)
        with self._threads.held(len(action)):
            if hearing:
                action, understood = self._listen(memory, action, hearing, directions)
            drawn = self._streamer.step(memory, action, words, self.passes)
        shown = _shown(drawn, self.config.reward_range)
        if hearing:
            shown["applied"][hearing] = understood.cpu()
        return TensorState(self._tag, memory), self._outcome(shown, directions)

    def revive(self, data: bytes) -> TensorState:
        """The state that `to_bytes` wrote, by this world or by another process that has the same weights."""
        return TensorState.from_bytes(data, self._tag, self._device)

    # --- words out ---

    def describe(self, state: State) -> list[str]:
        """What is in view of each row, in the source's own words."""
        self.spec.need("words")
        module, _, name = TELLERS[self._facts["source"]].partition(":")
        caption_of = getattr(importlib.import_module(module), name)
        return [caption_of(tiles) for tiles in self._live(state)["shown"].cpu().numpy()]

    def instructions(self, state: State) -> list[str]:
        """What each row was told to do."""
        sentences = list(self._instructions.values())
        return [sentences[task] for task in self._live(state)["task"].tolist()]

    def _live(self, state: State) -> dict[str, Tensor]:
        state = own(state, TensorState, self._tag)
        state.check_live()
        return state.tensors

    # --- beginnings ---

    def _begin(self, start: Start, seed: int) -> TensorState:
        """A recorded moment goes on with the randomness of its new seed."""
        state = one_row(self.revive(start.moment))
        state.tensors["seed"] = torch.full_like(state.tensors["seed"], _signed(seed))
        return state

    def _dream(self, starts: Sequence[Start], seeds: Sequence[int]) -> TensorState:
        tasks = [start.template or self.task for start in starts]
        told = np.stack([self._words.encode(self._instructions[task], self.config.slot) for task in tasks])
        signed = torch.tensor([_signed(seed) for seed in seeds], device=self._device)
        memory = self._streamer.empty(signed, torch.from_numpy(told).to(self._device))
        names = list(self._instructions)
        memory["task"] = torch.tensor([names.index(task) for task in tasks], dtype=torch.int8, device=self._device)
        shown = [row for row, start in enumerate(starts) if start.picture is not None]
        if shown:
            frames = torch.from_numpy(np.stack([np.asarray(starts[row].picture) for row in shown])).to(self._device)
            self._first_frames(memory, shown, self._streamer.model.pictures.read(frames))
        self._first_frames(memory, [row for row in range(len(starts)) if row not in shown], None)
        return TensorState(self._tag, memory)

    def _first_frames(self, memory: dict[str, Tensor], rows: list[int], given: Tensor | None) -> None:
        """Begin some rows: with the pictures they are given, or with a dream."""
        if not rows:
            return
        part = {name: value[rows] for name, value in memory.items()}
        self._streamer.begin(part, given)
        memory.update(TensorState(self._tag, memory).put(rows, TensorState(self._tag, part)).tensors)

    def _sentences(self, start: Start) -> list[str]:
        """The sentences of a start's prompt, or a named error if they cannot be directed before its first frame."""
        if start.prompt is None:
            return []
        if start.moment is not None:
            raise StartError(
                f"a moment begins with the frame it was kept at, so the prompt {start.prompt!r} would come too late. "
                "Begin at the moment, and direct the row once it runs."
            )
        sentences = [part.strip() for part in start.prompt.split(";") if part.strip()] or [start.prompt]
        for sentence in sentences:
            if why := self._unheard(Direction(sentence)) or self._strange(sentence):
                raise DirectionError(f"cannot start from the prompt {sentence!r}: {why}")
        return sentences

    def _prompt(self, memory: dict[str, Tensor], prompts: Sequence[list[str]]) -> list[tuple[Event, ...]]:
        """Direct the sentences of each row's prompt one by one, while the viewer stands still, before anything is
        shown; what of them was refused."""
        refused: list[tuple[Event, ...]] = [()] * len(prompts)
        for turn in range(max(map(len, prompts), default=0)):
            rows = [row for row, sentences in enumerate(prompts) if turn < len(sentences)]
            said = [Direction(prompts[row][turn]) for row in rows]
            for row, receipt in zip(rows, self._directed(memory, rows, said), strict=True):
                if not receipt.applied:
                    refused[row] += (Event("prompt-refused", f"{prompts[row][turn]!r}: {receipt.reason}"),)
        return refused

    def _directed(self, memory: dict[str, Tensor], rows: list[int], said: list[Direction]) -> list[Receipt]:
        """One step of some rows, in which they do nothing but hear what is said."""
        part = TensorState(self._tag, {name: value[rows] for name, value in memory.items()})
        still = torch.full((len(rows),), self.spec.actions.noop, dtype=torch.int64, device=self._device)
        with self._threads.held(len(memory["seed"])):
            drawn = self._streamer.step(part.tensors, still, self._heard(said), self.passes)
        memory.update(TensorState(self._tag, memory).put(rows, part).tensors)
        return [self._receipt(*one) for one in zip(said, (drawn.said.receipt > 0).tolist(), strict=True)]

    # --- what is shown ---

    def _heard(self, directions: Directions) -> Tensor | None:
        """(rows, slot) words, zeros where nothing was typed that is heard; None where that holds for all rows."""
        texts = [one.text if one and one.sound is None and not self._unheard(one) else None for one in directions]
        if not any(texts):
            return None
        words = np.stack([self._words.encode(text, self.config.slot) for text in texts])
        return torch.from_numpy(words).to(self._device)

    def _listen(
        self, memory: dict[str, Tensor], action: Tensor, rows: Sequence[int], directions: Directions
    ) -> tuple[Tensor, Tensor]:
        """The actions, where those `rows` that understand what they hear do that instead; and which of them do."""
        pcm = np.stack([np.frombuffer(directions[row].sound, "<i2") for row in rows]) / np.float32(32768)
        part = {name: value[rows] for name, value in memory.items()}
        asked, understood = meant(self._streamer, part, torch.from_numpy(pcm).to(self._device))
        obeyed = action.clone()
        obeyed[rows] = asked.where(understood, action[rows])
        return obeyed, understood

    def _outcome(
        self, shown: dict[str, Tensor], directions: Directions | None, events: Sequence[tuple[Event, ...]] = ()
    ) -> Outcome:
        rows = len(shown["shown"])
        told = directions is not None and any(directions)
        pose = shown["pose"].float().numpy() * np.array([1, 1, math.pi / 2], np.float32)
        return Outcome(
            frames=self._streamer.model.pictures.draw(shown["shown"]).cpu().numpy(),
            reward=shown["reward"].float().numpy() if self.spec.reward else None,
            terminated=shown["end"].numpy() if self.spec.terminates else None,
            audio=_pcm(shown["sound"]) if self.spec.audio else None,
            pose=pose if self.spec.pose else None,
            receipts=self._receipts(directions, shown["applied"]) if told else None,
            events=events or [()] * rows,
        )

    def _receipts(self, directions: Directions, applied: Tensor) -> list[Receipt | None]:
        rows = zip(directions, applied.tolist(), strict=True)
        return [self._receipt(direction, done) if direction else None for direction, done in rows]

    def _receipt(self, direction: Direction, applied: bool) -> Receipt:
        if why := self._unheard(direction):
            return Receipt(False, f"the world refuses: {why}")
        if direction.sound is not None:
            return Receipt(applied, "" if applied else "nothing that can be done here and now sounds like that.")
        if applied:
            return Receipt(True)
        why = self._strange(direction.text) or "it sees no way to do that here and now."
        return Receipt(False, f"the world refuses: {why}")

    def _unheard(self, direction: Direction) -> str:
        """Why a direction does not reach the network, as the end of a message; "" if it does."""
        if direction.lock is not None:
            return "it cannot promise to leave a region of the picture alone."
        if direction.sound is not None:
            return ""
        words, most = len(split_words(direction.text)), self.config.slot
        if not words:
            return f"it hears words, and finds none in {direction.text!r}."
        return f"it hears at most {most} words at once, this is {words}." if words > most else ""

    def _strange(self, text: str) -> str:
        """Which words of a sentence are not known here, as the end of a message; "" if all are."""
        strange = [word for word in split_words(text) if self._words.encode(word, 1)[0] == NEW]
        return f"it does not know the words {', '.join(strange)}." if strange else ""


def _written(weights: str | Path) -> int:
    """When a file was written; 0 if there is none, which is for the loader to say."""
    path = Path(weights)
    return path.stat().st_mtime_ns if path.is_file() else 0


@functools.lru_cache(maxsize=8)
def _loaded(
    weights: str,
    written: int,
    bf16: bool,
    compiled: bool,
    memory: str,
    strength: float,
    device: str,
    hears: tuple[tuple[str, Any], ...],
) -> tuple[Streamer, dict, Vocabulary]:
    """Weights are read once per process and setting, and again when others were written in their place."""
    model, facts = load_stream(Path(weights))
    model.config = StreamConfig.model_validate(model.config.model_dump() | dict(hears))
    if "spec" not in facts:
        raise UnsupportedError(f"{weights} holds bare weights; export it with its source's facts to make it a world.")
    try:
        model = model.to(device, torch.bfloat16 if bf16 else None)
    except (RuntimeError, AssertionError) as problem:
        raise OptionError(f"the device {device!r} cannot be used here: {problem}") from problem
    return (CompiledStreamer if compiled else Streamer)(model, memory, strength), facts, Vocabulary(model.config.words)


def _action_table(facts: dict) -> ActionTable:
    """The table that was written as JSON, where keys are strings and tuples are lists."""
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    plain["inverse"] = {int(action): int(back) for action, back in facts["inverse"].items()}
    return ActionTable(**plain)


def _signed(seed: int) -> int:
    """Any seed as an int64."""
    return (int(seed) + 2**63) % 2**64 - 2**63


def _shown(drawn: Drawn, reach: float) -> dict[str, Tensor]:
    """What a step shows of each row, as plain tensors: the picture where it was made, for it is still to be drawn, the
    rest on the host."""
    said = drawn.said
    shown = {"shown": drawn.shown, "pose": drawn.pose.cpu(), "reward": reach * rewards(said.reward.cpu())}
    shown |= {"end": said.end.cpu() > 0, "applied": said.receipt.cpu() > 0}
    return shown | ({"sound": said.sound.float().cpu()} if said.sound is not None else {})


def rewards(said: Tensor) -> Tensor:
    """What (rows, bins) logits over -1..1 pay: the mean of the likeliest value and its likelier neighbour, which is how
    a reward between two was taught; a neighbour that is hardly believed is left out, so that nothing is exactly 0."""
    values = torch.linspace(-1, 1, said.shape[-1], dtype=torch.float64).round(decimals=6)
    chances = said.double().softmax(-1)
    best = chances.argmax(-1, keepdim=True)
    near = (best + torch.tensor([-1, 1])).clamp(0, said.shape[-1] - 1)
    beside = near.gather(-1, chances.gather(-1, near).where(near != best, 0).argmax(-1, keepdim=True))
    shares = chances.gather(-1, torch.cat([best, beside], -1))
    share = shares[..., 1] / shares.sum(-1)
    share = share.where(share >= TRIFLE, 0)
    low, high = values[best.squeeze(-1)], values[beside.squeeze(-1)]
    return (low + share * (high - low)).float()


def _still(memory: dict[str, Tensor], samples: int) -> dict[str, Tensor]:
    """What rows show that have just begun: no reward, no end, silence."""
    rows = len(memory["seed"])
    nothing = torch.zeros(rows)
    shown = {"shown": memory["shown"], "pose": memory["pose"].cpu(), "reward": nothing, "end": nothing > 0}
    return shown | {"applied": nothing > 0, "sound": torch.zeros(rows, samples)}


def _pcm(sound: Tensor) -> np.ndarray:
    return (sound.clamp(-1, 1) * 32767).round().to(torch.int16).numpy()
