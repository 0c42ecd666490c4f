"""What stands between a model and the gateway: something that sees every frame."""

from __future__ import annotations

from collections.abc import Callable

from voicewire.transport.frames import CloseInfo, Frame, FrameReceiver, FrameTransport
from voicewire.transport.options import Connect, Wrap

Change = Callable[[Frame], Frame]
"""Sees every frame that is written; what it gives is sent."""


def with_change(change: Change) -> Wrap:
    """A `Wrap` that changes what is written."""

    def around(connect: Connect) -> Connect:
        async def connect_so(receiver: FrameReceiver) -> FrameTransport:
            link = _Link(receiver, change)
            await connect(link)
            return link

        return connect_so

    return around


class _Link:
    """A transport whose frames are changed on the way out. Implements `FrameTransport`."""

    def __init__(self, receiver: FrameReceiver, change: Change) -> None:
        self._receiver = receiver
        self._change = change
        self._inner: FrameTransport | None = None

    def on_open(self, transport: FrameTransport) -> None:
        """The connection is open: the receiver writes to this link."""
        self._inner = transport
        self._receiver.on_open(self)

    def on_message(self, message: memoryview | Frame) -> None:
        """Hands one message on."""
        self._receiver.on_message(message)

    def on_closed(self, info: CloseInfo) -> None:
        """Hands the end on."""
        self._receiver.on_closed(info)

    @property
    def _open(self) -> FrameTransport:
        assert self._inner is not None
        return self._inner

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended."""
        return self._open.closed

    @property
    def is_congested(self) -> bool:
        """Whether more is written than the network takes."""
        return self._open.is_congested

    def write(self, frame: Frame) -> None:
        """Sends one message."""
        self._open.write(self._change(frame))

    async def drain(self) -> None:
        """Waits while the connection is congested."""
        await self._open.drain()

    def close_soon(self, code: int = 1000, reason: str = "") -> None:
        """Begins to close."""
        self._open.close_soon(code, reason)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Closes."""
        await self._open.aclose(code, reason)

    def abort(self) -> None:
        """Cuts the connection."""
        self._open.abort()
