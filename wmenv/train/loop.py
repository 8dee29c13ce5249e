"""The training loop: takes a config, leaves checkpoints, and can be stopped at any minute and resumed to the same
numbers.

A batch and its noise are functions of (seed, step), so the only state is weights, averaged weights and the optimisers'.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wmenv.config import Config
from wmenv.errors import CheckpointError, OptionError
from wmenv.models.checkpoint import load_stream, save_stream
from wmenv.models.config import StreamConfig
from wmenv.models.sequence import run_passage
from wmenv.models.stream import Stream
from wmenv.models.tiles import Tiles
from wmenv.runtime import half_is_quicker
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.collect import read_facts
from wmenv.train.data import Around, Episodes
from wmenv.train.folding import aim, share_taught_by_data
from wmenv.train.footage import Footage
from wmenv.train.history import resampled
from wmenv.train.muon import Muon
from wmenv.train.objective import losses, passage_of
from wmenv.train.palette import palette_of
from wmenv.train.traits import folded, share


class TrainConfig(Config):
    """A training run: everything that decides its numbers, and how often it looks up from its work."""

    data: str = "data/gridrooms"
    out: str = "runs/gridrooms"
    start: str = ""  # a checkpoint whose weights a new run begins from; "" begins from chance
    model: StreamConfig = StreamConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    seed: int = 0
    steps: int = 10_000
    batch: int = 48
    time: int = 8
    directed: float = 0.5  # share of passages that are sure to hold a direction
    choices: float = 0.0  # share that is sure to hold one that changed one of a few of a kind in view
    sights: float = 0.0  # share that is sure to show something for the first time, each kind as often as any other
    sounds: float = 0.0  # share that is sure to hold a sound made while standing still, each as often as any other
    anchored: bool = True  # whether positions are of the world; otherwise of the picture, for comparison
    traits: bool = True  # tiles learn from those they have something in common with
    rate: float = 2e-3
    warmup: int = 100
    cooldown: float = 0.25  # last share of the steps over which the rate falls to nothing
    decay: float = 0.02
    average: float = 0.998  # of the averaged weights that are shipped
    clip: float = 1.0
    device: str = "cpu"  # or "cuda"
    threads: int = 0  # 0: leave torch's choice
    compile: bool = True
    bf16: bool | None = None  # products in half precision; if not said, where they are quicker on this machine
    save_seconds: float = 240.0
    tell_steps: int = 20


DRAWING = ("pictures", "palette", "height", "width", "patch", "predicts", "bottleneck", "unlit", "viewer_shows")
Watch = Callable[["Run", dict, Episodes | Footage], None]
BESIDES = ("out", "start", "threads", "compile", "save_seconds", "tell_steps")  # what does not decide a run's numbers
MEMORY = ("window", "bank", "routed", "routing", "matrix", "recall_place", "recall_met", "recall_spot", "places")
FREE = (*MEMORY, "shift", "stands")  # what a run may have otherwise than the weights it starts from


@dataclass
class Run:
    """What a run carries from step to step."""

    model: Stream
    averaged: Stream
    optimisers: list[torch.optim.Optimizer]
    step: int = 0

    def state(self) -> dict:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, state: dict) -> None:
        """Go on from what `state` said."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        for optimiser, values in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(values)


def begin(config: TrainConfig, facts: dict) -> Run:
    """A new run: seeded weights, or those of `config.start`, that know the palette of the data."""
    torch.manual_seed(config.seed)
    model, averaged = Stream(config.model), Stream(config.model)
    if config.start:
        model.load_state_dict(_weights(Path(config.start), model), strict=False)
    tiled = isinstance(model.pictures, Tiles)
    if tiled:
        for name in ("images", "anchored", "sight"):
            getattr(model.pictures, name).copy_(torch.from_numpy(facts[name]))
    if tiled and config.traits and "traits" in facts:
        share(model, facts["traits"])
        share(averaged, facts["traits"])
    averaged.load_state_dict(model.state_dict())
    averaged.requires_grad_(False)
    model.to(config.device)
    averaged.to(config.device)
    return Run(model, averaged, optimisers_of(model, config))


def read(folder: Path, model: StreamConfig) -> Episodes | Footage:
    """The data in a folder: tiles, or film cut into the model's patches."""
    if "images" in read_facts(folder):
        return Episodes(folder, model.slot)
    if model.pictures != "pixels":
        raise OptionError(f"{folder} is film; set model.pictures to pixels.")
    return Footage(folder, model.slot, model.patch)


def fit_to_data(model: StreamConfig, facts: dict) -> StreamConfig:
    """The model's config with what the data decides filled in: palette, words, actions, motions, sound."""
    decided = {
        "words": tuple(facts["words"]),
        "actions": facts["actions"],
        "motions": tuple(tuple(float(v) for v in motion) for motion in facts["motions"]),
    }
    if "images" in facts:
        decided |= {"palette": len(facts["images"]), "anchor": tuple(facts["anchor"])}
        decided |= {"samples": facts["sound_bank"].shape[-1]}
    else:
        (height, width), (rows, columns) = facts["size"], (side // model.patch for side in facts["size"])
        decided |= {"height": height, "width": width, "anchor": ((rows - 1) / 2, (columns - 1) / 2)}
        decided |= {"viewer_shows": False, "recall_place": False}
    return StreamConfig.model_validate(model.model_dump() | decided)


def optimisers_of(model: Stream, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the trunk, AdamW for everything else."""
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2 and min(p.shape) > 6]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    number = torch.bfloat16 if config.bf16 else torch.float32
    muon = Muon(matrices, lr=config.rate, weight_decay=config.decay, number=number)
    return [muon, torch.optim.AdamW(others, lr=config.rate, weight_decay=0.0, betas=(0.9, 0.98))]


def rate_at(step: int, config: TrainConfig) -> float:
    """Warm up, hold, fall to nothing."""
    left = (config.steps - step) / max(1.0, config.cooldown * config.steps)
    return config.rate * min(1.0, (step + 1) / max(1, config.warmup), max(left, 0.0))


def train(config: TrainConfig, resume: bool = False, watch: Watch | None = None) -> Run:
    """Run to the last step; `watch` sees the run, its figures and its data every `tell_steps`."""
    if config.threads:
        torch.set_num_threads(config.threads)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    episodes = read(Path(config.data), config.model)
    model = fit_to_data(config.model, episodes.facts)
    reach = max(1.0, float(np.abs(episodes.reward).max()))
    model = model.model_copy(update={"reward_range": reach})
    if not config.anchored:
        model = model.model_copy(update={"motions": ((0.0, 0.0, 0.0),), "recall_place": False, "recall_met": False})
    config = config.model_copy(update={"model": model})
    left = _last(out) if resume else None
    if config.bf16 is None:
        config = config.model_copy(update={"bf16": left["config"]["bf16"] if left else half_is_quicker(config.device)})
    run = begin(config.model_copy(update={"start": ""}) if left else config, episodes.facts)
    if left:
        run.restore(_of_this_run(left, out, config, len(episodes)))
    elif (out / "run.pt").exists():
        raise CheckpointError(f"{out} holds a run already: --resume goes on with it, another `out` begins a new one.")
    diary = Diary(out / "log.jsonl", config, run.step)
    lesson = Lesson(run, config, episodes)
    saved = time.monotonic()
    while run.step < config.steps:
        figures = lesson.advance()
        if run.step % config.tell_steps == 0 or run.step == config.steps:
            told = diary.tell(run.step, figures)
            if watch:
                watch(run, told, episodes)
        if time.monotonic() - saved > config.save_seconds or run.step == config.steps:
            save(run, out, config, len(episodes))
            saved = time.monotonic()
    return run


class Lesson:
    """One step of gradient descent after another."""

    def __init__(self, run: Run, config: TrainConfig, episodes: Episodes | Footage) -> None:
        self.run, self.config, self.episodes = run, config, episodes
        self.palette = palette_of(run.model, episodes.facts)
        self._losses = torch.compile(losses) if config.compile else losses
        self._said = torch.compile(run_passage) if config.compile else run_passage

    def advance(self) -> dict[str, Tensor]:
        """Learn from the next batch; returns the losses."""
        run, config = self.run, self.config
        found = self._found()
        found["total"].backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), config.clip)
        for optimiser in run.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(run.step, config)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        _average(run, min(config.average, (run.step + 1) / (run.step + 10)))
        run.step += 1
        return {name: value.detach() for name, value in found.items()}

    def _found(self) -> dict[str, Tensor]:
        run, config = self.run, self.config
        around = Around(config.directed, config.choices, config.sights, config.sounds)
        batch = self.episodes.batch(config.seed, run.step, config.batch, config.time, around)
        batch = batch if config.anchored else batch.unanchored()
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
        passage, asked = passage_of(batch, run.model, self.palette, config.objective, generator)
        batch, passage, asked = (moved_to(part, config.device) for part in (batch, passage, asked))
        with torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=config.bf16):
            passage = resampled(self._said, run.averaged, passage, asked, config.objective, run.step)
            if not self.palette.plain:
                alpha = share_taught_by_data(run.step / config.steps, config.objective)
                asked = aim(self._said, run.averaged, passage, asked, config.objective, alpha)
            return self._losses(run.model, passage, asked, batch, config.objective)


def moved_to(value: Any, device: str) -> Any:
    """A tensor, or a dataclass or dictionary of them, on that device. Chance is drawn on the host, so that a run sees
    the same noise wherever it computes."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: moved_to(part, device) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{name: moved_to(part, device) for name, part in vars(value).items()})
    return value


@torch.no_grad()
def _average(run: Run, keep: float) -> None:
    own, new = list(run.averaged.parameters()), list(run.model.parameters())
    torch._foreach_lerp_(own, new, 1 - keep)


def _weights(path: Path, model: Stream) -> dict[str, Tensor]:
    """The weights of a checkpoint, if it is of the model's config. Kinds of memory may be added or taken away; from one
    that draws with another alphabet, everything but the drawing is taken."""
    given, _ = load_stream(path)
    drawing = {name for name in DRAWING if given.config.pictures != model.config.pictures}
    differ = [n for n, value in model.config if getattr(given.config, n) != value and n not in {*drawing, *FREE}]
    if differ:
        raise CheckpointError(f"{path} cannot start this run: its config differs in {', '.join(differ)}.")
    state = given.state_dict()
    known = model.state_dict()
    taken = {n: v for n, v in state.items() if n in known and not (drawing and n.startswith(("pictures.", "level.")))}
    resized = [n for n, v in taken.items() if v.shape != known[n].shape]
    if resized:
        raise CheckpointError(f"{path} cannot start this run: {', '.join(resized)} have other sizes in it.")
    return taken


def save(run: Run, out: Path, config: TrainConfig, frames: int) -> None:
    """The whole run, to resume from, and the averaged weights, to use."""
    strongest = config.objective.strongest if config.objective.guided else 1.0
    save_stream(folded(run.averaged), out / "stream.safetensors", {"step": run.step, "strongest": strongest})
    partial = out / "run.tmp"
    torch.save(run.state() | {"config": deciding(config), "frames": frames}, partial)
    os.replace(partial, out / "run.pt")  # last, so that what it says is there is there


def _last(out: Path) -> dict:
    """What the run in `out` left."""
    path = out / "run.pt"
    if not path.is_file():
        raise CheckpointError(f"there is nothing to resume at {path}; run without --resume to begin.")
    return torch.load(path, weights_only=True)


def _of_this_run(state: dict, out: Path, config: TrainConfig, frames: int) -> dict:
    """What was left, if it is a run of this config on this data: otherwise its numbers would be neither's."""
    given, kept = deciding(config), state["config"]
    differ = sorted(name for name in given if given[name] != kept.get(name))
    if differ:
        raise CheckpointError(f"the run in {out} has another {', '.join(differ)}; resume it as it was begun.")
    if state.get("frames", frames) != frames:
        raise CheckpointError(f"the run in {out} had {state['frames']} frames to learn from, there are {frames} now.")
    return state


def deciding(config: TrainConfig) -> dict:
    """What decides the numbers of a run, as JSON would bring it back."""
    return json.loads(config.model_dump_json(exclude=set(BESIDES)))


class Diary:
    """Tells how the run goes: a line for people, a JSON line for programs."""

    def __init__(self, path: Path, config: TrainConfig, first: int) -> None:
        self.path, self.config, self.first = path, config, first
        self.began = time.monotonic()

    def tell(self, step: int, figures: dict[str, Tensor]) -> dict[str, float]:
        spent = time.monotonic() - self.began
        pace = spent / max(1, step - self.first)
        told = {name: round(float(value), 5) for name, value in figures.items()}
        told |= {"step": step, "rate": rate_at(step, self.config), "seconds": round(spent, 1)}
        with self.path.open("a") as file:
            file.write(json.dumps(told) + "\n")
        left = math.ceil(pace * (self.config.steps - step) / 60)
        values = "  ".join(f"{name} {told[name]:.4f}" for name in figures)
        print(f"step {step}/{self.config.steps}  {values}  {pace:.2f} s/step  {left} min left", flush=True)
        return told
