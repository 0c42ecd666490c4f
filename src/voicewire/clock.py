"""Time, passed in: nothing in a conversation reads the machine's clock by itself."""

from __future__ import annotations

import time
from typing import Protocol

import anyio
import anyio.lowlevel

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """A clock that only moves forward, and a way to wait for it."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed moment; never goes back."""
        ...

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Waits until the clock shows at least ``when_ns``; a moment that has passed still lets others run.

        Cancellation: safe, nothing is lost.
        """
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the machine's own epoch."""
        return time.monotonic_ns()

    async def sleep_until_ns(self, when_ns: int) -> None:
        """Waits until ``when_ns``; may wake later, never earlier."""
        # A timer may fire a tick early, so the rest is waited for too; there is no event to wait on instead.
        while (left_ns := when_ns - time.monotonic_ns()) > 0:  # noqa: ASYNC110
            await anyio.sleep(left_ns / NS_PER_S)
        await anyio.lowlevel.checkpoint()
