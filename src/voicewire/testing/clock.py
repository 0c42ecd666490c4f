"""A clock that stands still until the test moves it."""

from __future__ import annotations

import heapq
from itertools import count

import anyio
import anyio.lowlevel

from voicewire.clock import NS_PER_MS


class ManualClock:
    """A ``Clock`` for tests: ``advance`` moves it and wakes, in order, who was waiting.

    Concurrency: one event loop.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._ticket = count()
        self._sleepers: list[tuple[int, int, anyio.Event]] = []

    def now_ns(self) -> int:
        """The moment the clock stands at."""
        return self._now_ns

    @property
    def sleepers(self) -> int:
        """How many tasks wait for a moment that has not come."""
        return len(self._sleepers)

    @property
    def next_wake_ns(self) -> int | None:
        """The earliest moment that somebody waits for; None when nobody does."""
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Waits until the test moves the clock to ``when_ns``."""
        await anyio.lowlevel.checkpoint()
        if when_ns <= self._now_ns:
            return
        entry = (when_ns, next(self._ticket), anyio.Event())
        heapq.heappush(self._sleepers, entry)
        try:
            await entry[2].wait()
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    async def advance_ms(self, duration_ms: int) -> None:
        """Moves the clock, stopping at every wake-up on the way so that sleepers run at their own time."""
        target_ns = self._now_ns + duration_ms * NS_PER_MS
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target_ns:
            when_ns, _, event = heapq.heappop(self._sleepers)
            self._now_ns = max(self._now_ns, when_ns)
            event.set()
            await self.settle()
        self._now_ns = target_ns
        await self.settle()

    async def settle(self, rounds: int = 20) -> None:
        """Lets every other task run until it waits (for chains of at most ``rounds`` hand-overs)."""
        for _ in range(rounds):
            await anyio.lowlevel.checkpoint()
