"""DIAMOND behind the contract: conformance, beginnings, outcomes, and files that are not what they should be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wmenv.contract import Direction, Start, no_directions
from wmenv.errors import CheckpointError, OptionError, SnapshotError, StartError, UnsupportedError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.diamond import DiamondWorld, SamplerConfig, StartBank, load
from wmenv.worlds.diamond.checkpoint import made_up_weights
from wmenv.worlds.diamond.config import DiamondConfig, StackConfig

TINY = DiamondConfig(
    actions=4,
    denoiser=StackConfig(16, (8, 8), (1, 1), (False, True)),
    reward_end=StackConfig(8, (8, 8), (1, 1), (False, False)),
    memory=8,
    image_size=16,
)


@pytest.fixture(scope="module")
def tiny() -> DiamondWorld:
    return DiamondWorld(made_up_weights(TINY))


def bank(starts: int = 3) -> StartBank:
    rng = np.random.default_rng(0)
    return StartBank(rng.integers(0, 256, (starts, 4, 16, 16, 3), np.uint8), rng.integers(0, 4, (starts, 3)))


def drive(world: DiamondWorld, seeds: list[int], steps: int = 6, starts: list[Start] | None = None):
    state, first = world.open(starts or [Start()] * len(seeds), seeds)
    outcomes = [first]
    for step in range(steps):
        state, outcome = world.advance(state, np.full(len(seeds), step % 4), no_directions(len(seeds)))
        outcomes.append(outcome)
    return state, outcomes


@pytest.mark.parametrize("clause", CLAUSES)
def test_conformance(tiny, clause):
    check_clause(tiny, clause, steps=4)


@pytest.mark.parametrize(
    "settings", [{"sampler": SamplerConfig(order=2, churn=1.0)}, {"dtype": "bfloat16"}, {"outcomes": "likeliest"}]
)
def test_rows_stay_independent_whatever_the_settings(settings):
    check_clause(DiamondWorld(made_up_weights(TINY), **settings), "rows_are_independent", steps=4)


def test_a_row_alone_on_a_cpu_gives_the_bits_it_gives_in_a_crowd(tiny):
    _, alone = drive(tiny, [5])
    _, crowd = drive(tiny, [9, 5, 2, 5])
    for single, several in zip(alone, crowd, strict=True):
        assert (single.frames[0] == several.frames[1]).all()
        assert (single.frames[0] == several.frames[3]).all()


def test_the_action_changes_the_frame(tiny):
    state, _ = tiny.open([Start()] * 4, [3] * 4)
    _, outcome = tiny.advance(state, np.arange(4), no_directions(4))
    assert len(np.unique(outcome.frames.reshape(4, -1), axis=0)) == 4


def test_a_seed_picks_a_recorded_start():
    recorded = bank()
    world = DiamondWorld(made_up_weights(TINY), starts=recorded)
    _, first = world.open([Start()] * 3, [0, 1, 5])
    assert (first.frames == recorded.frames[[0, 1, 2], -1]).all()
    assert "3 recorded starts" in world.spec.provenance["seed starts from"]


def test_without_a_bank_a_seed_starts_from_blank_and_says_so(tiny):
    _, first = tiny.open([Start()], [0])
    assert not first.frames.any()
    assert tiny.spec.provenance["seed starts from"] == "blank frames"


def test_a_picture_is_shown_first(tiny):
    picture = bank().frames[0, 0]
    _, first = tiny.open([Start(picture=picture)], [0])
    assert (first.frames[0] == picture).all()


def test_a_moment_under_another_seed_has_its_own_future(tiny):
    state, _ = drive(tiny, [1])
    moment = Start(moment=state.to_bytes())
    assert len(np.unique(drive(tiny, [1, 2, 3], 1, [moment] * 3)[1][-1].frames.reshape(3, -1), axis=0)) == 3


def test_a_moment_of_two_rows_is_refused(tiny):
    state, _ = tiny.open([Start()] * 2, [0, 1])
    with pytest.raises(StartError, match="this one has 2"):
        tiny.open([Start(moment=state.to_bytes())], [0])


def test_outcomes_are_sampled_or_the_likeliest():
    """The heads of an unlearned model are nearly flat: sampling shows every outcome, the likeliest is one of them."""
    _, (_, sampled) = drive(DiamondWorld(made_up_weights(TINY)), list(range(100)), steps=1)
    assert set(sampled.reward) == {-1, 0, 1}
    assert 0.1 < sampled.terminated.mean() < 0.9
    _, (_, likeliest) = drive(DiamondWorld(made_up_weights(TINY), outcomes="likeliest"), list(range(100)), steps=1)
    assert len(set(likeliest.reward)) == len(set(likeliest.terminated)) == 1


def test_a_fresh_process_goes_on_bit_for_bit(tiny, tmp_path):
    program = """
import sys; sys.path[:0] = sys.argv[1:2]
from pathlib import Path
from test_diamond_world import TINY, DiamondWorld, made_up_weights, np, no_directions
world = DiamondWorld(made_up_weights(TINY))
state = world.revive(Path("state").read_bytes())
Path("next").write_bytes(world.advance(state, np.array([1, 2]), no_directions(2))[0].to_bytes())
"""
    state, _ = drive(tiny, [1, 2])
    (tmp_path / "state").write_bytes(state.to_bytes())
    here, _ = tiny.advance(state, np.array([1, 2]), no_directions(2))
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent)], cwd=tmp_path, check=True)
    assert (tmp_path / "next").read_bytes() == here.to_bytes()


def test_directions_are_refused_by_name(tiny):
    state, _ = tiny.open([Start()], [0])
    with pytest.raises(UnsupportedError, match="no directions"):
        tiny.advance(state, np.array([0]), [Direction("night falls")])


def test_the_state_of_other_weights_is_refused(tiny):
    other = DiamondWorld(made_up_weights(TINY, seed=1))
    state, _ = other.open([Start()], [0])
    with pytest.raises(SnapshotError, match="belongs to world"):
        tiny.revive(state.to_bytes())
    with pytest.raises(SnapshotError, match="is not one of"):
        tiny.advance(state, np.array([0]), no_directions(1))


# --- files


def test_a_released_file_loads_and_steps(small_checkpoint):
    world = load(small_checkpoint)
    assert (world.spec.actions.count, world.spec.height, world.spec.reward) == (6, 64, "head")
    _, outcomes = drive(world, [0, 1], steps=1)
    assert outcomes[-1].frames.shape == (2, 64, 64, 3)
    assert set(outcomes[-1].reward) <= {-1.0, 0.0, 1.0}


def test_a_trainer_checkpoint_with_an_agent_prefix_loads_too(small_state_dict, tmp_path):
    torch.save({f"agent.{name}": tensor for name, tensor in small_state_dict.items()}, tmp_path / "state.pt")
    assert load(tmp_path / "state.pt").config.actions == 6


def test_eighteen_actions_get_their_names(atari_state_dict, tmp_path):
    torch.save(atari_state_dict, tmp_path / "agent.pt")
    assert load(tmp_path / "agent.pt").spec.actions.names[:4] == ("noop", "fire", "up", "right")


def test_action_names_can_be_given(small_checkpoint):
    names = ("noop", "fire", "right", "left", "rightfire", "leftfire")
    assert load(small_checkpoint, action_names=names).spec.actions.names == names
    with pytest.raises(OptionError, match="takes 6 actions, got 2"):
        load(small_checkpoint, action_names=names[:2])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no DIAMOND checkpoint at .*nowhere\.pt"):
        load(tmp_path / "nowhere.pt")


def test_a_damaged_file_is_named(small_checkpoint):
    small_checkpoint.write_bytes(small_checkpoint.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match=r"Pong\.pt does not load.*torch cannot read"):
        load(small_checkpoint)


def test_a_file_with_code_in_it_is_refused(tmp_path):
    torch.save({"denoiser": TINY}, tmp_path / "code.pt")
    with pytest.raises(CheckpointError, match="cannot read it as plain tensors"):
        load(tmp_path / "code.pt")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda w: w.clear(), "lacks what every DIAMOND agent has"),
        (lambda w: w.pop("denoiser.inner_model.conv_out.bias"), "conv_out.bias' is missing"),
        (lambda w: w.update({"rew_end_model.extra": torch.zeros(1)}), "no place in the model, 'extra' first"),
        (lambda w: w.update({"rew_end_model.head.0.bias": torch.zeros(3)}), "wrong shape"),
    ],
)
def test_a_foreign_state_dict_is_refused(small_state_dict, tmp_path, change, complaint):
    weights = dict(small_state_dict)
    change(weights)
    torch.save(weights, tmp_path / "agent.pt")
    with pytest.raises(CheckpointError, match=complaint):
        load(tmp_path / "agent.pt")


def test_a_bank_comes_back_from_its_file(tmp_path):
    bank().save(tmp_path / "starts.safetensors")
    read = StartBank.read(tmp_path / "starts.safetensors")
    assert (read.frames == bank().frames).all()
    assert (read.actions == bank().actions).all()


@pytest.mark.parametrize(
    ("starts", "complaint"),
    [
        (StartBank(bank().frames[:, :2], bank().actions), "uint8 frames"),
        (StartBank(bank().frames.astype(np.float32), bank().actions), "uint8 frames"),
        (StartBank(bank().frames, bank().actions[:, :1]), "3 actions each"),
        (StartBank(bank().frames, bank().actions + 2), "outside 0..3"),
    ],
)
def test_a_bank_that_does_not_fit_is_refused(starts, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        DiamondWorld(made_up_weights(TINY), starts=starts)


def test_a_file_that_is_no_bank_is_refused(small_checkpoint, tmp_path):
    for path in (small_checkpoint, tmp_path / "nothing"):
        with pytest.raises(CheckpointError, match="is no bank of starts"):
            StartBank.read(path)


def test_unknown_settings_are_refused():
    for wrong in ({"dtype": "float16"}, {"outcomes": "best"}):
        with pytest.raises(OptionError, match="is not one of"):
            DiamondWorld(made_up_weights(TINY), **wrong)
