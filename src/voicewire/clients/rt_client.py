"""``RTClient``: a conversation as objects that are read as they come (seed 001)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal
from uuid import UUID

import anyio
import msgspec
import pybase64
from typing_extensions import Self

from voicewire.clients import models as c
from voicewire.clients import server_models as m
from voicewire.clients.addresses import AsyncTokenCredential, KeyCredential, Wire
from voicewire.clients.encoding import check_samples
from voicewire.clients.low_level import RTLowLevelClient
from voicewire.clients.requests import Matches
from voicewire.clients.rt_conversation import RTConversation, RTEvent
from voicewire.clients.rt_items import (
    REQUEST_KEY,
    RTInputAudioItem,
    RTResponse,
    closed_error,
    exception_of,
)
from voicewire.errors import ConnectTimeout, LocalProtocolError
from voicewire.ownership import TaskOwner, run_to_end
from voicewire.transport.options import WebSocketOptions

DEFAULT_TIMEOUT_S: Final = 30.0


class RTClient:
    """A conversation.

    ::

        async with RTClient(url=endpoint, key_credential=key, azure_deployment=name) as client:
            await client.configure(turn_detection=NoTurnDetection())
            await client.send_item(UserMessageItem(content=[InputTextContentPart(text="Hello")]))
            response = await client.generate_response()
            async for item in response: ...

    One task of the client's own reads the connection; every response, item and part has a stream of its own, so that
    they can be read in any order and at once, and ``events`` lives beside ``generate_response``. An error concerns the
    request that caused it and nothing else; one that belongs to no request goes to ``on_error``, or to the log.

    Args:
        url, token_credential, key_credential, model, azure_deployment: See `RTLowLevelClient`.
        timeout_s: How long a request may take, in seconds.
        on_error: Called with the server's errors that belong to no request.
        wire, connect_retry_config, options, record, record_audio: See `RTLowLevelClient`.

    Raises ConfigError: a credential, the deployment or the model is missing.

    Concurrency: one event loop; any task may call any method; one task at a time reads one stream.
    """

    def __init__(
        self,
        url: str | None = None,
        token_credential: AsyncTokenCredential | None = None,
        key_credential: KeyCredential | None = None,
        model: str | None = None,
        azure_deployment: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        on_error: Callable[[m.RealtimeError], None] | None = None,
        wire: Wire = "ga",
        connect_retry_config: Mapping[str, Any] | None = None,
        options: WebSocketOptions | None = None,
        record: str | Path | None = None,
        record_audio: bool = True,
    ) -> None:
        self._client = RTLowLevelClient(
            url,
            token_credential,
            key_credential,
            model,
            azure_deployment,
            wire=wire,
            connect_retry_config=connect_retry_config,
            options=options,
            record=record,
            record_audio=record_audio,
        )
        self._is_old_wire = wire == "beta"
        self._timeout_s = timeout_s
        self._on_error = on_error
        self._conversation = RTConversation(self._cancel, on_error)
        self._owner = TaskOwner("rt client")
        self._is_connected = False

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
        """Id of the last handshake."""
        return self._client.request_id

    @property
    def session(self) -> m.Session | None:
        """The settings in force; None before ``connect``."""
        return self._conversation.session

    # ------------------------------------------------------------------ life

    async def connect(self) -> None:
        """Opens the connection and waits for the session.

        Raises:
            LocalProtocolError: It is connected already.
            AuthError, TransportError, ProviderError: It could not be opened.
            ConnectTimeout: The server did not begin the session in time.

        Cancellation: safe; nothing stays open.
        """
        await self._client.connect()
        self._conversation = RTConversation(self._cancel, self._on_error)
        try:
            with anyio.move_on_after(self._timeout_s) as limit:
                self._conversation.take(await _session_of(self._client))
            if limit.cancelled_caught:
                raise ConnectTimeout(f"the server did not begin a session within {self._timeout_s:g} s")
        except BaseException:
            await run_to_end(self._client.close(), name="rt client: closing")
            raise
        self._is_connected = True
        self._owner.start(self._read(), name="messages")

    async def close(self) -> None:
        """Closes the connection; idempotent. What still waits for something is told so; streams end.

        Cancellation: the closing is finished first.
        """
        self._is_connected = False
        await run_to_end(self._end(), name="rt client: closing")

    async def _end(self) -> None:
        await self._client.close()
        await self._owner.aclose()
        self._conversation.finish(None)

    # ------------------------------------------------------------------ requests

    async def configure(
        self,
        model: str | None = None,
        modalities: set[Literal["text", "audio"]] | None = None,
        voice: str | None = None,
        instructions: str | None = None,
        input_audio_format: str | None = None,
        output_audio_format: str | None = None,
        input_audio_transcription: c.InputAudioTranscription | None = None,
        turn_detection: c.TurnDetection | None = None,
        tools: list[Any] | None = None,
        tool_choice: c.ToolChoice | None = None,
        temperature: float | None = None,
        max_response_output_tokens: c.MaxTokensType | None = None,
    ) -> m.Session:
        """Changes the session; what is None stays as it is.

        Raises:
            RealtimeException: The server refused it.
            LocalProtocolError, SessionClosed, ConnectionLost: There is no connection (any more).

        Cancellation: the request was sent; its answer is lost.
        """
        params = c.SessionUpdateParams(
            model=model,
            modalities=modalities,
            voice=voice,
            instructions=instructions,
            input_audio_format=input_audio_format,
            output_audio_format=output_audio_format,
            input_audio_transcription=input_audio_transcription,
            turn_detection=turn_detection,
            tools=tools,
            tool_choice=tool_choice,
            temperature=temperature,
            max_response_output_tokens=max_response_output_tokens,
        )
        answer = await self._ask(
            c.SessionUpdateMessage(session=params),
            lambda message: isinstance(message, m.SessionUpdatedMessage),
        )
        assert isinstance(answer, m.SessionUpdatedMessage)
        return answer.session

    async def send_audio(self, audio: bytes) -> None:
        """Sends audio of the user, in the session's input format.

        Raises:
            AudioError: (a ``ValueError``) An odd number of bytes of PCM16.
            LocalProtocolError, SessionClosed: There is no connection (any more).
        """
        self._check_connected()
        check_samples(audio, self.session.input_audio_format if self.session is not None else "pcm16")
        text = pybase64.b64encode_as_string(audio)
        await self._client.send(c.InputAudioBufferAppendMessage(audio=text))

    async def commit_audio(self) -> RTInputAudioItem:
        """Ends the user's turn.

        Raises:
            RealtimeException: There was no audio.
        """
        answer = await self._ask(c.InputAudioBufferCommitMessage(), self._conversation.is_commit_by_hand)
        assert isinstance(answer, m.InputAudioBufferCommittedMessage)
        return self._conversation.turn(answer.item_id)

    async def clear_audio(self) -> None:
        """Takes the audio back that is in no turn yet."""
        await self._ask(
            c.InputAudioBufferClearMessage(),
            lambda message: isinstance(message, m.InputAudioBufferClearedMessage),
        )

    async def send_item(self, item: c.Item, previous_item_id: str | None = None) -> m.ResponseItemBase:
        """Adds an item; gives it as the server has it.

        Raises:
            RealtimeException: The server refused it.
        """
        if item.id is None:
            item.id = generate_id("item")
        item_id = item.id
        answer = await self._ask(
            c.ItemCreateMessage(item=item, previous_item_id=previous_item_id),
            lambda message: isinstance(message, m.ItemCreatedMessage) and message.item.id == item_id,
        )
        assert isinstance(answer, m.ItemCreatedMessage)
        found: m.ResponseItemBase = answer.item
        return found

    async def remove_item(self, item_id: str) -> None:
        """Removes an item.

        Raises:
            RealtimeException: There is no such item.
        """
        await self._ask(
            c.ItemDeleteMessage(item_id=item_id),
            lambda message: isinstance(message, m.ItemDeletedMessage) and message.item_id == item_id,
        )

    async def truncate_item(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cuts an item of the model to what was heard."""
        await self._ask(
            c.ItemTruncateMessage(item_id=item_id, content_index=content_index, audio_end_ms=audio_end_ms),
            lambda message: isinstance(message, m.ItemTruncatedMessage) and message.item_id == item_id,
        )

    async def generate_response(self, response: c.ResponseCreateParams | None = None) -> RTResponse:
        """Asks for a response; it is given here and not by ``events``.

        Args:
            response: What it is to be like, where that differs from the session.

        Raises:
            RealtimeException: The server refused it.
        """
        asked = response if response is not None else c.ResponseCreateParams()
        key = generate_id("request")
        params = msgspec.structs.replace(asked, metadata={**(asked.metadata or {}), REQUEST_KEY: key})

        def is_ours(message: m.ServerMessageBase) -> bool:
            if not isinstance(message, m.ResponseCreatedMessage):
                return False
            # The servers of 2024 give no metadata back: the first response is taken to be ours.
            metadata = message.response.metadata or {}
            return metadata.get(REQUEST_KEY) == key or (self._is_old_wire and not metadata)

        answer = await self._ask(c.ResponseCreateMessage(response=params), is_ours)
        assert isinstance(answer, m.ResponseCreatedMessage)
        return self._conversation.response(answer.response.id)

    async def events(self) -> AsyncGenerator[RTEvent, None]:
        """Turns of the user as they begin, and responses that nobody asked for here; ends with the connection.

        At most 1000 wait; beyond that the oldest go.

        Raises:
            ConnectionLost: The connection died.
        """
        self._check_connected()
        async for event in self._conversation.events:
            yield event

    # ------------------------------------------------------------------ inside

    def _check_connected(self) -> None:
        if not self._is_connected:
            raise LocalProtocolError("the client is not connected; await connect() first")

    async def _ask(self, message: c.ClientMessageBase, matches: Matches) -> m.ServerMessageBase:
        self._check_connected()
        conversation = self._conversation
        if conversation.end is not None:
            raise conversation.end
        message.event_id = generate_id("event")
        with conversation.requests.open(message.event_id, matches) as request:
            with anyio.move_on_after(self._timeout_s):
                await self._client.send(message)
                return await request.answer()
        kind = message.model_dump().get("type")
        raise ConnectTimeout(f"the server did not answer {kind!r} within {self._timeout_s:g} s")

    async def _cancel(self, response_id: str) -> None:
        await self._client.send(
            c.ResponseCancelMessage(response_id=response_id, event_id=generate_id("event"))
        )

    async def _read(self) -> None:
        failure: Exception | None = None
        try:
            async for message in self._client:
                self._conversation.take(message)
        # A task boundary: the failure is raised wherever something is still waited for.
        except Exception as error:
            failure = error
        self._conversation.finish(failure)


async def _session_of(client: RTLowLevelClient) -> m.SessionCreatedMessage:
    """Waits for the session to begin."""
    while (message := await client.recv()) is not None:
        if isinstance(message, m.ErrorMessage):
            raise exception_of(message.error)
        if isinstance(message, m.SessionCreatedMessage):
            return message
    raise closed_error(None)


def generate_id(prefix: str) -> str:
    """An id of 32 characters that begins with a prefix."""
    return f"{prefix}-{secrets.token_urlsafe(24)}"[:32]
