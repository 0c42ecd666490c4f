"""How many sessions run, whether one more may start, and the order to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import anyio

from voicewire.errors import OutOfCapacity


class Admission:
    """Counts the sessions of one gateway. Refuses at the door; never lets anybody wait in line."""

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._count = 0
        self._waiting = 0
        self._of_holder: Counter[str] = Counter()
        self._empty = anyio.Event()
        self._empty.set()
        self.draining = anyio.Event()
        """Set once, when the gateway is told to stop."""
        self.is_warming = False
        """Whether models are being loaded: sessions are taken, and what they ask for waits."""

    @property
    def session_count(self) -> int:
        """Sessions that run now."""
        return self._count

    @property
    def is_draining(self) -> bool:
        """Whether the gateway takes no more sessions because it is about to stop."""
        return self.draining.is_set()

    @property
    def waiting_count(self) -> int:
        """Sessions that wait for their client to come back."""
        return self._waiting

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
        if self._empty.is_set():
            self._empty = anyio.Event()
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._note_empty()

    @contextmanager
    def share_of(self, holder: str, most: int) -> Generator[None, None, None]:
        """Counts a session of one key or one user.

        Args:
            holder: Names the key or the user.
            most: Sessions that it may have at a time; 0 for any number.

        Raises:
            OutOfCapacity: It has that many.
        """
        if most and self._of_holder[holder] >= most:
            raise OutOfCapacity(
                f"all {most} sessions of this {holder.partition(' ')[0]} are taken", retry_after_s=5.0
            )
        self._of_holder[holder] += 1
        try:
            yield
        finally:
            self._of_holder[holder] -= 1
            if not self._of_holder[holder]:
                del self._of_holder[holder]

    @contextmanager
    def waiting(self) -> Generator[None, None, None]:
        """Counts a session without a client, which takes no place but must have ended when the gateway stops."""
        if self._empty.is_set():
            self._empty = anyio.Event()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._note_empty()

    def _note_empty(self) -> None:
        if not self._count and not self._waiting:
            self._empty.set()

    async def wait_until_empty(self) -> None:
        """Returns when no session runs or waits. Cancellation: safe."""
        await self._empty.wait()
