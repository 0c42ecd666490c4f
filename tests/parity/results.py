"""What became of every cell of a run."""

from __future__ import annotations

from .table import Cell

OUTCOMES: dict[Cell, str] = {}
"""By cell: ``passed``, ``failed`` or ``skipped``."""
SELECTED: set[Cell] = set()
"""The cells that this run was asked for."""
