"""The gateways of the parity tests, one set for all of them, and the page that a run writes.

With ``VOICEWIRE_WRITE_PARITY=1`` a run writes its results into ``docs/reference/parity.md``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import cast

import pytest

from voicewire.settings import setting_names
from voicewire.testing import serve

from .results import OUTCOMES, SELECTED
from .table import PAGE, Cell, page_with
from .witness import Witness


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the tests of a module, so that its gateways outlive a single one."""
    return "asyncio"


@dataclass(frozen=True)
class Place:
    """A gateway and the model that it serves."""

    url: str
    witness: Witness


@pytest.fixture(scope="module")
async def place(anyio_backend: str) -> AsyncGenerator[Place, None]:
    """A gateway that serves the witness."""
    witness = Witness()
    async with serve(witness) as gateway:
        yield Place(gateway.ws_url, witness)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No address or key of whoever runs the tests."""
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    yield


def pytest_collection_finish(session: pytest.Session) -> None:
    """Notes the cells that are to be run; a report carries its cell."""
    for item in session.items:
        parameters = getattr(item, "callspec", None)
        cell = None if parameters is None else parameters.params.get("cell")
        if isinstance(cell, Cell):
            SELECTED.add(cell)
            item.user_properties.append(("parity", (cell.part, cell.row, cell.entry)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes how a cell ended; a failure anywhere around the test counts."""
    for name, value in report.user_properties:
        if name == "parity" and (report.when == "call" or not report.passed):
            part, row, entry = cast("tuple[str, tuple[str, ...], str]", value)
            OUTCOMES[Cell(part, tuple(row), entry)] = report.outcome


def pytest_sessionfinish() -> None:
    """Writes the page, where the run was asked to."""
    if os.environ.get("VOICEWIRE_WRITE_PARITY") and OUTCOMES:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page_with(OUTCOMES.items(), page), encoding="utf-8")
