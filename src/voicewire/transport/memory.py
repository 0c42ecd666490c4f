"""Two transports joined in memory: the same interface, no socket, no kernel, no time."""

from __future__ import annotations

import asyncio
from collections import deque

import anyio

from voicewire.errors import ConnectionLost, SessionClosed
from voicewire.transport.frames import ABNORMAL_CLOSE, NORMAL_CLOSE, CloseInfo, Frame, FrameReceiver


class MemoryTransport:
    """One end of a `memory_pair`. A `FrameTransport`.

    What one end writes, the other's receiver gets in the next turn of the loop, in order. Text arrives as a
    memoryview that is released after the call, so that a receiver that keeps it is found out.

    Args:
        receiver: Takes what the other end writes.
        name: Appears in errors.
        high_water_frames: Undelivered frames above which the end is congested.
    """

    def __init__(self, receiver: FrameReceiver, *, name: str = "memory", high_water_frames: int = 64) -> None:
        self._receiver = receiver
        self._name = name
        self._high_water_frames = high_water_frames
        self._peer: MemoryTransport | None = None
        self._inbox: deque[Frame | CloseInfo] = deque()
        self._is_scheduled = False
        self._is_stalled = False
        self._is_closing = False
        self._closed: CloseInfo | None = None
        self._closed_event = anyio.Event()
        self._room_event = anyio.Event()

    def __repr__(self) -> str:
        return f"<MemoryTransport {self._name} {'open' if self._closed is None else 'closed'}>"

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return self._closed

    @property
    def is_congested(self) -> bool:
        """Whether the other end has more than ``high_water_frames`` still to take."""
        return self._peer is not None and len(self._peer._inbox) > self._high_water_frames

    def stall(self) -> None:
        """Stops delivering what the other end writes, like a peer that does not read."""
        self._is_stalled = True

    def resume(self) -> None:
        """Delivers again, what was held back first."""
        self._is_stalled = False
        self._schedule()

    def write(self, frame: Frame) -> None:
        """Sends one message without waiting.

        Raises:
            SessionClosed: This end is closing or closed.
        """
        if self._is_closing or self._peer is None:
            raise self._closed_error()
        self._peer._enqueue(frame)

    async def drain(self) -> None:
        """Waits while the other end is behind.

        Raises:
            SessionClosed: It closed meanwhile.

        Cancellation: safe.
        """
        while self.is_congested and not self._is_closing:
            self._room_event = anyio.Event()
            await self._room_event.wait()
        if self._is_closing:
            raise self._closed_error()

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes both ends; the other gets what was written before, then the code and reason; idempotent."""
        if not self._is_closing:
            if self._peer is not None:
                self._peer._enqueue(CloseInfo(code=code, reason=reason))
            self._end(CloseInfo(code=code, reason=reason, is_local=True))

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes both ends; see `close_soon`.

        Cancellation: safe; this end is closed.
        """
        self.close_soon(code, reason)
        await self._closed_event.wait()

    def abort(self) -> None:
        """Cuts both ends at once, without a closing handshake; idempotent."""
        if self._is_closing:
            return
        self._end(CloseInfo(code=ABNORMAL_CLOSE, reason="cut by our side", is_local=True, is_clean=False))
        if self._peer is not None:
            self._peer._cut()

    def _cut(self) -> None:
        if self._is_closing:
            return
        reason = "the connection was cut without a closing handshake"
        error = ConnectionLost(f"{self._name}: {reason}", code=ABNORMAL_CLOSE)
        self._end(CloseInfo(code=ABNORMAL_CLOSE, reason=reason, is_clean=False, error=error))

    def _closed_error(self) -> SessionClosed:
        code, reason = (self._closed.code, self._closed.reason) if self._closed is not None else (0, "")
        return SessionClosed(f"the connection {self._name!r} is closed", code=code, reason=reason)

    def _enqueue(self, frame: Frame | CloseInfo) -> None:
        if not self._is_closing:
            self._inbox.append(frame)
            self._schedule()

    def _schedule(self) -> None:
        if self._inbox and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        while self._inbox and not self._is_stalled and not self._is_closing:
            frame = self._inbox.popleft()
            if isinstance(frame, CloseInfo):
                self._end(frame)
            elif isinstance(frame, str):
                with memoryview(frame.encode()) as view:
                    self._receiver.on_message(view)
            else:
                self._receiver.on_message(frame)
        if self._peer is not None:
            self._peer._room_event.set()

    def _end(self, info: CloseInfo) -> None:
        self._is_closing = True
        self._inbox.clear()
        self._closed = info
        self._closed_event.set()
        self._room_event.set()
        if self._peer is not None:
            self._peer._room_event.set()
        self._receiver.on_closed(info)


def memory_pair(
    left: FrameReceiver, right: FrameReceiver, *, name: str = "memory", high_water_frames: int = 64
) -> tuple[MemoryTransport, MemoryTransport]:
    """Two open ends, each joined to the other; both receivers were told that they are open."""
    first = MemoryTransport(left, name=name, high_water_frames=high_water_frames)
    second = MemoryTransport(right, name=name, high_water_frames=high_water_frames)
    first._peer, second._peer = second, first
    right.on_open(second)
    left.on_open(first)
    return first, second
