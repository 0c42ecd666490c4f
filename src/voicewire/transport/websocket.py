"""A WebSocket client on picows: whole messages, bounded, kept alive, and with exactly one reported end.

picows hands over frames as they are parsed, in a callback, without a task or a queue. This shell adds what a
client of a provider needs on top: reassembly, a bound on message size, keepalive, back-pressure, closing
handshakes both ways, and our own errors. Compression is never offered: deflating a frame of audio costs more
than five times what sending it does (``docs`` has the measurements).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import anyio
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, WSUpgradeResponse

from voicewire.errors import ConnectFailed, ConnectionLost, RemoteProtocolError, SessionClosed
from voicewire.transport.frames import (
    ABNORMAL_CLOSE,
    NO_CODE_CLOSE,
    NORMAL_CLOSE,
    PROTOCOL_ERROR_CLOSE,
    TOO_BIG_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
)
from voicewire.transport.keepalive import Keepalive
from voicewire.transport.options import CallLater, Timer, WebSocketOptions

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_CONTINUATION = WSMsgType.CONTINUATION
_CLOSE = WSMsgType.CLOSE
_MAX_REASON_BYTES = 123  # RFC 6455 section 5.5: 125 bytes of a control frame, less the code
_LINGER_S = 0.1


class _Listener(WSListener):
    """The callbacks of picows. Everything a 20 ms audio delta passes through is in `on_ws_frame`."""

    def __init__(self, owner: WebSocketTransport, receiver: FrameReceiver, max_bytes: int) -> None:
        self._owner = owner
        self._receiver = receiver
        self._max_bytes = max_bytes
        self.keepalive: Keepalive = owner.keepalive
        self.is_plain = True
        """Open, and no fragmented message under way: a final text frame is a whole message."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._owner._opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.keepalive.is_heard = True
        if self.is_plain and frame.msg_type is _TEXT and frame.fin:
            message = frame.get_payload_as_memoryview()
            # picows refuses a frame that is too large, and delivers it all the same when the rest of it comes.
            if len(message) <= self._max_bytes:
                self._receiver.on_message(message)
                return
        self._owner._take_frame(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._owner._disconnected()

    def pause_writing(self) -> None:
        self._owner._set_congested(True)

    def resume_writing(self) -> None:
        self._owner._set_congested(False)


class WebSocketTransport:
    """One WebSocket connection, client side; made by `connect_websocket`. A `FrameTransport`.

    Concurrency: any number of tasks write, drain and close; all on the loop that opened it.
    """

    def __init__(self, receiver: FrameReceiver, options: WebSocketOptions, url: str) -> None:
        self._receiver = receiver
        self._options = options
        self._shown_url = url
        self._ws: WSTransport | None = None
        self._subprotocol = ""
        self._fragments: bytearray | None = None
        self._fragments_type = _TEXT
        self._is_closing = False
        self._local_close: tuple[int, str] | None = None
        self._peer_close: tuple[int, str] | None = None
        self._fault: CloseInfo | None = None
        self._closed: CloseInfo | None = None
        self._closed_event = anyio.Event()
        self.is_congested = False
        """Whether more than ``write_high_water_bytes`` wait for the network; read for every frame that is sent."""
        self._room_event = anyio.Event()
        self._call_later: CallLater = options.call_later or asyncio.get_running_loop().call_later
        self._cut_timer: Timer | None = None
        self.keepalive = Keepalive(
            interval_s=options.ping_interval_s or 0.0,
            timeout_s=options.ping_timeout_s,
            call_later=self._call_later,
            ping=self._ping,
            on_silence=self._peer_is_silent,
        )
        """Watches for a silent peer; the listener tells it of every frame."""
        self._listener = _Listener(self, receiver, options.max_message_bytes)

    def __repr__(self) -> str:
        state = "open" if self._closed is None else f"closed {self._closed.code}"
        return f"<WebSocketTransport {self._shown_url} {state}>"

    @property
    def closed(self) -> CloseInfo | None:
        """How it ended; None while it is open."""
        return self._closed

    @property
    def is_opened(self) -> bool:
        """Whether the handshake was completed; stays true after the end."""
        return self._ws is not None

    @property
    def subprotocol(self) -> str:
        """The subprotocol that the server chose, empty when it chose none."""
        return self._subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The headers of the server's handshake."""
        return self._ws.response.headers if self._ws is not None else {}

    def write(self, frame: Frame) -> None:
        """Sends one message without waiting: text for ``str``, binary for ``bytes``.

        Raises:
            SessionClosed: The connection is closing or closed.
        """
        ws = self._ws
        if self._is_closing or ws is None:
            raise self._closed_error()
        ws.send(_TEXT if isinstance(frame, str) else _BINARY, frame)

    async def drain(self) -> None:
        """Waits while the transport is congested.

        Raises:
            SessionClosed: The connection closed meanwhile.

        Cancellation: safe.
        """
        while self.is_congested and not self._is_closing:
            await self._room_event.wait()
        if self._is_closing:
            raise self._closed_error()

    async def send(self, frame: Frame) -> None:
        """Sends one message, after waiting for room if the transport is congested.

        Raises:
            SessionClosed: The connection is closing or closed.

        Cancellation: the message was then not sent.
        """
        if self.is_congested:
            await self.drain()
        self.write(frame)

    def close_soon(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Begins to close without waiting; the connection is cut after ``close_timeout_s``; idempotent.

        Args:
            code: Close code for the peer: 1000, 1002, 1007 to 1011, or 3000 to 4999.
            reason: Reason for the peer; cut to 123 bytes.
        """
        if self._is_closing or self._ws is None:
            return
        cut = reason.encode()[:_MAX_REASON_BYTES].decode("utf-8", "ignore")
        self._local_close = (code, cut)
        self._stop_io()
        self._ws.send_close(code, cut)  # type: ignore[arg-type]  # picows takes any int
        self._cut_timer = self._call_later(self._options.close_timeout_s, self._cut)

    async def aclose(self, code: int = NORMAL_CLOSE, reason: str = "") -> None:
        """Closes with a closing handshake of at most ``close_timeout_s``, then cuts; idempotent.

        Args:
            code: See `close_soon`.
            reason: See `close_soon`.

        Cancellation: cuts the connection at once, then is raised again.
        """
        ws = self._ws
        if ws is None:
            return
        try:
            if self._closed is None:
                self.close_soon(code, reason)
                await self._closed_event.wait()
        finally:
            self.abort()
        await self._closed_event.wait()
        # picows keeps the exception that ended a connection until someone asks; ours was reported already.
        with suppress(Exception):
            await ws.wait_disconnected()

    def abort(self) -> None:
        """Cuts the connection at once, without a handshake; idempotent."""
        if self._closed is None and self._ws is not None:
            if self._local_close is None and self._peer_close is None and self._fault is None:
                self._local_close = (ABNORMAL_CLOSE, "cut by our side")
            self._stop_io()
            self._ws.disconnect(False)

    def _closed_error(self) -> SessionClosed:
        info = self._closed
        code, reason = (info.code, info.reason) if info is not None else (0, "")
        return SessionClosed(f"the connection to {self._shown_url} is closed", code=code, reason=reason)

    def _accept(self, _request: WSUpgradeRequest, response: WSUpgradeResponse) -> WSListener:
        """Judges the server's handshake (RFC 6455 section 4.1) before anything is delivered."""
        chosen = response.headers.get("Sec-WebSocket-Protocol", "")
        if chosen and chosen not in self._options.subprotocols:
            raise ConnectFailed(
                f"{self._shown_url} chose a subprotocol that was not offered", http_status=101
            )
        if response.headers.get("Sec-WebSocket-Extensions"):
            raise ConnectFailed(f"{self._shown_url} chose an extension that was not offered", http_status=101)
        self._subprotocol = chosen
        return self._listener

    def _opened(self, ws: WSTransport) -> None:
        self._ws = ws
        high = self._options.write_high_water_bytes
        ws.underlying_transport.set_write_buffer_limits(high=high, low=high // 4)
        if self._options.ping_interval_s is not None:
            self.keepalive.start()
        self._receiver.on_open(self)

    def _take_frame(self, frame: WSFrame) -> None:
        """Every frame that is not a whole text message by itself."""
        kind = frame.msg_type
        if kind is _CLOSE:
            self._take_close(frame.get_payload_as_bytes())
        elif self._is_closing or kind not in (_TEXT, _BINARY, _CONTINUATION):
            return
        elif frame.payload_size > self._options.max_message_bytes:
            self._fault = self._fault_of_picows()
            self._stop_io()
        elif (self._fragments is None) == (kind is _CONTINUATION):
            self._reject(PROTOCOL_ERROR_CLOSE, "fragments of messages came out of order")
        elif self._fragments is None:
            if frame.fin:
                self._receiver.on_message(frame.get_payload_as_bytes())
                return
            self._fragments = bytearray(frame.get_payload_as_bytes())
            self._fragments_type = kind
            self._listener.is_plain = False
        elif len(self._fragments) + frame.payload_size > self._options.max_message_bytes:
            self._reject(TOO_BIG_CLOSE, f"a message is larger than {self._options.max_message_bytes} bytes")
        else:
            self._fragments += frame.get_payload_as_memoryview()
            if frame.fin:
                self._deliver_fragments(self._fragments)

    def _deliver_fragments(self, fragments: bytearray) -> None:
        self._fragments = None
        self._listener.is_plain = True
        whole: memoryview | bytes = bytes(fragments)
        self._receiver.on_message(memoryview(whole) if self._fragments_type is _TEXT else whole)

    def _take_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else NO_CODE_CLOSE
        self._peer_close = (code, payload[2:].decode("utf-8", "replace"))
        ws = self._ws
        if ws is None:
            return
        if not self._is_closing:
            self._fault = self._fault_of_picows()
            self._stop_io()
            ws.send_close(NORMAL_CLOSE if code == NO_CODE_CLOSE else code)  # type: ignore[arg-type]  # a plain int
            # A peer that asks to close and then reads nothing may not keep our end half open.
            self._cut_timer = self._call_later(self._options.close_timeout_s, self._cut)
        ws.disconnect(True)

    def _reject(self, code: int, what: str) -> None:
        """Ends the connection because the peer broke a rule."""
        error = RemoteProtocolError(f"{self._shown_url}: {what}; the connection was closed ({code})")
        self._fault = CloseInfo(code=code, reason=what, is_local=True, is_clean=False, error=error)
        self._stop_io()
        if self._ws is not None:
            self._ws.send_close(code, what)  # type: ignore[arg-type]  # picows takes any int
            # Cutting at once, with unread bytes in the socket, would take the close frame away from the peer.
            self._cut_timer = self._call_later(min(_LINGER_S, self._options.close_timeout_s), self._cut)

    def _ping(self) -> None:
        if self._ws is not None:
            self._ws.send_ping()

    def _peer_is_silent(self) -> None:
        what = f"keepalive: nothing came for {self._options.ping_timeout_s:g} s after a ping"
        error = ConnectionLost(f"{self._shown_url}: {what}", code=ABNORMAL_CLOSE, reason=what)
        self._fault = CloseInfo(code=ABNORMAL_CLOSE, reason=what, is_clean=False, error=error)
        self._stop_io()
        self._cut()

    def _cut(self) -> None:
        if self._closed is None and self._ws is not None:
            self._ws.disconnect(False)

    def _stop_io(self) -> None:
        """Nothing is delivered or written from here on; those who wait for room are told."""
        self._is_closing = True
        self._listener.is_plain = False
        self._fragments = None
        self.keepalive.stop()
        if self._cut_timer is not None:
            self._cut_timer.cancel()
            self._cut_timer = None
        self._room_event.set()

    def _set_congested(self, is_congested: bool) -> None:
        self.is_congested = is_congested
        if is_congested:
            self._room_event = anyio.Event()
        else:
            self._room_event.set()

    def _disconnected(self) -> None:
        self._stop_io()
        self._closed = self._close_info()
        self._closed_event.set()
        self._receiver.on_closed(self._closed)

    def _close_info(self) -> CloseInfo:
        fault = self._fault or (None if self._local_close or self._peer_close else self._fault_of_picows())
        if fault is not None:
            return fault
        if self._local_close is not None:
            code, reason = self._local_close
            return CloseInfo(code=code, reason=reason, is_local=True, is_clean=self._peer_close is not None)
        if self._peer_close is not None:
            code, reason = self._peer_close
            return CloseInfo(code=code, reason=reason)
        reason = "the connection was cut without a closing handshake"
        error = ConnectionLost(f"{self._shown_url}: {reason}", code=ABNORMAL_CLOSE)
        return CloseInfo(code=ABNORMAL_CLOSE, reason=reason, is_clean=False, error=error)

    def _fault_of_picows(self) -> CloseInfo | None:
        """The end that picows began by itself, because it refused a frame or a callback failed."""
        handshake = self._ws.close_handshake if self._ws is not None else None
        if handshake is None or handshake.sent is None:
            return None
        code = int(handshake.sent.code)  # type: ignore[call-overload]  # a plain int at run time
        what = handshake.sent.reason or "the frame could not be handled"
        error = RemoteProtocolError(f"{self._shown_url} broke the WebSocket protocol: {what} ({code})")
        return CloseInfo(code=code, reason=what, is_local=True, is_clean=False, error=error)
