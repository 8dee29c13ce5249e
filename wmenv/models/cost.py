"""What a step of a stream costs, counted from its config: multiplications and additions, and bytes of state.

Only matrix products are counted; that is what a machine's peak is quoted in. Nothing is run.
"""

from __future__ import annotations

from wmenv.models.config import StreamConfig


def pass_flops(config: StreamConfig) -> int:
    """Floating-point operations of one pass over one frame, heads included."""
    d, n = config.channels, config.tokens
    projections = 2 * n * (4 * d * d + 3 * d * config.hidden)
    heard = n * (1 + config.window + min(config.routed, config.bank)) + config.slot * (1 + bool(config.words))
    attention = 4 * n * heard * d
    if config.matrix:  # keys, queries, values, gates and back, then writing and reading
        projections += 2 * n * d * (2 * config.heads * config.matrix + 2 * d + 2 * config.heads)
        attention += 4 * n * config.matrix * (d + config.heads)
    modulation = 2 * (d * d + 6 * d * d)
    return config.depth * (projections + attention) + modulation + _head_flops(config)


def _head_flops(config: StreamConfig) -> int:
    d = config.channels
    if config.pictures == "tiles":
        pictures = 2 * config.patches * d * config.palette
    else:  # in and out, in and out of the bottleneck
        size, narrow = 3 * config.patch**2, config.bottleneck
        senses = 1 + config.recall_place + config.recall_spot
        pictures = 2 * config.patches * (senses + 1) * (narrow * (size + d) if narrow else size * d)
    once = config.reward_bins + 2 + config.actions * len(config.motions) + 2 * config.samples
    return pictures + 2 * d * once


def step_flops(config: StreamConfig, passes: int) -> int:
    """Floating-point operations of one step of one row."""
    return passes * pass_flops(config)


def row_bytes(config: StreamConfig, number_bytes: int = 4) -> int:
    """Bytes that one row keeps for ever: ring, bank, matrices, instruction, places, and a few numbers."""
    kv = 2 * config.depth * config.channels * number_bytes
    ring = config.window * (kv * config.tokens + 13) + config.bank * (kv * config.tokens + 16)
    matrices = 4 * config.depth * config.matrix * (config.channels + config.heads)
    patch = 2 if config.pictures == "tiles" else 3 * config.patch**2
    places = config.recall_place * config.places**2 * (patch + 4 + 2)
    places += config.recall_met * config.palette
    return ring + matrices + kv * config.slot + config.slot + places + patch * config.patches + config.actions + 28
