"""Background tasks that outlive the call that starts them, each with an owner that waits for it.

Everything else in Voicewire runs in a task group. A few public signatures cannot: ``connect(queue)`` of a
model returns while the reading goes on, because the document that defines it says so. Such a task belongs
to a `TaskOwner`, and this is the only module that may call ``asyncio.create_task``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import anyio

_log = logging.getLogger(__name__)


async def run_to_end(work: Coroutine[Any, Any, None], *, name: str) -> None:
    """Runs work that has to be finished, such as closing, however the caller is cancelled meanwhile.

    A shielded scope keeps off the cancellation of other scopes, but not ``task.cancel()``, which is what
    ``asyncio.timeout``, ``asyncio.wait_for`` and `TaskOwner` do. So the work is a task of its own.

    Args:
        work: The coroutine to run; it has to end by itself.
        name: What it does; the name of its task.

    Raises:
        Exception: Whatever the work raises.

    Cancellation: the work is waited for first, then the cancellation goes on.
    """
    task = asyncio.create_task(work, name=f"voicewire {name}")
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:  # raised again below  # noqa: PERF203
                cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


class TaskOwner:
    """Owns background tasks: holds them, reports how they fail, ends and awaits them all on close.

    Args:
        name: What the tasks are for; appears in task names and logs.
        on_error: Called with the exception of a task that failed by itself. Without it the failure is
            logged; it is never lost.

    Concurrency: one event loop; any task may start and close.
    """

    def __init__(self, name: str, *, on_error: Callable[[Exception], None] | None = None) -> None:
        self._name = name
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Starts one task and keeps it until it is done.

        Args:
            work: The coroutine to run.
            name: What this task does.
        """
        task = asyncio.create_task(self._guarded(work), name=f"voicewire {self._name}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step never takes the coroutine over.
        task.add_done_callback(lambda _: work.close())
        return task

    async def join(self) -> None:
        """Waits until every task has ended by itself.

        Cancellation: safe; the tasks go on.
        """
        while tasks := self._others():
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Cancels every task and waits for its end; idempotent. A task that calls this is spared itself.

        Cancellation: the tasks are awaited all the same, then the cancellation goes on.
        """
        with anyio.CancelScope(shield=True):
            while tasks := self._others():
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    def _others(self) -> set[asyncio.Task[None]]:
        current = asyncio.current_task()
        return {task for task in self._tasks if task is not current}

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # a task boundary: nobody above awaits this result
            if self._on_error is not None:
                self._on_error(error)
            else:
                _log.exception("background task failed", extra={"owner": self._name})
