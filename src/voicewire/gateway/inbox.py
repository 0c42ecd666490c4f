"""Frames of one client that wait for its model, within a byte budget."""

from __future__ import annotations

from collections import deque

import anyio

from voicewire.protocols.codec import Frame


class Inbox:
    """First in, first out, nothing dropped. Policy when full: nothing more is read, so that TCP holds the client back.

    One task puts, one task takes. A frame counts until the next one is asked for, so a frame that the model is
    slow to take keeps its place.

    Args:
        budget_bytes: Bytes from which on nothing more is read; a single frame may be larger.
    """

    __slots__ = ("_arrived", "_budget_bytes", "_frames", "_room", "_taken_bytes", "pending_bytes")

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._frames: deque[Frame] = deque()
        self._arrived = anyio.Event()
        self._room = anyio.Event()
        self._taken_bytes = 0
        self.pending_bytes = 0
        """Bytes that wait now, the frame that was taken last included."""

    async def put(self, frame: Frame) -> None:
        """Adds a frame, then waits until there is room for another one. Cancellation: the frame is inside."""
        self._frames.append(frame)
        self.pending_bytes += len(frame)
        self._arrived.set()
        while self.pending_bytes >= self._budget_bytes:
            self._room = anyio.Event()
            await self._room.wait()

    async def take(self) -> Frame:
        """The oldest frame; waits for one. Cancellation loses nothing."""
        self.pending_bytes -= self._taken_bytes
        self._taken_bytes = 0
        self._room.set()
        while not self._frames:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        frame = self._frames.popleft()
        self._taken_bytes = len(frame)
        return frame
