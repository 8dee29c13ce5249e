"""A learned world keeps the contract whatever its weights are, and says in its spec what it can do.

Run on a tiny stream with random weights: what is tested here is the world, not what it learnt.
"""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.models.conftest import make_stream
from wmenv.contract import Direction, Receipt, Start, no_directions
from wmenv.errors import (
    CheckpointError,
    DirectionError,
    OptionError,
    SnapshotError,
    StartError,
    UnsupportedError,
)
from wmenv.models.checkpoint import load_stream, save_stream
from wmenv.sources.gridrooms.grammar import VOCABULARY
from wmenv.sources.gridrooms.spec import spec_of
from wmenv.sources.gridrooms.tasks import TASKS
from wmenv.sources.gridrooms.tiles import CATALOGUE
from wmenv.testing import CLAUSES, check_clause
from wmenv.train.objective import two_hot
from wmenv.worlds.learned import LearnedWorld, rewards


def written(folder, **changes):
    """A checkpoint with the facts of GridRooms and random weights."""
    model = make_stream(palette=len(CATALOGUE), words=VOCABULARY, samples=400, **changes)
    if model.config.pictures == "pixels":  # calm enough not to make much of the last bit of a sum
        for parameter in model.parameters():
            parameter.mul_(0.2)
    model.flags.bias[1] = 5.0  # it obeys
    spec = spec_of("explore")
    facts = {
        "source": "gridrooms",
        "instructions": {name: task.instruction for name, task in TASKS.items()},
        "spec": {
            "fps": 20,
            "actions": asdict(spec.actions),
            "audio": asdict(spec.audio),
            "suggestions": spec.suggestions,
        },
    }
    if model.config.pictures == "pixels":
        facts["strongest"] = 2.5
    save_stream(model, folder / "tiny.safetensors", facts)
    return folder / "tiny.safetensors"


def disobedient(weights):
    """Weights that do what they are told never, beside those that always do."""
    path = weights.with_stem("disobedient")
    model, facts = load_stream(weights)
    model.flags.bias[1] = -5.0
    save_stream(model, path, facts)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return written(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def in_pixels(tmp_path_factory):
    """A checkpoint that draws in colours and has every kind of memory."""
    return written(tmp_path_factory.mktemp("pixels"), pictures="pixels", window=1, bank=3, routed=2, matrix=8)


@pytest.fixture
def world(weights):
    return LearnedWorld(weights, "reach")


@pytest.mark.parametrize("clause", CLAUSES)
def test_it_keeps_the_contract(world, clause):
    check_clause(world, clause)


@pytest.mark.parametrize("clause", CLAUSES)
def test_one_of_pixels_keeps_it_too(in_pixels, clause):
    check_clause(LearnedWorld(in_pixels, "reach"), clause)


def test_half_precision_is_taken_where_it_is_quicker(weights, monkeypatch):
    for quicker, number in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("wmenv.worlds.learned.half_is_quicker", lambda device, quicker=quicker: quicker)
        assert LearnedWorld(weights, bf16="quicker").spec.provenance["dtype"] == f"torch.{number}"
    with pytest.raises(OptionError, match="'quicker'"):
        LearnedWorld(weights, bf16="fast")


def test_only_what_was_taught_to_follows_more_strongly(weights, in_pixels):
    assert LearnedWorld(in_pixels, strength=1.5).spec.provenance["strength"] == "1.5"
    with pytest.raises(OptionError, match="nothing but 1"):
        LearnedWorld(weights, strength=1.5)
    with pytest.raises(OptionError, match=r"up to 2\.5"):
        LearnedWorld(in_pixels, strength=9.0)


def test_more_words_than_are_heard_are_refused(weights):
    world = LearnedWorld(weights, "explore")
    state, _ = world.open([Start()] * 2, [0, 1])
    said = [Direction("put a red ball ahead of you " * 3), Direction("put a red ball ahead of you")]
    _, outcome = world.advance(state, np.array([2, 2]), said)
    assert not outcome.receipts[0].applied
    assert "at most 16 words at once, this is 21" in outcome.receipts[0].reason
    assert outcome.receipts[1].applied
    with pytest.raises(DirectionError, match="at most 16 words"):
        world.open([Start(prompt=said[0].text)], [0])


def test_a_direction_with_a_lock_is_refused_and_not_heard(weights):
    world = LearnedWorld(weights, "explore")
    state, _ = world.open([Start()] * 2, [0, 1])
    _, silent = world.advance(state.fork(), np.array([2, 2]), no_directions(2))
    creak = silent.audio[0].tobytes()
    lock = (0, 0, 8, 8)
    for said in (Direction("the lights go out", lock), Direction("(a sound)", lock, creak)):
        _, outcome = world.advance(state.fork(), np.array([2, 2]), [said, None])
        assert outcome.receipts[1] is None
        assert not outcome.receipts[0].applied
        assert "cannot promise to leave a region" in outcome.receipts[0].reason
        assert (outcome.frames == silent.frames).all()


@pytest.mark.parametrize(
    ("text", "why"),
    [("!!!", "finds none in '!!!'"), ("关灯", "does not know the words 关灯"), ("the lights 关灯", "words 关灯")],
)
def test_a_sentence_without_a_word_that_is_known_is_named(weights, in_pixels, text, why):
    for world in (LearnedWorld(weights, "explore"), LearnedWorld(in_pixels, "explore")):
        for prompt in (text, f"the lights go out; {text}"):
            with pytest.raises(DirectionError, match=why):
                world.open([Start(prompt=prompt)], [0])
    world = LearnedWorld(disobedient(weights), "explore")
    state, _ = world.open([Start()], [0])
    _, outcome = world.advance(state, np.array([2]), [Direction(text)])
    assert not outcome.receipts[0].applied
    assert why in outcome.receipts[0].reason


@pytest.mark.parametrize("prompt", ["", ";", " ; "])
def test_a_prompt_without_a_sentence_is_named(world, prompt):
    with pytest.raises(DirectionError, match="finds none in"):
        world.open([Start(prompt=prompt)], [0])


def test_what_of_a_prompt_is_refused_is_told_with_the_first_frame(weights):
    world = LearnedWorld(disobedient(weights), "explore")
    starts = [Start(), Start(prompt="the lights come on; a red ball appears ahead"), Start(prompt="the lights go out")]
    _, outcome = world.open(starts, [0, 1, 2])
    refused = [[event.detail.partition(":")[0] for event in told] for told in outcome.events]
    assert refused == [[], ["'the lights come on'", "'a red ball appears ahead'"], ["'the lights go out'"]]
    assert outcome.events[1][0].kind == "prompt-refused"
    assert "sees no way" in outcome.events[1][0].detail
    assert LearnedWorld(weights, "explore").open(starts, [0, 1, 2])[1].events == [()] * 3


def test_a_moment_is_not_changed_by_a_prompt(world):
    moment = world.open([Start()], [0])[0].to_bytes()
    with pytest.raises(StartError, match="direct the row once it runs"):
        world.open([Start(), Start(moment=moment, prompt="the lights go out")], [0, 1])


def test_who_hears_a_sound_does_what_sounds_like_it(weights):
    world = LearnedWorld(weights, "explore", passes=1)
    state, _ = world.open([Start()] * 2, [0, 1])
    _, done = world.advance(state.fork(), np.array([3, 0]), no_directions(2))
    creak = Direction("(a sound)", sound=done.audio[0].tobytes())
    _, heard = world.advance(state.fork(), np.array([0, 0]), [creak, None])
    assert (heard.frames == done.frames).all()
    assert (heard.audio == done.audio).all()
    assert heard.receipts == [Receipt(True), None]


def test_what_sounds_like_nothing_that_can_be_done_changes_nothing(weights):
    world = LearnedWorld(weights, "explore")
    state, _ = world.open([Start()] * 2, [0, 1])
    noise = np.random.default_rng(0).integers(-3000, 3000, 400, dtype=np.int16)
    for sound in (noise, noise * 0):
        _, heard = world.advance(state.fork(), np.array([2, 2]), [Direction("(a sound)", sound=sound.tobytes()), None])
        _, unheard = world.advance(state.fork(), np.array([2, 2]), no_directions(2))
        assert (heard.frames == unheard.frames).all()
        assert not heard.receipts[0].applied
        assert "sounds like that" in heard.receipts[0].reason


def test_a_sound_of_another_length_is_refused(weights):
    state, _ = LearnedWorld(weights).open([Start()], [0])
    with pytest.raises(DirectionError, match="800 bytes; got 2"):
        LearnedWorld(weights).advance(state, np.array([0]), [Direction("(a sound)", sound=b"\0\0")])


def test_a_moment_belongs_to_its_number_format(weights):
    state, _ = LearnedWorld(weights, bf16=True).open([Start()], [0])
    with pytest.raises(SnapshotError):
        LearnedWorld(weights).revive(state.to_bytes())


def test_a_config_of_another_version_is_refused_by_name(weights, tmp_path):
    with safe_open(weights, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["config"] = json.dumps(json.loads(header["config"]) | {"foresight": 3})
    save_file(tensors, tmp_path / "newer.safetensors", header)
    with pytest.raises(CheckpointError, match=r"newer\.safetensors .*foresight.* newer wmenv"):
        LearnedWorld(tmp_path / "newer.safetensors")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"routing": "reccent"}, "Did you mean 'recent'"),
        ({"routed": -1}, "from 0 on, got -1"),
        ({"routed": 1.5}, "whole number"),
        ({"passes": 2.5}, "whole number from 1 to 16"),
        ({"passes": "2"}, "whole number"),
        ({"passes": True}, "whole number"),
        ({"passes": 17}, "whole number from 1 to 16"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_runs(in_pixels, settings, says):
    with pytest.raises(OptionError, match=says):
        LearnedWorld(in_pixels, **settings)


def test_what_makes_another_engine_is_in_the_provenance(weights, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda call: call)  # nothing runs here, and the compiler takes its time
    plain = LearnedWorld(weights).spec.provenance
    assert not {"compiled", "threads", "device"} & set(plain)
    compiled = LearnedWorld(weights, compiled=True, threads=1).spec.provenance
    assert (compiled["compiled"], compiled["threads"]) == ("yes", "1")


def test_weights_written_in_the_place_of_others_are_read_again(tmp_path):
    first = LearnedWorld(written(tmp_path)).spec.provenance["weights_sha256"]
    again = LearnedWorld(written(tmp_path, hidden=24)).spec.provenance["weights_sha256"]
    assert first != again


@pytest.mark.parametrize("reward", [-1.0, -0.37, -0.02, 0.0, 0.04, 0.5, 0.93, 1.0])
def test_a_reward_between_two_values_is_paid_as_it_was_taught(reward):
    taught = two_hot(torch.tensor([reward]), 21)
    assert rewards(taught.clamp(min=1e-9).log()).item() == pytest.approx(reward, abs=1e-6)


def test_what_is_hardly_believed_pays_nothing():
    said = torch.full((1, 21), -9.0)
    said[0, 10], said[0, 11] = 9.0, 3.0
    assert rewards(said).item() == 0.0


def test_what_of_the_bank_is_heard_can_be_asked(weights, in_pixels):
    frames = []
    for settings in ({}, {"routed": 1}, {"routing": "recent", "routed": 1}):
        world = LearnedWorld(in_pixels, **settings)
        state, _ = world.open([Start()], [0])
        _, outcomes = walk(world, state, [0, 0, 2, 2, 1, 1, 0])
        frames.append(outcomes[-1].frames)
    assert (frames[0] != frames[1]).any()
    with pytest.raises(OptionError, match="no memory 'bank'"):
        LearnedWorld(weights, memory="bank")
    with pytest.raises(OptionError, match="key frames"):
        LearnedWorld(weights, routed=2)
    assert "routed" in LearnedWorld(in_pixels).spec.provenance


def walk(world, state, actions, directions=None):
    outcomes = []
    for step, action in enumerate(actions):
        typed = (
            [Direction(directions[step])] * len(state)
            if directions and step in directions
            else no_directions(len(state))
        )
        state, outcome = world.advance(state, np.full(len(state), action), typed)
        outcomes.append(outcome)
    return state, outcomes


def test_two_seeds_dream_two_worlds(world):
    _, outcome = world.open([Start()] * 2, [0, 1])
    assert (outcome.frames[0] != outcome.frames[1]).any()


def test_it_begins_with_the_picture_it_is_given(world):
    _, dreamt = world.open([Start()], [3])
    _, outcome = world.open([Start(), Start(picture=dreamt.frames[0])], [0, 1])
    assert (outcome.frames[1] == dreamt.frames[0]).all()
    assert (outcome.frames[0] != dreamt.frames[0]).any()


def test_a_prompt_in_unknown_words_is_refused_by_name(world):
    with pytest.raises(DirectionError, match="xyzzy"):
        world.open([Start(prompt="a red ball appears ahead; xyzzy")], [0])


def test_a_prompt_is_directed_before_the_first_frame(world):
    starts = [Start(), Start(prompt="a red ball appears ahead; the lights go out")]
    state, outcome = world.open(starts, [3, 3])
    assert state.tensors["step"].tolist() == [1, 3]
    assert (outcome.frames[0] != outcome.frames[1]).any()


def test_a_moment_goes_on_from_where_it_was(world):
    state, _ = world.open([Start()], [3])
    state, outcomes = walk(world, state, [2, 0, 2])
    moment = state.to_bytes()
    _, again = world.open([Start(moment=moment)], [99])
    assert (again.frames == outcomes[-1].frames).all()


def test_a_snapshot_goes_on_bit_for_bit_in_a_fresh_process(world, weights, tmp_path):
    state, _ = world.open([Start()] * 2, [3, 4])
    state, _ = walk(world, state, [2, 0, 5])
    (tmp_path / "moment").write_bytes(state.to_bytes())
    _, outcomes = walk(world, state, [1, 2, 2])
    program = f"""
import sys, numpy as np
from pathlib import Path
from wmenv.worlds.learned import LearnedWorld
world = LearnedWorld({str(weights)!r}, "reach")
state = world.revive(Path({str(tmp_path / "moment")!r}).read_bytes())
for action in (1, 2, 2):
    state, outcome = world.advance(state, np.full(2, action), [None, None])
np.savez({str(tmp_path / "end.npz")!r}, frames=outcome.frames, audio=outcome.audio, reward=outcome.reward)
assert "minigrid" not in sys.modules, "a learned world never meets a simulator"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    with np.load(tmp_path / "end.npz") as end:
        assert (end["frames"] == outcomes[-1].frames).all()
        assert (end["audio"] == outcomes[-1].audio).all()


def test_unknown_words_are_named_in_the_refusal(world):
    state, _ = world.open([Start()] * 8, range(8))
    said = [Direction("summon a unicorn")] * 8
    _, outcome = world.advance(state, np.full(8, 6), said)
    refusals = [receipt.reason for receipt in outcome.receipts if not receipt.applied]
    assert all("summon, unicorn" in reason for reason in refusals)
    assert [receipt is not None for receipt in outcome.receipts] == [True] * 8


def test_passes_are_chosen_per_world_and_share_the_weights(weights):
    quick, slow = LearnedWorld(weights, passes=1), LearnedWorld(weights, passes=4)
    assert quick._streamer is slow._streamer
    frames = [walk(w, w.open([Start()], [5])[0], [2, 2, 0])[1][-1].frames for w in (quick, slow)]
    assert frames[0].shape == frames[1].shape


def test_memory_can_be_taken_away_for_comparison(weights):
    assert LearnedWorld(weights, memory="none").spec.provenance["memory"] == ""
    with pytest.raises(OptionError, match="places"):
        LearnedWorld(weights, memory="place")


def test_half_the_bits_give_a_world_too_in_a_smaller_state(weights):
    whole, half = LearnedWorld(weights), LearnedWorld(weights, bf16=True)
    state, _ = half.open([Start()] * 2, [5, 6])
    state, outcomes = walk(half, state, [2, 0, 5], {1: "the lights go out"})
    assert outcomes[-1].frames.shape == (2, 56, 56, 3)
    assert np.isfinite(outcomes[-1].reward).all()
    assert state.nbytes < 0.7 * whole.open([Start()] * 2, [5, 6])[0].nbytes


def test_explore_pays_nothing_and_never_ends(weights):
    world = LearnedWorld(weights, "explore")
    with pytest.raises(UnsupportedError):
        world.spec.need("reward")
    _, outcome = world.open([Start()], [0])
    assert outcome.reward is None
    assert outcome.terminated is None


def test_foreign_things_are_refused(world):
    with pytest.raises(StartError, match="template"):
        world.open([Start(template="golf")], [0])
    with pytest.raises(SnapshotError):
        world.revive(b"nonsense")


def test_it_says_what_is_in_view_and_what_it_was_told(world):
    state, _ = world.open([Start(template="fetch"), Start()], [0, 1])
    assert world.instructions(state) == [TASKS["fetch"].instruction, TASKS["reach"].instruction]
    assert all(isinstance(caption, str) for caption in world.describe(state))


def test_threads_are_a_choice_that_shows_nothing(weights):
    frames = []
    for threads in (None, 1, "quickest"):
        world = LearnedWorld(weights, threads=threads)
        frames.append(walk(world, world.open([Start()], [5])[0], [2, 2, 0])[1][-1].frames)
    assert (frames[0] == frames[1]).all()
    assert (frames[0] == frames[2]).all()
    with pytest.raises(OptionError, match="quickest"):
        LearnedWorld(weights, threads=0)
