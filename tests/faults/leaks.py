"""What a test may not leave behind: tasks, threads, descriptors, temporary files, secrets in a log."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from voicewire.errors import VoicewireError

GRACE_S = 5.0
"""How long something may take to end that was told to; a bound, not an expectation."""
SECRET = "sk-faults-0123456789abcdefghij"
"""The key that every fault test uses where one is due; it may be printed nowhere."""

ASYNC = [pytest.mark.anyio, pytest.mark.usefixtures("no_leaked_tasks")]
"""The marks of a module of async fault tests."""


@contextmanager
def no_leaked_threads() -> Generator[None, None, None]:
    """Fails when a thread that was started inside is still alive after `GRACE_S`."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(GRACE_S)
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not left, f"threads left behind: {left}"


@contextmanager
def no_leaked_descriptors() -> Generator[None, None, None]:
    """Fails when more files and sockets are open afterwards than before."""
    process = psutil.Process()
    count_before = process.num_fds()
    yield
    if process.num_fds() > count_before:
        gc.collect()  # what only waits for the collector is no leak; collecting every time takes too long
    if process.num_fds() > count_before:
        left = f"{process.num_fds()} after {count_before}; open now: {sorted(_descriptors(process))}"
        pytest.fail(f"descriptors left behind: {left}")


@contextmanager
def no_leaked_files(folder: Path) -> Generator[None, None, None]:
    """Fails when the folder is not empty afterwards."""
    yield
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert not left, f"temporary files left behind: {left}"


def tasks_but_mine() -> set[asyncio.Task[object]]:
    """The tasks of the running loop, without the caller's and the test runner's own."""
    return {
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and "TestRunner" not in repr(task.get_coro())
    }


def shown(error: BaseException) -> str:
    """All that an error shows in a traceback: itself, everything behind it, and the fields of our own."""
    seen: list[str] = []
    link: BaseException | None = error
    while link is not None:
        seen += [str(link), repr(link), repr(link.args)]
        if isinstance(link, VoicewireError):
            seen.append(repr(vars(link)))
        link = link.__cause__ or link.__context__
    return "\n".join(seen)


def _descriptors(process: psutil.Process) -> list[str]:
    files = [f"file {opened.path}" for opened in process.open_files()]
    sockets = [f"socket {c.laddr} {c.raddr} {c.status}" for c in process.net_connections("all")]
    return files + sockets
