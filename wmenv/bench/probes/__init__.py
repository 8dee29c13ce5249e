"""The probes, a file each: the question in plain words, what must be true before it counts, the cheats it resists."""
