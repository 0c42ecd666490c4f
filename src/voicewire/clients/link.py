"""One connection of a client: messages in and out over a WebSocket, translated where the wire is today's."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import msgspec

from voicewire.clients.addresses import Address, new_request_id
from voicewire.clients.server_models import ResponseAudioDeltaMessage
from voicewire.clients.translate import CHANGED, Json, Translator
from voicewire.errors import (
    ConnectionLost,
    ConsumerTooSlow,
    LocalProtocolError,
    RemoteProtocolError,
    SessionClosed,
)
from voicewire.protocols.openai.flat import FLAT_NAMES
from voicewire.protocols.openai.flat_requests import FlatFault
from voicewire.streams import BoundedStream
from voicewire.transport.connect import connect_websocket
from voicewire.transport.frames import CloseInfo, Frame, FrameTransport
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.recorder import CassetteRecorder

_log = logging.getLogger("voicewire.clients")

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
MAX_WAITING_MESSAGES: Final = 100_000
_TOO_SLOW_CLOSE: Final = 1008


class _Head(msgspec.Struct):
    type: str = ""


_read_head = msgspec.json.Decoder(_Head).decode
_read_audio = msgspec.json.Decoder(ResponseAudioDeltaMessage).decode
_AUDIO_NAME: Final = ResponseAudioDeltaMessage.type
_AUDIO_HEADS: Final = tuple(
    f'{{"type":"{name}"'.encode() for name in ("response.output_audio.delta", _AUDIO_NAME)
)
"""How a frame begins that holds audio, on either wire. They are nearly all of the traffic: read once, never copied."""
_HEAD_BYTES: Final = max(len(head) for head in _AUDIO_HEADS)
_encode = msgspec.json.Encoder().encode


def recorded(
    options: WebSocketOptions, address: Address, record: str | Path | None, *, record_audio: bool
) -> WebSocketOptions:
    """The options with a cassette for all connections that are made with them.

    Args:
        options: How the WebSocket behaves.
        address: Where it leads.
        record: The file; None for none.
        record_audio: Whether audio goes into it, or only its lengths.
    """
    if record is None:
        return options
    recorder = CassetteRecorder(
        record,
        provider=address.provider,
        dialect=address.wire,
        model=f"{address.provider}:{address.azure_deployment or address.model or ''}",
        keeps_audio=record_audio,
    )
    return replace(options, recorder=recorder)


class Received:
    """One message as it came; read at most once, by whoever takes it.

    Args:
        name: Its type, as the client knows it.
        data: Its JSON text.
        message: Its content, where that had to be changed.
        audio: Its content, where it is audio.
    """

    __slots__ = ("audio", "data", "message", "name")

    def __init__(
        self, name: str, data: bytes, message: Json | None, audio: ResponseAudioDeltaMessage | None = None
    ) -> None:
        self.name = name
        self.data = data
        self.message = message
        self.audio = audio

    def content(self) -> Json:
        """The whole message as plain data."""
        if self.audio is not None:
            return self.audio.as_json()
        if self.message is None:
            self.message = cast("Json", msgspec.json.decode(self.data))
            self.message["type"] = self.name
        return self.message


class WireLink:
    """A WebSocket that speaks the messages of the seeds' clients.

    Policy when full (64 MiB or 100 000 messages that nobody took): the connection is closed with code 1008 and reading
    raises `ConsumerTooSlow`, after everything that waits. Keepalive is the transport's own ping.

    Args:
        address: Where to connect.
        options: How the WebSocket behaves; with a ``recorder``, ``aclose`` waits until all is in the cassette.

    Concurrency: one task reads, any number write and close.
    """

    def __init__(self, address: Address, options: WebSocketOptions | None = None) -> None:
        self._address = address
        self._options = options or WebSocketOptions()
        self._translator = Translator() if address.wire == "ga" else None
        self._stream: BoundedStream[Received] = BoundedStream(
            "messages of a client",
            policy="fail",
            max_items=MAX_WAITING_MESSAGES,
            max_weight=MAX_WAITING_BYTES,
        )
        self._transport: FrameTransport | None = None
        self._too_slow: ConsumerTooSlow | None = None
        self.request_id: UUID | None = None
        """Id of the last handshake."""
        self.closed: CloseInfo | None = None
        """How it ended; None while it is open, and before."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._transport is not None and self.closed is None

    async def connect(self) -> None:
        """Opens the WebSocket.

        Raises:
            ConfigError, AuthError, TransportError, ProviderError: See `connect_websocket`.

        Cancellation: safe; nothing stays open.
        """
        self.request_id = new_request_id()
        headers = {**await self._address.headers(self.request_id), **self._options.headers}
        options = replace(self._options, headers=headers, provider=self._address.provider)
        self._transport = await connect_websocket(self._address.websocket(), self, options)

    async def send(self, message: Json) -> None:
        """Sends one message, and waits while the network is behind.

        Raises:
            LocalProtocolError: Not connected yet, or today's wire cannot say it.
            SessionClosed: The connection is over.

        Cancellation: the message was sent whole or not at all.
        """
        self.write(message)
        await self.drain()

    def write(self, message: Json) -> None:
        """Sends one message without waiting; see ``send``."""
        transport = self._transport
        if transport is None:
            raise LocalProtocolError("the client is not connected; await connect() first")
        if self.closed is not None:
            raise SessionClosed(
                f"the connection is closed ({self.closed.reason or self.closed.code}); connect a new client",
                code=self.closed.code,
                reason=self.closed.reason,
            )
        for event in self._translated(message):
            transport.write(_encode(event).decode())

    async def drain(self) -> None:
        """Waits while the network is behind."""
        transport = self._transport
        if transport is not None and transport.is_congested:
            await transport.drain()

    async def receive(self) -> Received | None:
        """The next message; None at the end of a connection that was closed in good order.

        Raises:
            ConnectionLost: The connection died.
            ConsumerTooSlow: Too much waited to be taken.
            RemoteProtocolError: The server sent what is no message.

        Cancellation: safe; nothing is lost.
        """
        if self._transport is None:
            raise LocalProtocolError("the client is not connected; await connect() first")
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            return None

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        if self._transport is not None:
            await self._transport.aclose()
        self._stream.close()
        recorder = self._options.recorder
        if recorder is not None and (failure := await recorder.written()) is not None:
            # Not raised: what the client was closed for counts for more.
            _log.warning("cassette incomplete: %s", failure)

    def _translated(self, message: Json) -> list[Json]:
        if self._translator is None:
            return [message]
        try:
            return self._translator.outgoing(message)
        except FlatFault as fault:
            raise LocalProtocolError(f"{fault.param}: {fault}") from fault

    # ------------------------------------------------------------------ from the transport

    def on_open(self, transport: FrameTransport) -> None:
        """The transport is open."""
        self._transport = transport

    def on_message(self, message: memoryview | Frame) -> None:
        """One frame. Its content is read by whoever takes it, unless it is audio or has to be changed."""
        if type(message) is memoryview and bytes(message[:_HEAD_BYTES]).startswith(_AUDIO_HEADS):
            try:
                self._stream.put_nowait(Received(_AUDIO_NAME, b"", None, _read_audio(message)), len(message))
            except (msgspec.MsgspecError, ConsumerTooSlow) as error:
                self._fail(error)
            except SessionClosed:
                return
            return
        if type(message) is bytes:
            self._fail(RemoteProtocolError("the server sent a binary frame; this wire has text frames only"))
            return
        data = message.encode() if isinstance(message, str) else bytes(message)
        try:
            received = self._read(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._fail(RemoteProtocolError(f"the server sent what is no message: {error}"))
            return
        if received is None or self._stream.is_closed:
            return
        try:
            self._stream.put_nowait(received, len(data))
        except ConsumerTooSlow as error:
            self._fail(error)

    def on_closed(self, info: CloseInfo) -> None:
        """The transport ended."""
        self.closed = info
        is_lost = not info.is_local and (info.error is not None or not info.is_clean)
        error = info.error or ConnectionLost(
            f"the connection was lost ({info.reason or info.code})", code=info.code, reason=info.reason
        )
        self._stream.close(error if is_lost else None)

    def _read(self, data: bytes) -> Received | None:
        name = _read_head(data).type
        translator = self._translator
        if translator is not None and (name in CHANGED or name == "conversation.item.done"):
            changed = translator.incoming(cast("Json", msgspec.json.decode(data)))
            return None if changed is None else Received(str(changed["type"]), data, changed)
        if translator is not None:
            name = FLAT_NAMES.get(name, name)
        # Audio whose ``type`` does not come first.
        return Received(name, data, None, _read_audio(data) if name == _AUDIO_NAME else None)

    def _fail(self, error: Exception) -> None:
        self._stream.close(error)
        if self._transport is not None:
            self._transport.close_soon(_TOO_SLOW_CLOSE if isinstance(error, ConsumerTooSlow) else 1002)
