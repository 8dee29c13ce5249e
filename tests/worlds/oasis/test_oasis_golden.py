"""The same weights and inputs give what the published code gave, piece by piece and over a whole generation."""

from itertools import pairwise

import pytest
import torch
from einops import rearrange

from wmenv.worlds.oasis.actions import FIELDS, press
from wmenv.worlds.oasis.rotary import grid_angles, pixel_frequencies, time_frequencies
from wmenv.worlds.oasis.sampler import Sampler, SamplerConfig, signal_shares
from wmenv.worlds.oasis.transformer import GRID_TOP, level_features
from wmenv.worlds.oasis.world import LATENT_SCALE, set_parameters

CLOSE = 1e-4  # relative, float32


def test_encode(small_weights, golden, relative_error):
    mean = small_weights.autoencoder.encode(golden["vae.in.images"] * 2 - 1)
    assert relative_error(rearrange(mean, "b c h w -> b (h w) c"), golden["vae.encode.mean"]) < CLOSE


def test_decode(small_weights, golden, relative_error):
    latents = rearrange(golden["vae.in.z"], "b (h w) c -> b c h w", h=6)
    assert relative_error(small_weights.autoencoder.decode(latents), golden["vae.decode.out"]) < CLOSE


def test_rotary_tables(small_weights, golden, relative_error):
    doubled = golden["vae.rotary_freqs"][..., ::2].flatten(0, 1)  # the published tables hold each angle twice
    assert relative_error(small_weights.autoencoder.encoder.angles(), doubled) < CLOSE
    assert relative_error(time_frequencies(16), golden["dit.temporal_rotary.freqs"]) < CLOSE
    frequencies = pixel_frequencies(4, GRID_TOP)
    assert relative_error(frequencies, golden["dit.spatial_rotary.freqs"]) < CLOSE
    doubled = golden["dit.spatial_axial_freqs"][..., ::2].flatten(0, 1)
    assert relative_error(grid_angles(frequencies, 3, 4), doubled) < CLOSE


def test_each_piece_of_the_transformer(small_weights, golden, relative_error):
    model, latents, levels = small_weights.transformer, golden["dit.in.x"], golden["dit.in.t"]
    features = level_features(levels).flatten(0, 1)
    assert relative_error(features, golden["dit.timestep_embedding_256"]) < CLOSE
    assert relative_error(model.level_in(features), golden["dit.t_emb"]) < CLOSE
    tokens, _ = model.embed(latents, levels, golden["dit.in.actions"])
    assert relative_error(tokens.reshape(8, 3, 4, 64), golden["dit.patch_embed"]) < CLOSE

    shown = []
    hooks = [block.time.register_forward_hook(lambda *call: shown.append(call[-1])) for block in model.blocks]
    memory = model.blank_memory(len(latents))
    out = model(latents, levels, golden["dit.in.actions"], memory)
    for hook in hooks:
        hook.remove()
    for index, tokens in enumerate(shown):
        assert relative_error(tokens.reshape(2, 4, 3, 4, 64), golden[f"dit.block{index}.out"]) < CLOSE
    assert relative_error(out, golden["dit.out"]) < CLOSE


def test_noise_schedule(golden, relative_error):
    assert relative_error(signal_shares(), golden["gen.alphas_cumprod"]) < CLOSE
    assert SamplerConfig().ladder == golden["gen.noise_range"].long().tolist()[::-1]


def test_the_ten_steps_of_a_frame(small_weights, golden, relative_error):
    sampler = Sampler(small_weights.transformer, SamplerConfig())
    context, actions = golden["gen.prompt_latent"], golden["gen.actions"][:, :2]
    memory = small_weights.transformer.blank_memory(1)
    small_weights.transformer.remember(context, torch.full((1, 1), 14), actions[:, :1], memory)
    x, ladder = golden["gen.noise"][0].clamp(-20, 20), sampler.config.ladder
    for index, (level, below) in enumerate(pairwise(ladder)):
        told = torch.full((1, 1), level)
        velocity = small_weights.transformer(x, told, actions[:, 1:], memory, begin=1)
        assert relative_error(velocity[:, 0], golden["gen.frame1.v_last"][index]) < CLOSE
        x = sampler.descend(x, velocity, level, below)
        assert relative_error(x[:, 0], golden["gen.frame1.x_after_each_step"][index]) < CLOSE


def test_a_whole_generation(small_weights, golden, relative_error):
    """Six frames, of which the last two have lost the first from their window."""
    autoencoder, sampler = small_weights.autoencoder, Sampler(small_weights.transformer, SamplerConfig())
    latents = autoencoder.encode(golden["gen.prompt_image"][:, 0] * 2 - 1)[:, None] * LATENT_SCALE
    assert relative_error(latents, golden["gen.prompt_latent"]) < CLOSE
    for frame in range(1, 6):
        begin = max(0, frame + 1 - 4)
        actions = golden["gen.actions"][:, begin : frame + 1]
        fresh = sampler.sample(latents[:, begin:], actions, golden["gen.noise"][frame - 1][:, 0])
        latents = torch.cat((latents, fresh[:, None]), dim=1)
    assert relative_error(latents, golden["gen.latents"]) < CLOSE
    video = ((autoencoder.decode(latents[0, [1, 5]] / LATENT_SCALE) + 1) / 2).clamp(0, 1)
    assert relative_error(video, golden["gen.video.frame_1_and_5"]) < CLOSE


def test_action_fields_are_in_the_published_order(golden):
    """The example's actions: the first at rest, the second walks, jumps, attacks and turns the camera."""
    still, busy = golden["actions.one_hot_example"].numpy()
    assert (press({}) == still).all()
    assert (press({"forward": 1, "jump": 1, "attack": 1, "cameraX": -1, "cameraY": 1}) == busy).all()
    assert len(FIELDS) == 25


def test_bfloat16_stays_near(small_weights, golden):
    model = small_weights.transformer
    set_parameters(model, "cpu", torch.bfloat16)
    out = model(golden["dit.in.x"], golden["dit.in.t"], golden["dit.in.actions"], model.blank_memory(2))
    difference = (out - golden["dit.out"]).abs().mean() / golden["dit.out"].abs().mean()
    assert 0 < difference < 0.02


def test_several_frames_at_once_must_be_the_context(small_weights, golden):
    model = small_weights.transformer
    with pytest.raises(AssertionError, match="begin at 0"):
        model(golden["dit.in.x"], golden["dit.in.t"], golden["dit.in.actions"], model.blank_memory(2), begin=1)
