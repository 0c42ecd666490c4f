"""Every fault test runs in a clean environment and must leave nothing behind."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.faults.leaks import (
    GRACE_S,
    SECRET,
    no_leaked_descriptors,
    no_leaked_files,
    no_leaked_threads,
    tasks_but_mine,
)
from voicewire.engine.weights import default_home
from voicewire.settings import setting_names


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No setting of ours, an empty home, and a folder of its own for temporary files; gives that folder."""
    for names in setting_names():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("VOICEWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VOICEWIRE_HOME", str(tmp_path_factory.mktemp("home")))
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_leaks(clean_environment: Path) -> Generator[None, None, None]:
    """Fails a test that leaves threads, descriptors or temporary files behind."""
    with no_leaked_files(clean_environment), no_leaked_descriptors(), no_leaked_threads():
        yield


@pytest.fixture(autouse=True)
def no_secret_in_logs(caplog: pytest.LogCaptureFixture) -> Generator[None, None, None]:
    """Fails a test in which any logger of the program, at its most talkative, writes the key.

    The loggers of ``websockets`` belong to the other side of the wire, which has to be sent the key.
    """
    caplog.set_level(logging.DEBUG)
    yield
    for phase in ("setup", "call", "teardown"):
        records = [r for r in caplog.get_records(phase) if not r.name.startswith("websockets.")]
        told = [logging.Formatter().format(record) for record in records]
        assert not [line for line in told if SECRET in line]


@pytest.fixture
async def no_leaked_tasks() -> AsyncGenerator[None, None]:
    """Fails an async test that leaves tasks in its loop."""
    before = tasks_but_mine()
    yield
    with anyio.move_on_after(GRACE_S):
        while tasks_but_mine() - before:
            await anyio.lowlevel.checkpoint()
    left = [repr(task) for task in tasks_but_mine() - before]
    assert not left, f"tasks left behind: {left}"


@pytest.fixture(scope="session")
def real_home() -> Path:
    """The home with the engine's files, as the person who runs the tests has it."""
    return _REAL_HOME


_REAL_HOME = default_home()
