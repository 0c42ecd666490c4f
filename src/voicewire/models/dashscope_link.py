"""A transport that says goodbye: services count a session as failed whose connection is only closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio

from voicewire.transport.frames import NORMAL_CLOSE, CloseInfo, Frame, FrameReceiver, FrameTransport

FINISH_TIMEOUT_S = 1.0
"""How long the service may take to end the session by itself; some never do."""


class FinishingLink:
    """Sends ``session.finish`` before it closes, and waits a moment for the other side. Implements `FrameTransport`.

    Messages go to the receiver directly; only the opening and the end pass through here. No tasks.

    Args:
        receiver: Takes the messages.
        farewell: The frames to send before closing.
        timeout_s: How long to wait after them; ``FINISH_TIMEOUT_S`` when None.
    """

    def __init__(
        self,
        receiver: FrameReceiver,
        farewell: Callable[[], Iterable[Frame]],
        *,
        timeout_s: float | None = None,
    ) -> None:
        self._receiver = receiver
        self._farewell = farewell
        self._timeout_s = FINISH_TIMEOUT_S if timeout_s is None else timeout_s
        self._inner: FrameTransport | None = None
        self._gone = anyio.Event()
        self._closed: CloseInfo | None = None
        self._is_leaving = False

    # ------------------------------------------------------------------ as a receiver

    def on_open(self, transport: FrameTransport) -> None:
        """The connection is open: the receiver is given this link to write to."""
        self._inner = transport
        self._receiver.on_open(self)

    def on_message(self, message: memoryview | Frame) -> None:
        """Hands one message on."""
        self._receiver.on_message(message)

    def on_closed(self, info: CloseInfo) -> None:
        """The connection ended."""
        self._closed = info
        self._gone.set()
        self._receiver.on_closed(info)

    # ------------------------------------------------------------------ as a transport

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return self._closed

    @property
    def is_congested(self) -> bool:
        """Whether more is written than the network takes."""
        return self._inner is not None and self._inner.is_congested

    def write(self, frame: Frame) -> None:
        """Sends one message without waiting."""
        if self._inner is not None:
            self._inner.write(frame)

    async def drain(self) -> None:
        """Waits while the connection is congested."""
        if self._inner is not None:
            await self._inner.drain()

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Begins to close without waiting; idempotent."""
        if self._inner is not None:
            self._inner.close_soon(code, reason)

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Says goodbye, then closes; bounded in time, idempotent."""
        inner = self._inner
        if inner is None:
            return
        if code == NORMAL_CLOSE and self._closed is None and not self._is_leaving:
            self._is_leaving = True
            frames = list(self._farewell())
            for frame in frames:
                inner.write(frame)
            if frames:
                with anyio.move_on_after(self._timeout_s):
                    await self._gone.wait()
        await inner.aclose(code, reason)

    def abort(self) -> None:
        """Cuts the connection at once."""
        if self._inner is not None:
            self._inner.abort()
