"""Shared by all tests: the anyio backend, where the outside material lies, one mark for each module."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has none

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
CATEGORIES = {"unit", "loopback", "engine", "judge", "soak"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def recordings() -> Path:
    """The folder of recorded provider sessions; the test skips where it is absent."""
    folder = SHARED / "recordings"
    if not folder.is_dir():
        pytest.skip("recorded provider sessions are not beside this checkout (../shared/recordings)")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """A process that shares a run with others ignores Ctrl-C, and so would every program that a test starts."""
    if hasattr(config, "workerinput"):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """One file after another for each process; the page's files all for one, as browsers starve each other."""
    return _OneBrowser(config, log)


class _OneBrowser(LoadFileScheduling):  # type: ignore[misc]  # untyped
    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        return "tests/web" if path.startswith("tests/web/") else path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test belongs to exactly one category, so that a run of one is a run of all of it.

    The tests of the page take longest, so they begin first where several processes share a run (``make test``).
    """
    items.sort(key=lambda item: item.path.parent.name != "web")
    for item in items:
        marks = CATEGORIES.intersection(mark.name for mark in item.iter_markers())
        if len(marks) != 1:
            raise pytest.UsageError(
                f"{item.nodeid} needs exactly one of {sorted(CATEGORIES)}, has {sorted(marks)}"
            )
