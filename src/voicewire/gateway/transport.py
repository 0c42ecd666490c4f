"""uvicorn's WebSocket protocol, fair to its neighbours, and able to cut the connection."""

from __future__ import annotations

import logging
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voicewire.gateway.lane import lane_of
from voicewire.gateway.limits import Bucket
from voicewire.gateway.socket import ABORT_EXTENSION

_LOG = logging.getLogger("voicewire.gateway.socket")
# Below a warning are uvicorn's lines with whole URLs, and some clients put their key into the query.
_LOG.setLevel(logging.WARNING)


def _without_traceback_of_bad_text(record: logging.LogRecord) -> bool:
    """What a client sends is no fault of the server's: one line, or any client could fill the log."""
    if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


_LOG.addFilter(_without_traceback_of_bad_text)


_NORMAL: Final = 1000
_NO_STATUS: Final = 1005
_FRAMES_A_TURN: Final = 16
"""Frames of one connection before the others have their turn; a microphone sends one in a hundred turns."""
_FIRST_SLICE_BYTES: Final = 256
_LAST_SLICE_BYTES: Final = 4096
"""Bytes between two looks at the count: 40 of the smallest frames, or a part of one message."""
_LARGE_READ_BYTES: Final = 16 * 1024
"""A read that brings more is an image or a file, not speech: 100 ms of audio are 6.4 kB. It can wait."""
_BYTES_A_TURN: Final = 64 * 1024
"""Of one connection; 16 MiB/s for all large messages together, since one of them has its turn every 4 ms."""
_SMALL_FRAMES_PER_S: Final = 1000.0
_SMALL_FRAMES_AT_ONCE: Final = 20_000
"""Pings and continuations, which the application does not see: a message of 24 MiB may come in 4 kB pieces."""


class AbortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """Reads fairly, and offers the application an extension that aborts the transport.

    One read from a socket may bring 40 000 of the smallest frames, or a part of a large one. uvicorn parses all of
    it at once, and nobody else is served meanwhile; here parsing stops after a few frames or 64 KiB and goes on in
    the slow lane (`lane`).
    Policy: what is not parsed yet waits here, and nothing more is read until it is.

    A provider that drops a call mid-sentence sends no close frame; the ``drop`` order of the ``echo`` model
    shows clients exactly that. A client that reads nothing cannot be reached by a close frame either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _LOG
        self._unparsed = bytearray()
        self._has_turn = False
        """Whether the loop will come back for what waits."""
        self._frames = 0
        self._small_frames = Bucket(_SMALL_FRAMES_PER_S, _SMALL_FRAMES_AT_ONCE, self.loop.time())

    def data_received(self, data: bytes) -> None:
        """Takes bytes; parses them, or as many as there is time for."""
        if self.conn.parser_exc is not None:
            return  # It broke the protocol, was told so once, and is not listened to any more.
        self._unparsed += data
        if self._has_turn:
            self._hold_back()
        elif len(data) > _LARGE_READ_BYTES:
            # uvloop reads one socket up to 32 times before the next has its turn: megabytes, unless it is held back.
            self._has_turn = True
            self._hold_back()
            lane_of(self.loop).enter(self._parse)
        else:
            self._parse()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what was not parsed: nobody can be answered."""
        self._unparsed.clear()
        super().connection_lost(exc)

    async def receive(self) -> Any:
        """The next message for the application; keeps the client waiting while its bytes wait."""
        message = await super().receive()
        self._hold_back()
        return message

    async def send(self, message: Any) -> None:
        """Sends one message of the application.

        Raises:
            OSError: The connection is over; uvicorn calls it a fault of the application when a client that broke
                the protocol was sent a close frame that the application does not know of yet.
        """
        if self.close_sent and self.handshake_complete:
            raise ConnectionResetError("the connection is over")
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # A refused handshake is answered. Without this, uvicorn logs each as a fault of the application.
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Answers a ping, unless the client does not read its answers."""
        if not self._is_one_too_many():
            output = self.conn.data_to_send()
            if self.writable.is_set():
                self.transport.write(b"".join(output))

    def handle_cont(self, event: Any) -> None:
        """Takes a further piece of a message."""
        if not self._is_one_too_many():
            super().handle_cont(event)

    def handle_text(self, event: Any) -> None:
        """Takes a text frame."""
        self._frames += 1
        super().handle_text(event)

    def handle_bytes(self, event: Any) -> None:
        """Takes a binary frame."""
        self._frames += 1
        super().handle_bytes(event)

    def handle_close(self, event: Any) -> None:
        """Takes a close frame; one without a code, as ``close()`` of a browser sends it, is a normal one."""
        received = self.conn.close_rcvd
        if not self.close_sent and received is not None and received.code == _NO_STATUS:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _NORMAL, "reason": ""})
        super().handle_close(event)

    def _parse(self) -> None:
        self._has_turn = False
        self._frames = frames = 0
        at, size = 0, _FIRST_SLICE_BYTES
        end = min(len(self._unparsed), _BYTES_A_TURN)
        while at < end and self._frames < _FRAMES_A_TURN:
            piece = bytes(self._unparsed[at : at + size])
            at += len(piece)
            super().data_received(piece)
            if self.conn.parser_exc is not None:
                self._unparsed.clear()
                return
            # Where no frame ends, a large one is under way, and small slices would only cost time.
            size = min(2 * size, _LAST_SLICE_BYTES) if self._frames == frames else _FIRST_SLICE_BYTES
            frames = self._frames
        del self._unparsed[:at]
        if self._unparsed:
            self._has_turn = True
            self._hold_back()
            lane_of(self.loop).wait(self._parse)
        elif self.read_paused and (self.queue.empty() or self.close_sent) and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def _hold_back(self) -> None:
        if self._unparsed and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _is_one_too_many(self) -> bool:
        self._frames += 1
        if self.close_sent or self._small_frames.take(1, self.loop.time()):
            return self.close_sent
        self.conn.fail(1008, "too many frames")
        self.handle_parser_exception()
        self._unparsed.clear()
        return True

    async def run_asgi(self) -> None:
        """Runs the application with the extension in its scope."""
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, ABORT_EXTENSION: {"abort": self.transport.abort}}
        await super().run_asgi()
