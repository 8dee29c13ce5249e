"""Running worlds: the state of the moment, and the clock."""
