"""A world beside the real environment that it stands for: the same beginning, the same actions, frame by frame."""
