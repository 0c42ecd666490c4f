"""The names of seed 000 under their original paths."""
