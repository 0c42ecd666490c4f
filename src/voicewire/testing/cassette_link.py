"""A connection to a recording: a transport whose other end is a `ReplayScript`, in this process."""

from __future__ import annotations

import asyncio
from typing import Final

import anyio

from voicewire.errors import CassetteMismatch, ConnectionLost, SessionClosed
from voicewire.testing.cassette_script import ReplayScript
from voicewire.transport.cassette import Closed
from voicewire.transport.frames import (
    ABNORMAL_CLOSE,
    NORMAL_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
    FrameTransport,
)

_STEPS_PER_TURN: Final = 64
"""Frames that come in one turn of the loop, so that a fast recording does not keep everybody else waiting."""


class CassetteLink:
    """Plays a script to a receiver. A `FrameTransport`; no socket, no task.

    Args:
        receiver: Takes what the recorded provider said.
        script: Says it.

    A frame that the recording does not expect ends the connection with `CassetteMismatch`.
    """

    def __init__(self, receiver: FrameReceiver, script: ReplayScript) -> None:
        self._receiver = receiver
        self._script = script
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._fault: CassetteMismatch | None = None
        self._closed: CloseInfo | None = None
        self._gone = anyio.Event()

    def open(self) -> FrameTransport:
        """Begins."""
        self._receiver.on_open(self)
        self._wake()
        return self

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return self._closed

    @property
    def is_congested(self) -> bool:
        """Never: a script takes what it is given."""
        return False

    def write(self, frame: Frame) -> None:
        """Sends one message.

        Raises:
            SessionClosed: It is closed.
        """
        if self._closed is not None:
            raise SessionClosed(
                "the connection to the cassette is closed", code=self._closed.code, reason=self._closed.reason
            )
        if self._fault is not None:
            return
        try:
            self._script.received(frame)
        except CassetteMismatch as error:
            # Told in the next turn, as a provider would: whoever writes is not called back from within.
            self._fault = error
        self._wake()

    async def drain(self) -> None:
        """Does nothing: there is never anything to wait for."""

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes; idempotent."""
        self._end(CloseInfo(code=code, reason=reason, is_local=True))

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes; idempotent."""
        self.close_soon(code, reason)
        await self._gone.wait()

    def abort(self) -> None:
        """Cuts the connection; idempotent."""
        self._end(CloseInfo(code=ABNORMAL_CLOSE, reason="cut by our side", is_local=True, is_clean=False))

    def _wake(self, delay_s: float = 0.0) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            self._loop.call_later(delay_s, self._play) if delay_s else self._loop.call_soon(self._play)
        )

    def _play(self) -> None:
        self._timer = None
        for _ in range(_STEPS_PER_TURN):
            if self._closed is not None:
                return
            if self._fault is not None:
                self._end(
                    CloseInfo(code=ABNORMAL_CLOSE, reason=str(self._fault), is_clean=False, error=self._fault)
                )
                return
            step, wait_ms = self._script.poll(self._loop.time() * 1000)
            if wait_ms is not None:
                self._wake(wait_ms / 1000)
            if step is None:
                return
            if isinstance(step, Closed):
                self._end(_end_of(step))
            else:
                self._deliver(self._script.frame_of(step))
        self._wake()

    def _deliver(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            self._receiver.on_message(frame)
            return
        with memoryview(frame.encode()) as view:
            self._receiver.on_message(view)

    def _end(self, info: CloseInfo) -> None:
        if self._closed is not None:
            return
        self._closed = info
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gone.set()
        self._receiver.on_closed(info)


def _end_of(step: Closed) -> CloseInfo:
    if step.by == "server":
        return CloseInfo(code=step.code, reason=step.reason)
    error = ConnectionLost(
        f"the recorded connection was lost: {step.reason}", code=step.code, reason=step.reason
    )
    return CloseInfo(code=step.code, reason=step.reason, is_clean=False, error=error)
