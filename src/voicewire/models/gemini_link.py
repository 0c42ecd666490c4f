"""A transport that begins a new connection when it is told to configure the session anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from voicewire.errors import SessionClosed, VoicewireError
from voicewire.ownership import TaskOwner
from voicewire.protocols.gemini.client_requests import SetupFrame
from voicewire.transport.frames import (
    ABNORMAL_CLOSE,
    NORMAL_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
    FrameTransport,
)

Dial = Callable[[FrameReceiver], Awaitable[FrameTransport]]
"""Opens a transport whose messages go to the receiver."""


class ReopeningLink:
    """Carries the frames of one session over one connection after the other. Implements `FrameTransport`.

    A ``SetupFrame`` written to a connection that is configured already closes that connection and goes, as the first
    frame, to a new one. Frames written meanwhile follow it; the codec writes none before the answer.

    Resources: the connections; the task that dials, owned by the `TaskOwner` given. Both are gone after ``aclose``.

    Args:
        receiver: Takes the messages; hears of one opening and one end, whatever happens in between.
        dial: Opens a connection.
        owner: Owns the dialling.
    """

    def __init__(self, receiver: FrameReceiver, dial: Dial, owner: TaskOwner) -> None:
        self._receiver = receiver
        self._dial = dial
        self._owner = owner
        self._leg: _Leg | None = None
        self._is_set_up = False
        self._has_opened = False
        self._pending: list[Frame] = []
        self._closed: CloseInfo | None = None

    async def open(self) -> FrameTransport:
        """Opens the first connection; raises what the dialling raises."""
        self._leg = _Leg(self)
        await self._dial(self._leg)
        return self

    # ------------------------------------------------------------------ as a transport

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open, between two connections included."""
        return self._closed

    @property
    def is_congested(self) -> bool:
        """Whether the present connection is congested."""
        transport = self._transport
        return transport is not None and transport.is_congested

    @property
    def _transport(self) -> FrameTransport | None:
        return None if self._leg is None else self._leg.transport

    def write(self, frame: Frame) -> None:
        """Sends one message without waiting.

        Raises:
            SessionClosed: It is closed.
        """
        if self._closed is not None:
            raise SessionClosed(
                "the session is over; open a new one", code=self._closed.code, reason=self._closed.reason
            )
        if isinstance(frame, SetupFrame):
            if self._is_set_up:
                self._reopen(frame)
                return
            self._is_set_up = True
            frame = str(frame)
        transport = self._transport
        if transport is None:
            self._pending.append(frame)
        else:
            transport.write(frame)

    async def drain(self) -> None:
        """Waits while the present connection is congested."""
        if (transport := self._transport) is not None:
            await transport.drain()

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Begins to close without waiting; idempotent."""
        if (transport := self._transport) is not None:
            transport.close_soon(code, reason)
        else:
            self._end(CloseInfo(code=code, reason=reason, is_local=True))

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes with a closing handshake, bounded in time; idempotent."""
        if (transport := self._transport) is not None:
            await transport.aclose(code, reason)
        self._end(CloseInfo(code=code, reason=reason, is_local=True))
        await self._owner.aclose()

    def abort(self) -> None:
        """Cuts the connection at once."""
        if (transport := self._transport) is not None:
            transport.abort()
        else:
            self._end(CloseInfo(code=ABNORMAL_CLOSE, is_local=True, is_clean=False))

    # ------------------------------------------------------------------ from one connection to the next

    def _reopen(self, setup: SetupFrame) -> None:
        frame = str(setup)  # what is below takes plain text
        old = self._transport
        if old is None:
            # The new connection is not there yet: it is opened with the newest configuration only.
            self._pending = [frame]
            return
        leg = self._leg = _Leg(self)
        self._pending = [frame]
        old.close_soon(NORMAL_CLOSE, "")
        self._owner.start(self._dial_again(leg), name="next connection")

    async def _dial_again(self, leg: _Leg) -> None:
        try:
            await self._dial(leg)
        except VoicewireError as error:
            self._end(CloseInfo(code=ABNORMAL_CLOSE, reason=str(error), is_clean=False, error=error))
        except anyio.get_cancelled_exc_class():
            self._end(CloseInfo(code=NORMAL_CLOSE, is_local=True))
            raise

    def opened(self, leg: _Leg) -> None:
        """A connection is open."""
        if leg is not self._leg:
            return
        if not self._has_opened:
            self._has_opened = True
            self._receiver.on_open(self)
            return
        pending, self._pending = self._pending, []
        for frame in pending:
            if leg.transport is not None:
                leg.transport.write(frame)

    def received(self, leg: _Leg, message: memoryview | Frame) -> None:
        """A message of a connection."""
        if leg is self._leg:
            self._receiver.on_message(message)

    def ended(self, leg: _Leg, info: CloseInfo) -> None:
        """A connection ended; only the present one ends the session."""
        if leg is self._leg:
            self._end(info)

    def _end(self, info: CloseInfo) -> None:
        if self._closed is None:
            self._closed = info
            self._receiver.on_closed(info)


class _Leg:
    """One connection's receiver."""

    def __init__(self, link: ReopeningLink) -> None:
        self._link = link
        self.transport: FrameTransport | None = None

    def on_open(self, transport: FrameTransport) -> None:
        self.transport = transport
        self._link.opened(self)

    def on_message(self, message: memoryview | Frame) -> None:
        self._link.received(self, message)

    def on_closed(self, info: CloseInfo) -> None:
        self._link.ended(self, info)
