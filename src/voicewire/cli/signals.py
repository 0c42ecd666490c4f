"""Ctrl-C and SIGTERM while something is written that may not be lost."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any, Final

import typer
from typing_extensions import Self

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Ends a conversation in order when the user or the system asks for it; the recording is then closed whole.

    ::

        with Interrupts() as interrupts, recording(...):
            interrupts.run(session.run)

    Inside ``run`` the first signal cancels the work, and one more breaks it off where it does not end. Everywhere
    else in the block, and after that, signals are only noted. When the block is left a noted SIGINT is raised as
    ``KeyboardInterrupt`` and a SIGTERM as ``typer.Exit(143)``, unless another error is on its way.

    Concurrency: the main thread only.
    """

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._cancel: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _HANDLED}
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if not self._noted or (exc is not None and not isinstance(exc, KeyboardInterrupt)):
            return
        if self._noted[0] == signal.SIGTERM:
            raise typer.Exit(128 + signal.SIGTERM) from None
        raise KeyboardInterrupt from None

    def run(self, work: Callable[[], Awaitable[object]]) -> None:
        """Runs async work in an event loop of its own until it ends or a signal ends it.

        Args:
            work: Called in the loop; what it raises is raised here.
        """
        import anyio

        anyio.run(self._cancellable, work)

    async def _cancellable(self, work: Callable[[], Awaitable[object]]) -> None:
        import asyncio

        import anyio

        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:
            # A signal handler runs between two byte codes of any task: only this call is safe from there.
            self._cancel = lambda: loop.call_soon_threadsafe(scope.cancel)
            if self._noted:
                scope.cancel()
            try:
                await work()
            finally:
                # Only the work may be broken off, not the loop on its way down.
                self._cancel = None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(number)
        if self._cancel is None:
            return
        if len(self._noted) == 1:
            self._cancel()
        else:
            self._cancel = None
            raise KeyboardInterrupt
