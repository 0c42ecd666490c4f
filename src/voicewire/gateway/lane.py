"""The slow lane: what can wait is done piece by piece, so that what cannot is not held up by it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

EVERY_S: Final = 0.004


class SlowLane:
    """Calls one waiting piece of work every four milliseconds, first come, first served.

    Handshakes wait here, and what is left of a read that brought more frames than anybody speaks. However many
    connections press, together they get one piece a turn. Policy: unbounded, as each connection has at most one
    piece inside, and while it waits nothing more is read from it.

    Args:
        loop: Calls the pieces.
    """

    __slots__ = ("_free_at_s", "_is_called", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_called = False
        self._free_at_s = 0.0

    def enter(self, work: Callable[[], None]) -> None:
        """Calls the work when its turn comes; at once when nobody has had one just now."""
        if not self._waiting and self._loop.time() >= self._free_at_s:
            self._free_at_s = self._loop.time() + EVERY_S
            work()
            return
        self.wait(work)

    def wait(self, work: Callable[[], None]) -> None:
        """Calls the work when its turn comes, never at once."""
        self._waiting.append(work)
        if not self._is_called:
            self._is_called = True
            self._loop.call_later(EVERY_S, self._turn)

    def _turn(self) -> None:
        self._is_called = False
        self._free_at_s = self._loop.time() + EVERY_S
        work = self._waiting.popleft()
        if self._waiting:
            self._is_called = True
            self._loop.call_later(EVERY_S, self._turn)
        work()


_LANES: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, SlowLane]] = WeakKeyDictionary()


def lane_of(loop: asyncio.AbstractEventLoop) -> SlowLane:
    """The lane of an event loop."""
    lane = _LANES.get(loop)
    if lane is None:
        lane = _LANES[loop] = SlowLane(loop)
    return lane
