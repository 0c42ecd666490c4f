"""``AzureRealtimeAudio``: an event emitter with a status machine (seed 004)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, overload

import pybase64
from typing_extensions import Self

from voicewire.clients.addresses import PREVIEW_VERSION, Address, AsyncTokenCredential, AzureKeyCredential
from voicewire.clients.conversation_link import ConversationLink, LinkSettings
from voicewire.clients.emitter import Emitter, EventData, Listener, ListenerT
from voicewire.clients.encoding import check_samples
from voicewire.clients.statuses import DEFAULT_SESSION_CONFIG, ModelStatus, ReadyState
from voicewire.clock import Clock, MonotonicClock
from voicewire.errors import ConfigError

_OPTION_NAMES: Final = {
    "hostName": "host_name",
    "apiVersion": "api_version",
    "apiKey": "api_key",
    "sessionConfig": "session_config",
    "heartbeatInterval": "heartbeat_interval",
    "reconnectInterval": "reconnect_interval",
    "maxReconnectAttempts": "max_reconnect_attempts",
}
_IGNORED: Final = frozenset({"heartbeatMessage", "jsonAble", "showLog", "protocols", "connectResend"})
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class Sent:
    """A message that was sent. Awaiting it waits while the network is behind; it need not be awaited."""

    __slots__ = ("_drain",)

    def __init__(self, drain: Callable[[], Awaitable[None]]) -> None:
        self._drain = drain

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._drain().__await__()


class AzureRealtimeAudio:
    """Talks with a realtime model; everything that happens is an event.

    ::

        client = AzureRealtimeAudio(host_name="x.openai.azure.com", deployment="gpt-realtime", api_key=key)

        @client.on("response.audio.delta")
        def heard(event): play(event.delta)              # base64, as on the wire

        async with client:                               # or: await client.connect() ... await client.close()
            client.append_audio(base64_audio)
            client.commit_audio()

    Listeners get an `EventData`, may be async, and may not break each other. Besides the events of the wire there are
    ``init`` (the session is configured), ``status_changed``, ``open``, ``close``, ``reconnecting`` and, for trouble
    with the connection, ``error``. The names of the original's methods are here as well.

    ``status`` is *listening* while the user speaks, *thinking* from the beginning of a response, *speaking* while its
    audio is played, *idle* when the playout has ended or ``set_model_speak_done()`` says so. The playout is followed
    by the clock: audio plays as it comes. Speech of the user ends it: the response is cancelled and cut to what was
    heard.

    Args:
        options: Any of the arguments below as a mapping, in the document's spelling too.
        websocket_options: ``heartbeatInterval``, ``reconnectInterval``, ``maxReconnectAttempts`` as a mapping.
        host_name: Host of the Azure resource or a gateway, with or without a scheme.
        api_version: Of the preview wire; today's has none.
        deployment: Of Azure.
        api_key: The key. It goes into a header, unless ``key_in_query``.
        session_config: The session, in the document's form; it replaces `DEFAULT_SESSION_CONFIG`.
        token_credential: Gives Entra tokens, instead of the key.
        model: Of OpenAI, instead of a deployment.
        key_in_query: Whether the key goes into the address, where proxies and logs see it.
        heartbeat_interval: Milliseconds of silence before a WebSocket ping; 0 for none, 15 s by default.
        reconnect_interval: Milliseconds before a lost connection is opened again. None: it is not, unless
            ``max_reconnect_attempts`` is above 0.
        max_reconnect_attempts: How often in a row; 0 for no limit.
        answers_calls: Whether a response is asked for when all calls of a response have their results.
        record: A file that the frames of all connections go into, a cassette for ``voicewire replay``; ``close``
            waits until it is written.
        record_audio: Whether audio goes into it too, or only its lengths.
        clock: Time; the machine's own by default.

    Raises:
        ConfigError: Something is missing, or an option is unknown.

    Concurrency: one event loop. Nothing is acquired before ``connect``.
    """

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        websocket_options: Mapping[str, Any] | None = None,
        web_socket_impl: object = None,
        *,
        host_name: str = "",
        api_version: str = PREVIEW_VERSION,
        deployment: str = "",
        api_key: str = "",
        session_config: Mapping[str, Any] | None = None,
        token_credential: AsyncTokenCredential | None = None,
        model: str = "",
        key_in_query: bool = False,
        heartbeat_interval: float | None = None,
        reconnect_interval: float | None = None,
        max_reconnect_attempts: int = 0,
        answers_calls: bool = True,
        record: str | Path | None = None,
        record_audio: bool = True,
        clock: Clock | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "host_name": host_name, "api_version": api_version, "deployment": deployment, "api_key": api_key,
            "session_config": session_config, "token_credential": token_credential, "model": model,
            "key_in_query": key_in_query, "heartbeat_interval": heartbeat_interval,
            "reconnect_interval": reconnect_interval, "max_reconnect_attempts": max_reconnect_attempts,
            "answers_calls": answers_calls, "record": record, "record_audio": record_audio,
        }  # fmt: skip
        for mapping in (options, websocket_options):
            given |= _plain(mapping, given)
        self._emitter = Emitter()
        config = given["session_config"]
        self._link = ConversationLink(
            _address(given),
            LinkSettings.of(given),
            self._emitter,
            dict(DEFAULT_SESSION_CONFIG if config is None else config),
            clock or MonotonicClock(),
        )

    def __repr__(self) -> str:
        return f"<AzureRealtimeAudio {self.state.name.lower()} {self.status.value}>"

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

    # ------------------------------------------------------------------ events

    @overload
    def on(self, event: str, listener: ListenerT) -> ListenerT: ...
    @overload
    def on(self, event: str) -> Callable[[ListenerT], ListenerT]: ...
    def on(
        self, event: str, listener: ListenerT | None = None
    ) -> ListenerT | Callable[[ListenerT], ListenerT]:
        """Calls a listener whenever an event happens; without a listener it is a decorator."""
        return self._added(event, listener, is_once=False)

    @overload
    def once(self, event: str, listener: ListenerT) -> ListenerT: ...
    @overload
    def once(self, event: str) -> Callable[[ListenerT], ListenerT]: ...
    def once(
        self, event: str, listener: ListenerT | None = None
    ) -> ListenerT | Callable[[ListenerT], ListenerT]:
        """Calls a listener the next time that an event happens; without a listener it is a decorator."""
        return self._added(event, listener, is_once=True)

    def _added(
        self, event: str, listener: ListenerT | None, *, is_once: bool
    ) -> ListenerT | Callable[[ListenerT], ListenerT]:
        def add(function: ListenerT) -> ListenerT:
            return self._emitter.add(event, function, is_once=is_once)

        return add if listener is None else add(listener)

    def off(self, event: str, listener: Listener | None = None) -> None:
        """Removes a listener, or all of an event."""
        self._emitter.remove(event, listener)

    def off_all(self) -> None:
        """Removes all listeners."""
        self._emitter.clear()

    # ------------------------------------------------------------------ life

    async def connect(self) -> None:
        """Opens the connection; returns when the session is configured, or was refused (an ``error`` event).

        Raises:
            LocalProtocolError: It is connected already.
            AuthError, TransportError, ProviderError: It could not be opened.

        Cancellation: safe; nothing stays open.
        """
        await self._link.connect()

    async def close(self) -> None:
        """Closes the connection; idempotent. The ``close`` event has been told when it returns.

        Cancellation: the closing is finished first.
        """
        await self._link.aclose()

    @property
    def status(self) -> ModelStatus:
        """What the model is doing; may be set."""
        return self._link.status

    @status.setter
    def status(self, status: ModelStatus | str) -> None:
        self._link.show(ModelStatus(status))

    @property
    def is_initialized(self) -> bool:
        """Whether the session is configured and open."""
        return self._link.is_initialized

    @property
    def state(self) -> ReadyState:
        """The state of the connection."""
        return self._link.state

    def set_model_speak_done(self) -> None:
        """The application has played everything: the model is idle."""
        self._link.speak_done()

    # ------------------------------------------------------------------ what is said

    def send(self, message: Mapping[str, Any]) -> Sent:
        """Sends a message of the wire as it is.

        While a lost connection is being restored, messages wait (at most 1000, the oldest go).

        Raises:
            LocalProtocolError: Not connected.
            SessionClosed: The connection is over.
        """
        self._link.send(dict(message))
        return Sent(self._link.drain)

    def append_audio(self, audio: str | bytes) -> Sent:
        """Appends audio of the user: base64, or the bytes themselves.

        Raises:
            AudioError: (a ``ValueError``) An odd number of bytes of PCM16.
            LocalProtocolError, SessionClosed: See ``send``.
        """
        if not isinstance(audio, str):
            check_samples(audio, self._link.input_audio_format)
            audio = pybase64.b64encode_as_string(audio)
        return self.send({"type": "input_audio_buffer.append", "audio": audio})

    def commit_audio(self) -> Sent:
        """Ends the user's turn."""
        return self.send({"type": "input_audio_buffer.commit"})

    def clear_audio_buffer(self) -> Sent:
        """Takes the audio back that is in no turn yet."""
        return self.send({"type": "input_audio_buffer.clear"})

    def create_conversation_item(self, item: Mapping[str, Any], previous_item_id: str | None = None) -> Sent:
        """Adds an item to the conversation."""
        message: dict[str, Any] = {"type": "conversation.item.create", "item": dict(item)}
        if previous_item_id is not None:
            message["previous_item_id"] = previous_item_id
        return self.send(message)

    def delete_item(self, item_id: str) -> Sent:
        """Removes an item."""
        return self.send({"type": "conversation.item.delete", "item_id": item_id})

    def truncate_item(self, item_id: str, content_index: int, audio_end_ms: int) -> Sent:
        """Cuts an item of the model to what was heard."""
        return self.send(
            {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": content_index,
                "audio_end_ms": audio_end_ms,
            }
        )

    def create_response(self, response: Mapping[str, Any] | None = None) -> Sent:
        """Asks for a response."""
        message: dict[str, Any] = {"type": "response.create"}
        if response:
            message["response"] = dict(response)
        return self.send(message)

    def cancel_response(self) -> Sent:
        """Cancels the response under way."""
        return self.send({"type": "response.cancel"})

    offAll = off_all
    appendAudio = append_audio
    commitAudio = commit_audio
    clearAudioBuffer = clear_audio_buffer
    createConversationItem = create_conversation_item
    deleteItem = delete_item
    truncateItem = truncate_item
    createResponse = create_response
    cancelResponse = cancel_response
    setModelSpeakDone = set_model_speak_done
    isInitialized = is_initialized


def _plain(mapping: Mapping[str, Any] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """Options in Python's spelling."""
    found: dict[str, Any] = {}
    for key, value in (mapping or {}).items():
        name = _OPTION_NAMES.get(key, key)
        if name in known:
            found[name] = value
        elif key not in _IGNORED:
            raise ConfigError(f"there is no option {key!r}; the options are: {', '.join(known)}")
    return found


def _address(given: Mapping[str, Any]) -> Address:
    host, model = str(given["host_name"]).strip(), given["model"]
    if not host and not model:
        raise ConfigError("give host_name= and deployment= (Azure), or model= (OpenAI)")
    if host and "://" not in host and host.startswith(_LOOPBACK):
        host = f"ws://{host}"
    elif host and "://" not in host:
        host = f"wss://{host}"
    key = given["api_key"]
    return Address(
        url=host or None,
        model=model or None,
        azure_deployment=given["deployment"] or None,
        key_credential=AzureKeyCredential(key) if key else None,
        token_credential=given["token_credential"],
        api_version=given["api_version"],
        key_in_query=bool(given["key_in_query"]),
    )


__all__ = ["AzureRealtimeAudio", "EventData", "Sent"]
