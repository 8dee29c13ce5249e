"""How good a learned GridRooms is, in figures: beside the truth, running free, and under direction."""
