"""How far a function call has come: what a tool says of it, and how often the front end hears it."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.abc

from voicewire.clock import NS_PER_MS, Clock

MAX_MESSAGE_CHARS: Final = 2000
INTERVAL_MS: Final = 100
"""A front end hears of one call at most so often, and first so long after its beginning."""


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far a call has come, in the terms of MCP; made by `ToolProgress`."""

    message: str = ""
    """What it does, or the result as far as it is there; of a long one the end."""
    progress: float | None = None
    """How much is done, in any unit; None where nobody counts."""
    total: float | None = None
    """How much there is to do; None where nobody knows."""

    @classmethod
    def of(
        cls, message: str = "", progress: float | None = None, total: float | None = None
    ) -> ProgressReport:
        """A report within the bounds: a short text that JSON can say, finite numbers."""
        if len(message) > MAX_MESSAGE_CHARS:
            message = "\u2026" + message[1 - MAX_MESSAGE_CHARS :]
        return cls(message.encode(errors="replace").decode(), _finite(progress), _finite(total))


class ToolProgress:
    """Tells how far a call has come; a function gets it by a parameter of this type, which the model does not see.

    ::

        @toolkit.add
        async def search(text: str, progress: ToolProgress) -> str:
            for page in range(10):
                progress.report(page, total=10, message=f"reading page {page + 1}")

    What is reported is shown to people and never told to the model.

    Args:
        on_report: Gets the reports, on the event loop; nobody does by default.

    Concurrency: made on the event loop; any thread reports. Reports of a thread that is faster than the loop are
    replaced by its latest.
    """

    def __init__(self, on_report: Callable[[ProgressReport], None] | None = None) -> None:
        self._on_report = on_report
        self._loop = asyncio.get_running_loop() if on_report is not None else None
        self._thread_id = threading.get_ident()
        self._latest: ProgressReport | None = None
        self._told: ProgressReport | None = None
        self._is_noted = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens; not any more when the call is over."""
        return self._on_report is not None

    def report(self, progress: float | None = None, *, total: float | None = None, message: str = "") -> None:
        """Says how far it is; never waits. After the end of the call it does nothing.

        Args:
            progress: How much is done, in any unit.
            total: How much there is to do, in the same unit, where that is known.
            message: What it does, for people; of more than 2000 characters the last.
        """
        if self._on_report is not None:
            self._take(ProgressReport.of(message, progress, total))

    def close(self) -> None:
        """The call is over: what it has reported is handed on, and nothing more."""
        self._hand_on()
        self._on_report = None

    def _take(self, report: ProgressReport) -> None:
        self._latest = report
        if threading.get_ident() == self._thread_id:
            self._hand_on()
        elif not self._is_noted and self._loop is not None:
            self._is_noted = True
            # A thread that was abandoned may outlive the loop.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hand_on)

    def _hand_on(self) -> None:
        # The flag goes down first: a thread that reports after this line makes the loop look once more.
        self._is_noted = False
        latest = self._latest
        if latest is not None and latest is not self._told and self._on_report is not None:
            self._told = latest
            self._on_report(latest)


_CURRENT: Final[ContextVar[ToolProgress]] = ContextVar("voicewire_tool_progress")


def current_progress() -> ToolProgress:
    """The progress of the call whose task or worker thread this is; outside of one, nobody hears it."""
    return _CURRENT.get(None) or ToolProgress()


@contextmanager
def reporting(on_report: Callable[[ProgressReport], None] | None) -> Generator[None, None, None]:
    """A call runs inside; what it reports is handed on until it is over."""
    progress = ToolProgress(on_report)
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)
        progress.close()


class ProgressPace:
    """One call's reports on their way to the front end: at most ten a second, so that the conversation comes first.

    Policy: the latest report replaces one that waits; the last one is told before the result, unless it is the result.

    Args:
        tell: Gets the reports.
        tasks: Where the waiting is done.
        clock: Time.
    """

    def __init__(
        self, tell: Callable[[ProgressReport], None], tasks: anyio.abc.TaskGroup, clock: Clock
    ) -> None:
        self._tell = tell
        self._tasks = tasks
        self._clock = clock
        self._next_ns = clock.now_ns() + INTERVAL_MS * NS_PER_MS
        self._waiting: ProgressReport | None = None
        self._wait: anyio.CancelScope | None = None
        self._is_over = False

    def take(self, report: ProgressReport) -> None:
        """Takes one report; never waits."""
        if self._is_over:
            return
        self._waiting = report
        if self._wait is None and self._clock.now_ns() >= self._next_ns:
            self._tell_waiting()
        elif self._wait is None:
            self._wait = anyio.CancelScope()
            self._tasks.start_soon(self._tell_later, self._wait)

    def close(self, result: str) -> None:
        """The call has its result; nothing of it is told any more after this."""
        self._is_over = True
        if self._wait is not None:
            self._wait.cancel()
        if self._waiting != ProgressReport.of(result):
            self._tell_waiting()

    async def _tell_later(self, scope: anyio.CancelScope) -> None:
        with scope:
            await self._clock.sleep_until_ns(self._next_ns)
            self._wait = None
            if not self._is_over:
                self._tell_waiting()

    def _tell_waiting(self) -> None:
        report, self._waiting = self._waiting, None
        if report is not None:
            self._next_ns = self._clock.now_ns() + INTERVAL_MS * NS_PER_MS
            self._tell(report)


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None
