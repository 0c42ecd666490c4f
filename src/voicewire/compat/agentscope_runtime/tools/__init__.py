"""Tools of seed 000."""
