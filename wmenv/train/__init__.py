"""Data, losses and the loop that make a stream; what it needs at run time lives in models/ and worlds/."""
