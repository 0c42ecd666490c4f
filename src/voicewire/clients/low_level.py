"""``RTLowLevelClient``: typed messages to and from the realtime API of Azure OpenAI and OpenAI (seed 001)."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import anyio
import msgspec
from typing_extensions import Self

from voicewire.clients.addresses import (
    PREVIEW_VERSION,
    Address,
    AsyncTokenCredential,
    KeyCredential,
    Wire,
)
from voicewire.clients.base import Model
from voicewire.clients.link import Received, WireLink, recorded
from voicewire.clients.models import ClientMessageBase
from voicewire.clients.server_models import BY_TYPE, ServerMessageBase, create_message_from_dict
from voicewire.errors import ConfigError, LocalProtocolError, VoicewireError
from voicewire.transport.options import WebSocketOptions

_log = logging.getLogger("rtclient.low_level_client")

_DELTAS = frozenset(
    {
        "response.audio.delta",
        "response.audio_transcript.delta",
        "response.text.delta",
        "response.function_call_arguments.delta",
    }
)
"""Read straight from the frame: they are nearly all of the traffic."""
_DECODERS = {name: msgspec.json.Decoder(BY_TYPE[name]) for name in _DELTAS}


class ClientState(IntEnum):
    """What a client is doing."""

    IDLE = 0
    CONNECTING = 1
    CONNECTED = 2
    RECONNECTING = 3
    CLOSING = 4
    CLOSED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRetry:
    """How often and how fast a connection is tried again; only after errors that may pass."""

    max_attempts: int = 5
    initial_delay: float = 0.5
    """Before the second attempt, in seconds."""
    max_delay: float = 10.0
    """The longest wait, in seconds."""
    backoff_factor: float = 2.0
    jitter: float = 0.1
    """Share of a wait by which it varies."""

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> ConnectRetry:
        """From a mapping with these names.

        Raises:
            ConfigError: A name is unknown.
        """
        known = {key: value for key, value in (config or {}).items() if key != "retry_on_exceptions"}
        try:
            return cls(**known)
        except TypeError as error:
            raise ConfigError(f"connect_retry_config: {error}") from error

    def delay_s(self, attempt: int) -> float:
        """How long to wait after a failed attempt, in seconds; attempts count from 1."""
        delay = min(self.max_delay, self.initial_delay * self.backoff_factor ** (attempt - 1))
        return max(0.0, delay * (1 + random.uniform(-self.jitter, self.jitter)))


class RTLowLevelClient:
    """One connection, message by message.

    ::

        async with RTLowLevelClient(url=endpoint, key_credential=key, azure_deployment=name) as client:
            await client.send(SessionUpdateMessage(session=SessionUpdateParams(voice="alloy")))
            async for message in client: ...

    Messages have the shapes of ``rtclient.models`` (the beta's). On the wire they are today's (``wire="ga"``), or, for
    a server of 2024, as they stand (``wire="beta"``).

    Args:
        url: The Azure resource, in any scheme, or a gateway's address; when None ``OPENAI_BASE_URL``, else OpenAI.
            With ``model`` and without ``azure_deployment`` it is the base address of a server with OpenAI's paths.
        token_credential: Gives Entra tokens; asked at every connect, preferred to the key.
        key_credential: The key.
        model: Of OpenAI.
        azure_deployment: Of Azure.
        azure_api_version: For ``wire="beta"`` on Azure.
        azure_api_path: For ``wire="beta"`` on Azure.
        connect_retry_config: Fields of `ConnectRetry`.
        wire: What is spoken.
        options: How the WebSocket behaves.
        record: A file that the frames of all connections go into, a cassette for ``voicewire replay``; ``close``
            waits until it is written.
        record_audio: Whether audio goes into it too, or only its lengths.

    Raises:
        ConfigError: A credential, the deployment or the model is missing.

    Concurrency: one task reads, any number send and close. Nothing is acquired before ``connect``.
    """

    def __init__(
        self,
        url: str | None = None,
        token_credential: AsyncTokenCredential | None = None,
        key_credential: KeyCredential | None = None,
        model: str | None = None,
        azure_deployment: str | None = None,
        azure_api_version: str = PREVIEW_VERSION,
        azure_api_path: str = "/openai/realtime",
        *,
        connect_retry_config: Mapping[str, Any] | None = None,
        wire: Wire = "ga",
        options: WebSocketOptions | None = None,
        record: str | Path | None = None,
        record_audio: bool = True,
    ) -> None:
        self._address = Address(
            url=url,
            token_credential=token_credential,
            key_credential=key_credential,
            model=model,
            azure_deployment=azure_deployment,
            api_version=azure_api_version,
            api_path=azure_api_path,
            wire=wire,
        )
        self._retry = ConnectRetry.of(connect_retry_config)
        self._options = recorded(
            options or WebSocketOptions(), self._address, record, record_audio=record_audio
        )
        self._link = WireLink(self._address, self._options)
        self._state = ClientState.IDLE

    def __repr__(self) -> str:
        return f"<RTLowLevelClient {self._address.provider} {self._state.name.lower()}>"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def request_id(self) -> UUID | None:
        """Id of the last handshake; None before the first."""
        return self._link.request_id

    @property
    def current_state(self) -> ClientState:
        """What it is doing."""
        if self._state is ClientState.CONNECTED and not self._link.is_open:
            return ClientState.CLOSED
        return self._state

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self.current_state is ClientState.CLOSED

    async def connect(self) -> None:
        """Opens the connection; tries again after errors that may pass. A closed client can connect anew.

        Raises:
            LocalProtocolError: It is connected already.
            AuthError: The credential was refused.
            TransportError, ProviderError: All attempts failed; this is the last one's error.

        Cancellation: safe; nothing stays open.
        """
        if self.current_state not in (ClientState.IDLE, ClientState.CLOSED):
            raise LocalProtocolError("the client is connected already; close it before it connects again")
        self._state = ClientState.CONNECTING
        self._link = WireLink(self._address, self._options)
        try:
            await self._connect_with_retries()
        except BaseException:
            self._state = ClientState.CLOSED
            raise
        self._state = ClientState.CONNECTED

    async def _connect_with_retries(self) -> None:
        attempt = 1
        while True:
            try:
                await self._link.connect()
            except VoicewireError as error:
                if not error.retryable or attempt >= self._retry.max_attempts:
                    raise
                delay_s = self._retry.delay_s(attempt)
                _log.warning("connecting failed", extra={"attempt": attempt, "delay_s": delay_s})
            else:
                return
            attempt += 1
            await anyio.sleep(delay_s)

    async def send(self, message: ClientMessageBase | Mapping[str, Any]) -> None:
        """Sends one message: a model, or plain data with a ``type``.

        Raises:
            LocalProtocolError: Not connected, or the message cannot be said on today's wire.
            SessionClosed: The connection is over.

        Cancellation: the message was sent whole or not at all.
        """
        await self._link.send(message.model_dump() if isinstance(message, Model) else dict(message))

    async def recv(self) -> ServerMessageBase | None:
        """The next message; None when the connection was closed in good order.

        Raises:
            LocalProtocolError: Not connected.
            ConnectionLost: The connection died.
            ConsumerTooSlow: Too much waited to be taken.
            RemoteProtocolError: The server sent what is no message.

        Cancellation: safe; nothing is lost.
        """
        received = await self._link.receive()
        return None if received is None else message_of(received)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerMessageBase:
        message = await self.recv()
        if message is None:
            raise StopAsyncIteration
        return message

    async def close(self) -> None:
        """Closes the connection; idempotent, also before ``connect``.

        Cancellation: cuts the connection.
        """
        if self._state is not ClientState.CLOSED:
            self._state = ClientState.CLOSING
        try:
            await self._link.aclose()
        finally:
            self._state = ClientState.CLOSED


def message_of(received: Received) -> ServerMessageBase:
    """A received message as its model."""
    if received.audio is not None:
        return received.audio
    decoder = _DECODERS.get(received.name)
    if decoder is not None:
        return decoder.decode(received.data)
    return create_message_from_dict(received.content())
