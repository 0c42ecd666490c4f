"""Schemas of seed 000."""
