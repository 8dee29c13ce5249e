"""How well does a world hold together? Scripted probes for any world, and comparisons with the real environment."""
