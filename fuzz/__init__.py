"""Fuzzing of every codec: targets, their first inputs and a runner; see README.md."""
