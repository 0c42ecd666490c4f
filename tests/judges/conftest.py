"""A gateway for the judges: ours with ``echo``, or any server that the environment names.

With ``VOICEWIRE_WRITE_JUDGES=1`` a run of the judges writes its results into ``docs/judges.md``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import pytest

from voicewire.testing import serve

from .table import PAGE, page_with

_results: dict[str, str] = {}
"""What became of each judge's test of this run, by node id."""


@pytest.fixture
async def echo_url() -> AsyncGenerator[str, None]:
    """Root of a server whose model is ``echo``, such as ``ws://127.0.0.1:8080``."""
    if named := os.environ.get("VOICEWIRE_JUDGED_URL"):
        yield named
        return
    async with serve(model="echo") as gateway:
        yield gateway.ws_url


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes how a judge's test ended; a failure anywhere around the test counts."""
    if "/judges/" in report.nodeid and (report.when == "call" or not report.passed):
        _results[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Writes the page, where the run was asked to."""
    if os.environ.get("VOICEWIRE_WRITE_JUDGES") and _results:
        PAGE.write_text(page_with(_results, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
