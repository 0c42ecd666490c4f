"""What ``docs/reference/parity.md`` says: the outcome of every scenario, refusal and pair of a run.

A run with ``VOICEWIRE_WRITE_PARITY=1`` writes the page from its own results; see ``conftest``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.make_docs import ROOT, code, replaced, table

PAGE = ROOT / "docs" / "reference" / "parity.md"
_HEADS = {
    "parity-claims": ("scenario", "what it proves", "models"),
    "parity-refusals": ("asked for without being claimed", "refused by"),
    "parity-pairs": ("the client speaks", "what it does", "to these models"),
}


@dataclass(frozen=True, order=True)
class Cell:
    """One test of the matrix: which table it belongs to, its row and what is listed there."""

    part: str
    row: tuple[str, ...]
    entry: str


def page_with(outcomes: Iterable[tuple[Cell, str]], page: str) -> str:
    """The page with the tables of these outcomes; whatever did not pass says so."""
    rows: dict[str, dict[tuple[str, ...], list[str]]] = {part: {} for part in _HEADS}
    for cell, outcome in outcomes:
        shown = cell.entry if outcome == "passed" else f"{cell.entry} ({outcome})"
        rows[cell.part].setdefault(cell.row, []).append(shown)

    def make(name: str, _: str) -> str | None:
        if name not in rows:
            return None
        listed = [(*row, ", ".join(entries)) for row, entries in rows[name].items()]
        return table(_HEADS[name], listed)

    return replaced(page, make)


def claims_shown(claims: Sequence[str]) -> str:
    """Claims as the page shows them."""
    return ", ".join(code(claim) for claim in claims)
