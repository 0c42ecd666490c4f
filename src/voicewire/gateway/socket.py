"""One client's WebSocket, on the bare ASGI interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from voicewire.gateway.visit import Visit
from voicewire.protocols.codec import Frame

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

ABORT_EXTENSION = "voicewire.abort"
"""Key of an ASGI extension, ``{"abort": callable}``: cuts the TCP connection without a closing handshake."""

_MAX_REASON_BYTES = 123
_NORMAL = 1000
_NO_STATUS = 1005
_ABNORMAL = 1006


class ClientGone(Exception):
    """The client closed its connection or vanished; carries the close code, 1006 when there was none."""

    def __init__(self, code: int = _ABNORMAL) -> None:
        super().__init__(code)
        self.code = code


class Tape:
    """What takes down a connection; this one takes nothing down."""

    async def begin(self) -> None:
        """The handshake is about to be answered; who the client is is known."""

    def of_client(self, frame: Frame) -> None:
        """The client sent a frame."""

    def of_gateway(self, frame: Frame) -> None:
        """The gateway sent a frame."""

    def refuse(self) -> None:
        """The client does not want to be recorded."""

    def end(self) -> None:
        """The connection is over; idempotent."""


class ClientSocket:
    """Receives and sends whole messages. One task receives, one task sends."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.visit = Visit()
        """What the log will say of this connection."""
        self.tape: Tape | None = None
        """Where it is recorded, if it is."""

    async def accept(self, subprotocol: str | None) -> None:
        """Completes the handshake.

        Raises:
            ClientGone: The client left before it was complete.
        """
        if (await self._receive())["type"] != "websocket.connect":
            raise self._gone(_ABNORMAL)
        if self.tape is not None:
            await self.tape.begin()
        await self._send_message({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def refuse(self, status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answers the handshake with an HTTP error and a JSON body."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self._send_message({"type": "websocket.close", "code": 1008})
            return
        named = (("content-type", "application/json"), *headers)
        raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named]
        await self._send_message(
            {"type": "websocket.http.response.start", "status": status, "headers": raw_headers}
        )
        await self._send_message(
            {"type": "websocket.http.response.body", "body": msgspec.json.encode(body), "more_body": False}
        )

    async def receive(self) -> Frame:
        """The next message.

        Raises:
            ClientGone: There is none; the connection is over.

        Cancellation: safe; no message is lost.
        """
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise self._gone(message.get("code") or _ABNORMAL)
        text: str | None = message.get("text")
        frame: Frame = text if text is not None else message["bytes"]
        if self.tape is not None:
            self.tape.of_client(frame)
        return frame

    async def send(self, frame: Frame) -> None:
        """Sends one message; waits while the transport's buffer is full.

        Raises:
            ClientGone: The connection is over.

        Cancellation: safe; the message was sent whole or not at all.
        """
        await self._send_message(
            {"type": "websocket.send", "text" if isinstance(frame, str) else "bytes": frame}
        )
        # Afterwards: a send that is cancelled while the client is slow is done once more.
        if self.tape is not None:
            self.tape.of_gateway(frame)

    async def close(self, code: int, reason: str) -> None:
        """Starts the closing handshake. Codes that no endpoint may send become the nearest that it may."""
        cut = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        await self._send_message({"type": "websocket.close", "code": sendable_code(code), "reason": cut})

    def abort(self) -> bool:
        """Cuts the connection without a closing handshake; False when the ASGI server gives no way to."""
        extensions: dict[str, Any] = self._scope.get("extensions") or {}
        extension = extensions.get(ABORT_EXTENSION)
        if extension is None:
            return False
        extension["abort"]()
        return True

    def _gone(self, code: int) -> ClientGone:
        """Notes that the client left, unless something else ended its session before."""
        if not self.visit.cause:
            self.visit.code, self.visit.cause = _NORMAL, "client_left"
        return ClientGone(code)

    async def _send_message(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:
            # The ASGI specification: sending to a client that is gone raises an OSError.
            raise self._gone(_ABNORMAL) from error


def sendable_code(code: int) -> int:
    """A close code that RFC 6455 section 7.4 lets an endpoint send."""
    if 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, _NO_STATUS, _ABNORMAL)):
        return code
    return 1000 if code in (0, _NO_STATUS) else 1011
