"""Wires: one package each, with typed frames and a codec for each side. Pure."""
