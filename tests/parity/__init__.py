"""Parity: every model says the same things with the same events, and every client wire reaches every model."""
