"""Frames that wait for one client, within a byte budget."""

from __future__ import annotations

import asyncio
from collections import deque

import anyio

from voicewire.errors import ConsumerTooSlow
from voicewire.protocols.codec import Frame


class Outbox:
    """First in, first out, nothing dropped. Policy when full: the client is too slow and its session ends.

    One task puts, one task takes. A frame stays inside, and counted, until ``pop`` says that it was sent.

    Args:
        budget_bytes: Most bytes that may wait, the frame being sent included; a character of text counts as
            one byte (audio in base64, nearly all there is, is ASCII).
    """

    __slots__ = ("_arrived", "_budget_bytes", "_frames", "_sent", "pending_bytes")

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._frames: deque[Frame] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._sent: anyio.Event | None = None
        self.pending_bytes = 0
        """Bytes that wait now."""

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Frame) -> None:
        """Adds a frame.

        Raises:
            ConsumerTooSlow: The budget is used up; the frame was not added.
        """
        pending_bytes = self.pending_bytes + len(frame)
        if pending_bytes > self._budget_bytes and self._frames:
            raise ConsumerTooSlow(
                f"the client is too slow: {self.pending_bytes} bytes wait for it, {self._budget_bytes} may"
            )
        self._frames.append(frame)
        self.pending_bytes = pending_bytes
        arrived = self._arrived
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    async def first(self) -> Frame:
        """Waits for the oldest frame and returns it without taking it out. Cancellation loses nothing."""
        while not self._frames:
            # A bare future, as in the inbox: an anyio event costs more than the rest of the hand-over.
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        return self._frames[0]

    def pop(self) -> None:
        """Takes the oldest frame out: it was sent."""
        self.pending_bytes -= len(self._frames.popleft())
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.set()

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much can be put now."""
        return not self._frames or self.pending_bytes + size_bytes <= self._budget_bytes

    async def wait_for_pop(self) -> None:
        """Waits until a frame was sent. Cancellation: safe."""
        if self._sent is None:
            self._sent = anyio.Event()
        await self._sent.wait()
