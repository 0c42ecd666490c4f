"""HTTP as uvicorn speaks it, for clients that take their time: a request must be whole within a limit.

uvicorn limits how long a connection may idle after a response, and how large a request's head may become. It does
not limit how long a request may take to arrive: a client that sends a byte now and then keeps its connection for
ever, and a few hundred of them keep all the sockets that the process may have.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from voicewire.gateway.lane import lane_of
from voicewire.gateway.observe import GatewayObserver
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.visit import Visit

_UNFINISHED = (h11.IDLE, h11.SEND_BODY)
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_STOPPING = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class TimedHttpProtocol(H11Protocol):
    """Cuts a client whose request is not whole in time; answers 408 as long as nothing else was answered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        state: Any = getattr(self.config.app, "state", None)
        settings: GatewaySettings = getattr(state, "settings", None) or GatewaySettings()
        self._observer: GatewayObserver = getattr(state, "observer", None) or GatewayObserver()
        self._timeout_s = settings.handshake_timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._is_upgrade = False
        """Whether the request was a handshake: then what comes next is not HTTP."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Starts the time."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Stops the time when the request is whole; the next request has its own."""
        self._has_begun = True
        super().data_received(data)
        # h11 waits for the end of a message that a handshake, which has no body, never gets to see here.
        if self._is_upgrade or self.conn.their_state not in _UNFINISHED:
            self._stop()
        elif (
            self._timer is None and self.transport.get_protocol() is self and not self.transport.is_closing()
        ):
            self._start()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection on: the handshake is whole. Many at once take turns."""
        self._stop()
        self._is_upgrade = True
        # What a client sends before it was answered is for the WebSocket, and waits until there is one.
        self.transport.pause_reading()
        lane_of(self.loop).enter(lambda: self._hand_on(event))

    def _hand_on(self, event: h11.Request) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
            super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Ends the connection as the server stops; a handshake that waits for its turn is refused."""
        if self._is_upgrade and not self.transport.is_closing():
            self.transport.write(_STOPPING)
            self.transport.close()
        elif not self._is_upgrade:
            super().shutdown()

    def on_response_complete(self) -> None:
        """Lets the next request have its own time."""
        self._stop()
        self._has_begun = False
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the time."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(self._timeout_s, self._cut)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._timer = None
        # A browser connects ahead of its first request; that is no attack and no news.
        if self._has_begun:
            self._observer.limit_hit("handshake")
            reason = f"the request was not whole within {self._timeout_s:g} s"
            Visit(door="http", status=408, cause="handshake_timeout", reason=reason).log()
            if self.conn.our_state is h11.IDLE:
                self.transport.write(_TOO_LATE)
        self.transport.close()
