"""Transports that misbehave on purpose, and a peer to talk to, for tests of programs that use Voicewire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from voicewire.errors import ConnectionLost, SessionClosed
from voicewire.transport.frames import (
    ABNORMAL_CLOSE,
    NORMAL_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
    FrameTransport,
)
from voicewire.transport.memory import MemoryTransport, memory_pair

Connect = Callable[[FrameReceiver], Awaitable[FrameTransport]]

GARBAGE = '{"type": "response.output_audio.delta", "delta": '
"""A text frame that stops in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong. Frames are the received ones, counted from 1; None for never."""

    cut_at_frame: int | None = None
    """The connection dies instead of delivering this frame: no closing handshake, code 1006."""
    half_open_at_frame: int | None = None
    """From this frame on nothing is delivered and nothing written arrives, and nobody says so."""
    garbage_at_frame: int | None = None
    """This frame is replaced by text that stops in the middle."""
    oversize_at_frame: int | None = None
    """This frame is replaced by one of ``oversize_bytes``."""
    oversize_bytes: int = 1024 * 1024
    duplicate_at_frame: int | None = None
    """This frame is delivered twice."""
    delay_s: float = 0.0
    """Every frame is delivered this much later; the order stays."""


class FaultyTransport:
    """Stands between a transport and its receiver and does what `Faults` says. A `FrameTransport`.

    ::

        connect = FaultyTransport.around(connect, Faults(cut_at_frame=3))
    """

    def __init__(self, receiver: FrameReceiver, faults: Faults) -> None:
        self._receiver = receiver
        self._faults = faults
        self._inner: FrameTransport | None = None
        self._frames = 0
        self._is_half_open = False
        self._closed: CloseInfo | None = None

    @classmethod
    def around(cls, connect: Connect, faults: Faults) -> Connect:
        """A way to connect whose transports have these faults."""

        async def connect_with_faults(receiver: FrameReceiver) -> FrameTransport:
            faulty = cls(receiver, faults)
            await connect(faulty)
            return faulty

        return connect_with_faults

    @property
    def frames_received(self) -> int:
        """How many frames came from the peer, faulty ones included."""
        return self._frames

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return self._closed

    @property
    def is_congested(self) -> bool:
        """Whether the transport inside is."""
        return self._inner is not None and self._inner.is_congested

    def write(self, frame: Frame) -> None:
        """Sends one message, or loses it when the connection is half open.

        Raises:
            SessionClosed: The transport is closed.
        """
        if self._closed is not None or self._inner is None:
            raise SessionClosed("the faulty connection is closed", code=ABNORMAL_CLOSE)
        if not self._is_half_open:
            self._inner.write(frame)

    async def drain(self) -> None:
        """Waits while the transport inside is congested.

        Raises:
            SessionClosed: It closed meanwhile.
        """
        if self._inner is not None:
            await self._inner.drain()

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes the transport inside; a half-open one is cut, since nobody would answer."""
        if self._inner is None:
            return
        if self._is_half_open:
            self._inner.abort()
        else:
            self._inner.close_soon(code, reason)

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes the transport inside; a half-open one is cut, since nobody would answer."""
        if self._inner is None:
            return
        if self._is_half_open:
            self._inner.abort()
        await self._inner.aclose(code, reason)

    def abort(self) -> None:
        """Cuts the transport inside."""
        if self._inner is not None:
            self._inner.abort()

    def on_open(self, transport: FrameTransport) -> None:
        """The transport inside is open."""
        self._inner = transport
        self._receiver.on_open(self)

    def on_message(self, message: memoryview | Frame) -> None:
        """One message, on its way through the faults."""
        self._frames += 1
        faults = self._faults
        if self._frames == faults.cut_at_frame:
            self._cut()
        if self._frames == faults.half_open_at_frame:
            self._is_half_open = True
        if self._closed is not None or self._is_half_open:
            return
        if self._frames == faults.garbage_at_frame:
            message = GARBAGE
        elif self._frames == faults.oversize_at_frame:
            message = '{"type":"' + "x" * faults.oversize_bytes + '"}'
        for _ in range(2 if self._frames == faults.duplicate_at_frame else 1):
            self._deliver(message)

    def on_closed(self, info: CloseInfo) -> None:
        """The transport inside ended; told once."""
        if self._closed is None:
            self._closed = info
            self._receiver.on_closed(info)

    def _deliver(self, message: memoryview | Frame) -> None:
        if not self._faults.delay_s:
            self._receiver.on_message(message)
            return
        kept = str(message, "utf-8") if isinstance(message, memoryview) else message
        asyncio.get_running_loop().call_later(self._faults.delay_s, self._deliver_late, kept)

    def _deliver_late(self, message: Frame) -> None:
        if self._closed is None:
            self._receiver.on_message(message)

    def _cut(self) -> None:
        reason = "the connection was cut without a closing handshake"
        error = ConnectionLost(f"faulty transport: {reason}", code=ABNORMAL_CLOSE)
        self.on_closed(CloseInfo(code=ABNORMAL_CLOSE, reason=reason, is_clean=False, error=error))
        self.abort()


class MemoryPeer:
    """The other end of a memory transport: keeps what it gets, says what the test wants.

    ::

        peer = MemoryPeer()
        async with open_remote(codec, peer.connect, ...) as connection:
            peer.say('{"type": "session.created", ...}')
            sent = await peer.next_message()

    Args:
        on_message: Called with each message, for peers that answer by themselves.
        greeting: Messages to send as soon as somebody connects.
    """

    def __init__(
        self,
        on_message: Callable[[MemoryPeer, Frame], None] | None = None,
        *,
        greeting: tuple[Frame, ...] = (),
    ) -> None:
        self._answer = on_message
        self._greeting = greeting
        self._news = anyio.Event()
        self._taken = 0
        self.received: list[Frame] = []
        """Every message that came, in order."""
        self.closed: CloseInfo | None = None
        """How the connection ended, as this end saw it."""
        self.transport: MemoryTransport | None = None
        """This end of the connection."""

    async def connect(self, receiver: FrameReceiver) -> FrameTransport:
        """Connects a receiver to this peer; give this method to ``open_remote``."""
        mine, self.transport = memory_pair(receiver, self)
        for frame in self._greeting:
            self.say(frame)
        return mine

    def say(self, *frames: Frame) -> None:
        """Sends messages.

        Raises:
            SessionClosed: Nobody is connected any more.
        """
        if self.transport is None:
            raise SessionClosed("nobody is connected to this peer")
        for frame in frames:
            self.transport.write(frame)

    def close(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes the connection from this end."""
        if self.transport is not None:
            self.transport.close_soon(code, reason)

    def cut(self) -> None:
        """Cuts the connection without a closing handshake."""
        if self.transport is not None:
            self.transport.abort()

    async def next_message(self) -> Frame:
        """The next message that was not taken yet; waits for it."""
        while self._taken >= len(self.received):
            self._news = anyio.Event()
            await self._news.wait()
        self._taken += 1
        return self.received[self._taken - 1]

    async def wait_closed(self) -> CloseInfo:
        """Waits for the end of the connection."""
        while self.closed is None:
            self._news = anyio.Event()
            await self._news.wait()
        return self.closed

    def on_open(self, transport: FrameTransport) -> None:
        """Called by the transport."""

    def on_message(self, message: memoryview | Frame) -> None:
        """Called by the transport."""
        frame = str(message, "utf-8") if isinstance(message, memoryview) else message
        self.received.append(frame)
        self._news.set()
        if self._answer is not None:
            self._answer(self, frame)

    def on_closed(self, info: CloseInfo) -> None:
        """Called by the transport."""
        self.closed = info
        self._news.set()
