"""Cancelling a piece of work at each of its awaits, and looking at what is left."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

_SERVER_S = 5.0
_DESCRIPTORS = Path("/proc/self/fd")


class _CancelAt:
    """Runs an awaitable, and calls ``cancel`` when it waits for the ``step``-th time."""

    def __init__(self, work: Awaitable[object], step: int, cancel: Callable[[], object]) -> None:
        self._work = work
        self._step = step
        self._cancel = cancel

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._work.__await__()
        waits = 0
        try:
            waited = next(inner)
            while True:
                waits += 1
                if waits == self._step:
                    self._cancel()
                try:
                    value = yield waited
                except BaseException as error:
                    waited = inner.throw(error)
                else:
                    waited = inner.send(value)
        except StopIteration:
            return


async def cancelled_at_every_await(
    work: Callable[[], Awaitable[object]],
    check: Callable[[], Awaitable[object]],
    *,
    by_task: bool = False,
    most: int = 400,
) -> int:
    """Runs ``work`` anew for each of its awaits, cancels it there, and calls ``check``.

    Args:
        work: What is cancelled.
        check: Looks at what is left.
        by_task: Whether the task is cancelled, as asyncio does, and not a scope, as anyio does.
        most: Fails when there are more awaits.

    Returns:
        At how many awaits it was cancelled.
    """
    for step in range(1, most):
        if not await (_task_cancelled if by_task else _scope_cancelled)(work, step):
            return step - 1
        await check()
    raise AssertionError(f"the work has more than {most} awaits")


async def _scope_cancelled(work: Callable[[], Awaitable[object]], step: int) -> bool:
    with anyio.CancelScope() as scope:
        await _CancelAt(work(), step, scope.cancel)
    return scope.cancelled_caught


async def _task_cancelled(work: Callable[[], Awaitable[object]], step: int) -> bool:
    task = asyncio.current_task()
    assert task is not None
    try:
        await _CancelAt(work(), step, task.cancel)
    except asyncio.CancelledError:
        if sys.version_info >= (3, 11):
            task.uncancel()
        return True
    return False


class Left:
    """What there is now: tasks, threads and descriptors; to be compared with what there is later.

    Args:
        own: How the names of tasks begin that have to be gone at once.
    """

    def __init__(self, *own: str) -> None:
        self._own = own
        self.tasks = asyncio.all_tasks()
        self.threads = set(threading.enumerate())
        self.descriptors = _descriptors()

    async def check(self) -> None:
        """Nothing has been added. What is not ours, such as the server in this loop, may take a moment to go."""
        mine = [name for name in self.added() if name.startswith(self._own)]
        assert mine == [], mine
        if others := {
            task for task in asyncio.all_tasks() - self.tasks if task is not asyncio.current_task()
        }:
            await asyncio.wait(others, timeout=_SERVER_S)
        with anyio.move_on_after(_SERVER_S):
            while self.added():  # a descriptor goes in a turn of the loop, and the kernel tells nobody
                await anyio.lowlevel.checkpoint()
        assert self.added() == [], self.added()

    def added(self) -> list[str]:
        """What there was not."""
        tasks = [task.get_name() for task in asyncio.all_tasks() - self.tasks if not task.done()]
        # The loop's own pool, in which names of hosts are looked up, keeps its threads.
        new = [thread.name for thread in set(threading.enumerate()) - self.threads]
        threads = [name for name in new if not name.startswith("asyncio_")]
        more = _descriptors() - self.descriptors
        return [*tasks, *threads, *([f"{more} descriptors"] if more > 0 else [])]


def _descriptors() -> int:
    return len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.is_dir() else 0
