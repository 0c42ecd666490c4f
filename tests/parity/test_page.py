"""The page of the results holds every cell, and nothing that failed; its results are written by a run."""

from __future__ import annotations

import pytest

from . import test_matrix, test_pairs
from .pairs import WIRES
from .table import PAGE, Cell, page_with

pytestmark = pytest.mark.unit


def all_cells() -> list[Cell]:
    """Every cell of the matrix, in the order of a run."""
    parameters = [
        *test_matrix.claim_cells(),
        *test_matrix.lack_cells(),
        *test_pairs.cells(*WIRES),
        *test_pairs.cells("/ws"),
        *test_pairs.cells("/voice"),
    ]
    return [parameter.values[0] for parameter in parameters]


def test_the_page_is_that_of_a_run_in_which_everything_passed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = page_with([(cell, "passed") for cell in all_cells()], page)
    hint = "write it again: VOICEWIRE_WRITE_PARITY=1 .venv/bin/python -m pytest tests/parity"
    assert page == wanted, hint


def test_what_did_not_pass_is_said() -> None:
    cell = Cell("parity-pairs", ("Gemini Live", "a spoken turn"), "echo")
    page = "<!-- begin generated: parity-pairs -->\n<!-- end generated -->\n"
    assert "echo (failed) |" in page_with([(cell, "failed")], page)
