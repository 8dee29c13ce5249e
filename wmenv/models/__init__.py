"""The streaming world model: one transformer over one token stream, its memory, sampler and checkpoints."""
