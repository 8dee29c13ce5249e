"""Oasis behind the contract: conformance, the sliding window, beginnings, and files that are not what they claim."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from wmenv.contract import Start, no_directions
from wmenv.errors import ActionError, CheckpointError, ConfigError, OptionError
from wmenv.testing import CLAUSES, check_clause
from wmenv.worlds.oasis import OasisConfig, OasisWorld, SamplerConfig, load, press
from wmenv.worlds.oasis.checkpoint import made_up_weights, read_checkpoint
from wmenv.worlds.oasis.config import AutoencoderConfig, TransformerConfig, VitConfig
from wmenv.worlds.oasis.sampler import Sampler

TINY = OasisConfig(
    TransformerConfig(height=2, width=4, channels=4, hidden=32, depth=2, heads=2, window=4),
    AutoencoderConfig(height=40, width=80, latent=4, encoder=VitConfig(32, 1, 2), decoder=VitConfig(32, 1, 2)),
)
QUICK = SamplerConfig(steps=2)
FORWARD = press({"forward": 1})


@pytest.fixture(scope="module")
def tiny() -> OasisWorld:
    return OasisWorld(made_up_weights(TINY), sampler=QUICK)


def walk(world: OasisWorld, state, steps: int):
    outcome = None
    for _ in range(steps):
        state, outcome = world.advance(state, np.tile(FORWARD, (len(state), 1)), no_directions(len(state)))
    return state, outcome


@pytest.mark.parametrize("clause", CLAUSES)
def test_conformance(tiny, clause):
    check_clause(tiny, clause, steps=6)  # longer than the window


def test_rows_with_pasts_of_different_length_step_together(tiny):
    old, _ = walk(tiny, tiny.open([Start()], [1])[0], 2)
    young, _ = tiny.open([Start()], [2])
    _, alone_old = walk(tiny, old.fork(), 1)
    _, alone_young = walk(tiny, young.fork(), 1)
    _, together = walk(tiny, type(old).concat([young, old]), 1)
    assert (together.frames[0] == alone_young.frames[0]).all()
    assert (together.frames[1] == alone_old.frames[0]).all()


def test_one_pass_over_the_context_equals_the_whole_window_at_every_step():
    """The published loop, which runs everything at every step, gives the same latents."""
    sampler = Sampler(made_up_weights(TINY).transformer, SamplerConfig(steps=4))
    torch.manual_seed(0)
    context, noise = torch.randn(2, 3, 4, 2, 4), torch.randn(2, 4, 2, 4)
    actions = torch.rand(2, 4, 25)
    fast = sampler.sample(context, actions, noise)
    x, ladder = noise[:, None], sampler.config.ladder
    for level, below in pairwise(ladder):
        window = torch.cat((context, x), dim=1)
        levels = torch.tensor([[14, 14, 14, level]] * 2)
        velocity = sampler.transformer(window, levels, actions, sampler.transformer.blank_memory(2))[:, -1:]
        x = sampler.descend(x, velocity, level, below)
    assert torch.allclose(fast, x[:, 0], atol=1e-5)


@torch.inference_mode()
def test_the_window_forgets_what_has_left_it(tiny):
    """A row depends on the last three frames and actions alone, so a state without older ones goes on alike."""
    state, _ = walk(tiny, tiny.open([Start()], [0])[0], 6)
    assert state.tensors["latents"].shape[1] == tiny.past == 3
    assert state.tensors["known"].tolist() == [3]
    changed = state.fork()
    changed.tensors["latents"][:, 0] += 1
    _, outcome = walk(tiny, state.fork(), 1)
    _, other = walk(tiny, changed, 1)
    assert (outcome.frames != other.frames).any()  # the oldest frame still counts,
    state.tensors["latents"][:, 0] += 1
    state, _ = walk(tiny, state, 1)
    assert torch.equal(state.tensors["latents"][:, :2], changed.tensors["latents"][:, 1:])  # and is gone after a step


def test_the_camera_and_the_keys_change_the_frame(tiny):
    actions = np.stack([press({}), FORWARD, press({"cameraX": 1}), press({"attack": 1})])
    state, _ = tiny.open([Start()] * 4, [3] * 4)
    after, _ = tiny.advance(state, actions, no_directions(4))
    assert len(np.unique(after.tensors["latents"][:, -1].reshape(4, -1).numpy(), axis=0)) == 4


def test_a_seed_picks_a_picture():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 80, 3), np.uint8)
    world = OasisWorld(made_up_weights(TINY), pictures=pictures, sampler=QUICK)
    _, by_seed = world.open([Start()] * 2, [0, 3])
    _, by_picture = world.open([Start(picture=picture) for picture in pictures], [0, 0])
    assert (by_seed.frames == by_picture.frames).all()
    assert world.spec.provenance["seed starts from"] == "2 given pictures"


@pytest.mark.parametrize(
    "pictures", [np.zeros((1, 40, 40, 3), np.uint8), np.zeros((1, 40, 80, 3)), np.zeros((0, 40, 80, 3), np.uint8)]
)
def test_pictures_that_do_not_fit_are_refused(pictures):
    with pytest.raises(CheckpointError, match="start pictures are uint8"):
        OasisWorld(made_up_weights(TINY), pictures=pictures)


def test_an_action_outside_its_field_is_named(tiny):
    state, _ = tiny.open([Start()], [0])
    with pytest.raises(ActionError, match="'cameraX' in row 0 is 2"):
        tiny.advance(state, press({"cameraX": 2})[None], no_directions(1))
    with pytest.raises(ActionError, match=r"no field is called 'jumpp'\. Did you mean 'jump'"):
        press({"jumpp": 1})


def test_sizes_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"makes latents of \(16, 18, 32\)"):
        OasisConfig(TransformerConfig(height=6))


def test_unknown_settings_are_refused():
    with pytest.raises(OptionError, match="is not one of"):
        OasisWorld(made_up_weights(TINY), dtype="float16")


# --- files


def test_the_released_files_load_and_step(released_files, small_config, tmp_path):
    np.save(tmp_path / "pictures.npy", np.zeros((3, 120, 160, 3), np.uint8))
    world = load(released_files, config=small_config, pictures=tmp_path / "pictures.npy", sampler=QUICK)
    state, _ = world.open([Start()], [0])
    _, outcome = walk(world, state, 1)
    assert outcome.frames.shape == (1, 120, 160, 3)
    assert outcome.reward is None


def test_both_paths_can_be_given(released_files, small_config):
    moved = released_files / "elsewhere.safetensors"
    (released_files / "vit-l-20.safetensors").rename(moved)
    weights = read_checkpoint(released_files / "oasis500m.safetensors", moved, small_config)
    assert weights.fingerprint


def test_frequencies_that_a_file_lacks_are_computed(released_files, small_config, golden):
    path = released_files / "oasis500m.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if not name.endswith("freqs")}, path)
    weights = read_checkpoint(released_files, config=small_config)
    assert torch.allclose(weights.transformer.space_frequencies, golden["dit.spatial_rotary.freqs"])


def test_a_missing_file_is_named(released_files, small_config):
    (released_files / "vit-l-20.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no Oasis file at .*vit-l-20\.safetensors"):
        load(released_files, config=small_config)


def test_a_damaged_file_is_named(released_files, small_config):
    path = released_files / "oasis500m.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load(released_files, config=small_config)


def test_the_wrong_sizes_are_named(released_files):
    with pytest.raises(CheckpointError, match="does not fit the model asked for"):
        load(released_files)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda w: w.pop("external_cond.bias"), "'external_cond.bias' is missing"),
        (lambda w: w.update({"more": torch.zeros(1)}), "no place in the model, 'more' first"),
        (lambda w: w.update({"external_cond.bias": torch.zeros(3)}), "size mismatch"),
    ],
)
def test_a_foreign_state_dict_is_refused(released_files, small_config, change, complaint):
    path = released_files / "oasis500m.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=complaint):
        load(released_files, config=small_config)


def test_a_file_that_holds_no_pictures_is_refused(released_files, small_config):
    with pytest.raises(CheckpointError, match="is no array of start pictures"):
        load(released_files, config=small_config, pictures=released_files / "oasis500m.safetensors")
