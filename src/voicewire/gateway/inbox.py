"""Frames of one client that wait for its model, within a byte budget."""

from __future__ import annotations

import asyncio
from collections import deque

from voicewire.protocols.codec import Frame


class Inbox:
    """First in, first out, nothing dropped. Policy when full: nothing more is read, so that TCP holds the client back.

    One task puts, one task takes. A frame counts until the next one is asked for, so a frame that the model is
    slow to take keeps its place. Waiting is a bare future: an anyio event looks for the running library each time
    it is made, which costs more than all the rest of a hand-over.

    Args:
        budget_bytes: Bytes from which on nothing more is read; a single frame may be larger.
    """

    __slots__ = ("_arrived", "_budget_bytes", "_frames", "_room", "_taken_bytes", "pending_bytes")

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._frames: deque[Frame] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._taken_bytes = 0
        self.pending_bytes = 0
        """Bytes that wait now, the frame that was taken last included."""

    async def put(self, frame: Frame) -> None:
        """Adds a frame, then waits until there is room for another one. Cancellation: the frame is inside."""
        self._frames.append(frame)
        self.pending_bytes += len(frame)
        _wake(self._arrived)
        while self.pending_bytes >= self._budget_bytes:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    async def take(self) -> Frame:
        """The oldest frame; waits for one. Cancellation loses nothing."""
        self.pending_bytes -= self._taken_bytes
        self._taken_bytes = 0
        _wake(self._room)
        while not self._frames:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        frame = self._frames.popleft()
        self._taken_bytes = len(frame)
        return frame


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
