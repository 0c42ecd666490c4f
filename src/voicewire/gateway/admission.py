"""How many sessions run, whether one more may start, and the order to stop."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from voicewire.errors import OutOfCapacity


class Admission:
    """Counts the sessions of one gateway. Refuses at the door; never lets anybody wait in line."""

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._count = 0
        self._empty = anyio.Event()
        self._empty.set()
        self.draining = anyio.Event()
        """Set once, when the gateway is told to stop."""

    @property
    def session_count(self) -> int:
        """Sessions that run now."""
        return self._count

    @property
    def is_draining(self) -> bool:
        """Whether the gateway takes no more sessions because it is about to stop."""
        return self.draining.is_set()

    @contextmanager
    def session(self) -> Generator[None, None, None]:
        """Holds one place.

        Raises:
            OutOfCapacity: All places are taken, or the gateway is about to stop.
        """
        if self.is_draining:
            raise OutOfCapacity("the server is shutting down; connect to another one", retry_after_s=5.0)
        if self._count >= self._max_sessions:
            raise OutOfCapacity(
                f"all {self._max_sessions} sessions are taken; try again later", retry_after_s=5.0
            )
        if not self._count:
            self._empty = anyio.Event()
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._empty.set()

    async def wait_until_empty(self) -> None:
        """Returns when no session runs. Cancellation: safe."""
        await self._empty.wait()
