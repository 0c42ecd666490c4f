"""What of the engine seed 000 names."""
