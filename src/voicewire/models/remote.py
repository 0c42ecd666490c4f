"""A conversation with a model at the other end of a transport: codec + transport + one bounded stream.

There is no task in here. The transport's callback runs the codec and puts the events into the stream; the
application takes them out. So nothing has to be joined but the transport, one audio delta costs no task
switch beyond the consumer's own, and the reader never waits for the application.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from voicewire.errors import (
    ConnectionLost,
    ConnectTimeout,
    ConsumerTooSlow,
    ProtocolError,
    RemoteProtocolError,
    SessionClosed,
    VoicewireError,
)
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, ClearAudio, Command, CommitAudio
from voicewire.events.model import (
    ModelErrorEvent,
    ModelSessionCreatedEvent,
    ModelSessionEndedEvent,
    ModelSessionUpdatedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.models.failures import (
    provider_error,
    session_close_error,
    setup_close_error,
    tells_of_account,
)
from voicewire.models.input_audio import InputAudio
from voicewire.models.model import Capabilities, RealtimeConnection
from voicewire.models.opening import check_command
from voicewire.protocols.codec import ClientCodec, ResumableCodec
from voicewire.streams import BoundedStream, StreamStatistics
from voicewire.transport.frames import (
    INTERNAL_ERROR_CLOSE,
    NORMAL_CLOSE,
    PROTOCOL_ERROR_CLOSE,
    CloseInfo,
    Frame,
    FrameReceiver,
    FrameTransport,
)

Connect = Callable[[FrameReceiver], Awaitable[FrameTransport]]
"""Opens a transport whose messages go to the receiver."""


class EventSink(Protocol):
    """Where a connection's events go: its own stream, or what `RemoteConnection.divert` was given."""

    def put_nowait(self, item: EventBase, weight: int | None = None, /) -> None:
        """Takes one event.

        Raises:
            ConsumerTooSlow: The application is too far behind; the session ends.
            SessionClosed: Nothing is taken any more.
        """
        ...

    def close(self, error: BaseException | None = None, *, last: Iterable[EventBase] = ()) -> None:
        """The session is over; the first call decides."""
        ...


_NOTED = frozenset(
    {ModelSessionCreatedEvent, ModelSessionUpdatedEvent, ModelErrorEvent, ModelSessionEndedEvent}
)
"""The events that a connection itself has to know; looked up by type, which costs an audio delta 40 ns."""
_WIRE_BYTES_PER_SAMPLE = 2 * 4 / 3 * 1.2
"""16 bits in base64, and the JSON around a 20 ms delta."""
_SERVER_TROUBLE_CODES = frozenset({1011, 1012, 1013, 1014})
"""Close codes by which a server says that the trouble is its own and passes."""
_TOO_SLOW_CODE = 1008


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveLimits:
    """How far the application may fall behind before the session is ended with `ConsumerTooSlow`."""

    max_queued_audio_s: float = 600.0
    """Seconds of reply audio that wait to be taken; counted in bytes as they came over the wire."""
    max_queued_events: int = 100_000
    """Events that wait to be taken, audio deltas included."""


def event_stream(name: str, limits: ReceiveLimits, rate_hz: int) -> BoundedStream[EventBase]:
    """The stream of a connection's events.

    Args:
        name: Full name of the model.
        limits: How far the application may fall behind.
        rate_hz: Rate of the reply's audio.
    """
    return BoundedStream(
        f"events of {name}",
        policy="fail",
        max_items=limits.max_queued_events,
        max_weight=max(1, int(limits.max_queued_audio_s * rate_hz * _WIRE_BYTES_PER_SAMPLE)),
    )


class RemoteConnection(RealtimeConnection):
    """One conversation over a transport. Made by `open_remote`.

    Resources: the transport, acquired by ``open_remote``, released by ``aclose``. No tasks.

    Args:
        codec: The client side of the provider's wire.
        config: The configuration that was asked for.
        capabilities: What the model can do.
        name: Full name of the model, for errors.
        provider: Short name of the provider, for errors.
        limits: How far the application may fall behind.
        opening: Frames to send as soon as the transport is open.

    Concurrency: one task iterates, any number of tasks send and close.
    """

    def __init__(
        self,
        codec: ClientCodec,
        *,
        config: SessionConfig,
        capabilities: Capabilities,
        name: str,
        provider: str = "",
        limits: ReceiveLimits | None = None,
        opening: Iterable[Frame] = (),
    ) -> None:
        limits = limits or ReceiveLimits()
        self._codec = codec
        self._config = config
        self._capabilities = capabilities
        self._name = name
        self._provider = provider
        self._opening = tuple(opening)
        rate_hz = config.output_format.rate or capabilities.output_rate_hz
        self._stream = event_stream(name, limits, rate_hz)
        self._sink: EventSink = self._stream
        self._input = InputAudio(config.input_format)
        self._transport: FrameTransport | None = None
        self._session_id = ""
        self._is_closing = False
        self._is_ended = False
        self._is_ready = False
        self._has_end_event = False
        self._set_up = anyio.Event()
        self._setup_error: VoicewireError | None = None
        self._refusal: ModelErrorEvent | None = None
        """The provider said that the key or the quota is not good any more; an end is near."""

    def __repr__(self) -> str:
        state = "ended" if self._is_ended else "ready" if self._is_ready else "opening"
        return f"<RemoteConnection {self._name} {state}>"

    @property
    def session_id(self) -> str:
        """The provider's id of this session."""
        return self._session_id

    @property
    def config(self) -> SessionConfig:
        """The effective configuration, as last confirmed by the model."""
        return self._config

    @property
    def capabilities(self) -> Capabilities:
        """What the model can do."""
        return self._capabilities

    @property
    def resumption(self) -> Mapping[str, Any]:
        """``SessionConfig.extra`` of a new connection that goes on with this session; empty when there is no way."""
        return self._codec.resumption if isinstance(self._codec, ResumableCodec) else {}

    @property
    def time_left_ms(self) -> int | None:
        """How long the connection lasts, as the provider last said; None when it did not."""
        return self._codec.time_left_ms if isinstance(self._codec, ResumableCodec) else None

    def divert(self, sink: EventSink) -> None:
        """From now on the events, and the end, go to ``sink``; those that wait go there first."""
        self._sink = sink
        while (event := self._stream.get_nowait()) is not None:
            sink.put_nowait(event, 0)
        if self._is_ended:
            sink.close(self._stream.end)

    def statistics(self) -> StreamStatistics:
        """Depth, high-water mark and weight (wire bytes) of the events that wait to be taken."""
        return self._stream.statistics()

    async def send(self, command: Command) -> None:
        """Sends one command; waits only while the network takes less than is written.

        Audio in another rate or encoding than the session's is converted first.

        Raises:
            UnsupportedError: The model or its wire lacks the capability; nothing was sent.
            AudioError: The audio cannot be converted.
            SessionClosed: The session is over.

        Cancellation: the command was then not sent.
        """
        transport = self._transport
        if self._is_ended or self._is_closing or transport is None:
            raise self._closed_error()
        if transport.is_congested:
            await transport.drain()
        if type(command) is AppendAudio:
            fitting = self._input.fit(command)
            if fitting is None:
                return
            command = fitting
        else:
            check_command(self._name, self._capabilities, command)
            self._settle_audio(transport, command)
        # Encoding and writing are one step: frames of two commands cannot mix, and the codec's idea of
        # what was sent cannot differ from the order on the wire.
        for frame in self._codec.encode(command):
            transport.write(frame)

    def report(self, event: EventBase) -> None:
        """An event that the codec found out by sending, not by receiving; for codecs of wires that do not confirm."""
        try:
            if type(event) in _NOTED:
                self._note(event)
            self._sink.put_nowait(event, 0)
        except ConsumerTooSlow as error:
            self._give_up(_TOO_SLOW_CODE, error)
        except SessionClosed:
            return  # the session is over, and that was reported

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return self._stream

    async def aclose(self) -> None:
        """Ends the session with a closing handshake of bounded time; idempotent.

        The iterator then yields what is left, the end event, and stops.

        Cancellation: shielded; the closing is finished first (at most the transport's ``close_timeout_s``).
        """
        self._is_closing = True
        with anyio.CancelScope(shield=True):
            if self._transport is not None:
                await self._transport.aclose(NORMAL_CLOSE)
        self._end(NORMAL_CLOSE, "closed before it was open", error=None)

    async def wait_ready(self) -> None:
        """Waits until the provider confirmed the configuration.

        Raises:
            ProviderError: The provider refused it (`AuthError`, `RateLimited`, `InvalidRequest`, ...).
            ConnectFailed: The connection ended first.

        Cancellation: safe.
        """
        await self._set_up.wait()
        if self._setup_error is not None:
            raise self._setup_error

    def on_open(self, transport: FrameTransport) -> None:
        """The transport is open: sends the opening frames."""
        self._transport = transport
        for frame in self._opening:
            transport.write(frame)
        self._note_ready()

    def on_message(self, message: memoryview | Frame) -> None:
        """One message from the provider."""
        try:
            # Methods are called by their names, here and in the codec: the interpreter takes a bound method
            # that is kept in an attribute the slow way, 30 ns a call.
            events = self._codec.receive(message)
            weight = len(message)
            for event in events:
                if type(event) in _NOTED:
                    self._note(event)
                self._sink.put_nowait(event, weight)
                weight = 0
            answers = self._codec.data_to_send()
            if answers and self._transport is not None:
                for frame in answers:
                    self._transport.write(frame)
            if not self._is_ready:
                self._note_ready()
        except RemoteProtocolError as error:
            self._give_up(PROTOCOL_ERROR_CLOSE, error)
        except ConsumerTooSlow as error:
            self._give_up(_TOO_SLOW_CODE, error)
        except SessionClosed:
            return  # written to, or put into, what closed in this very call; the end was reported
        except Exception as error:  # a boundary: above is the event loop, which would only log it
            wrapped = ProtocolError(f"{self._name}: a frame could not be handled: {error!r}")
            wrapped.__cause__ = error
            self._give_up(INTERNAL_ERROR_CLOSE, wrapped)

    def on_closed(self, info: CloseInfo) -> None:
        """The transport ended."""
        if not self._is_ready and self._setup_error is None:
            self._setup_error = setup_close_error(info, provider=self._provider)
            self._set_up.set()
        self._end(info.code, info.reason, error=self._error_of(info))

    def _settle_audio(self, transport: FrameTransport, command: Command) -> None:
        """A turn's end takes along what the resampler still holds; clearing forgets it."""
        if isinstance(command, CommitAudio):
            rest = self._input.finish()
            if rest is not None:
                for frame in self._codec.encode(rest):
                    transport.write(frame)
        elif isinstance(command, ClearAudio):
            self._input.clear()

    def _note(self, event: EventBase) -> None:
        """Keeps what the properties and the set-up need to know of a control event."""
        if isinstance(event, ModelSessionCreatedEvent):
            self._session_id = event.session_id
            if event.config is not None:
                self._configure(event.config)
        elif isinstance(event, ModelSessionUpdatedEvent):
            self._session_id = event.session_id or self._session_id
            self._configure(event.config)
        elif isinstance(event, ModelErrorEvent) and not self._is_ready and self._setup_error is None:
            self._setup_error = provider_error(event, provider=self._provider)
            self._set_up.set()
        elif isinstance(event, ModelSessionEndedEvent):
            self._has_end_event = True
        elif isinstance(event, ModelErrorEvent) and tells_of_account(event):
            self._refusal = event

    def _configure(self, config: SessionConfig) -> None:
        self._config = config
        self._input.configure(config.input_format)

    def _note_ready(self) -> None:
        if self._codec.is_ready and self._setup_error is None:
            self._is_ready = True
            self._set_up.set()

    def _error_of(self, info: CloseInfo) -> VoicewireError | None:
        """What the iterator raises after the end event; None when we asked for the end."""
        if self._is_closing:
            return None
        if info.error is not None:
            return info.error
        refused = session_close_error(info, self._refusal, provider=self._provider)
        if refused is not None:
            return refused
        reason = f": {info.reason}" if info.reason else ""
        message = f"{self._name} ended the session ({info.code}){reason}"
        if not info.is_clean or info.code in _SERVER_TROUBLE_CODES:
            return ConnectionLost(message, code=info.code, reason=info.reason)
        return SessionClosed(message, code=info.code, reason=info.reason)

    def give_up(self, error: VoicewireError) -> None:
        """Ends the session without waiting, as if it was lost: what is open gets its end, then ``error``."""
        self._give_up(NORMAL_CLOSE, error)

    def _give_up(self, code: int, error: VoicewireError) -> None:
        """Our side ends the session because of an error; what is left is delivered, then the error."""
        if not self._is_ready and self._setup_error is None:
            self._setup_error = error
            self._set_up.set()
        # Who has asked for the end is not told of what went wrong with the rest.
        self._end(code, str(error), error=None if self._is_closing else error)
        if self._transport is not None:
            self._transport.close_soon(code, str(error))

    def _end(self, code: int, reason: str, *, error: VoicewireError | None) -> None:
        """The one place where a session ends, whatever ended it."""
        if self._is_ended:
            return
        self._is_ended = True
        is_expected = self._is_closing and error is None
        last = list(self._codec.connection_lost(code, reason, is_expected=is_expected))
        if not self._has_end_event and not any(isinstance(event, ModelSessionEndedEvent) for event in last):
            last.append(
                ModelSessionEndedEvent(
                    session_id=self._session_id, reason=reason, code=code, is_expected=is_expected
                )
            )
        self._sink.close(error, last=last)

    def _closed_error(self) -> SessionClosed:
        info = self._transport.closed if self._transport is not None else None
        code, reason = (info.code, info.reason) if info is not None else (0, "")
        return SessionClosed(
            f"the session with {self._name} is over; open a new one", code=code, reason=reason
        )


@asynccontextmanager
async def open_remote(
    codec: ClientCodec,
    connect: Connect,
    *,
    config: SessionConfig,
    capabilities: Capabilities,
    name: str,
    provider: str = "",
    limits: ReceiveLimits | None = None,
    setup_timeout_s: float = 15.0,
) -> AsyncGenerator[RemoteConnection, None]:
    """Opens a conversation over a transport; entering waits until it is configured.

    Args:
        codec: The client side of the provider's wire, new.
        connect: Opens the transport.
        config: The configuration that the codec asks for.
        capabilities: What the model can do.
        name: Full name of the model, for errors.
        provider: Short name of the provider, for errors.
        limits: How far the application may fall behind.
        setup_timeout_s: How long everything up to the confirmed configuration may take.

    Raises:
        UnsupportedError: The wire cannot say what the configuration asks for; nothing was opened.
        ConnectTimeout: It took longer than ``setup_timeout_s``.
        ConnectFailed, ProviderError: See the transport, and `RemoteConnection.wait_ready`.

    Cancellation: closes the connection, then is raised again.
    """
    connection = RemoteConnection(
        codec,
        config=config,
        capabilities=capabilities,
        name=name,
        provider=provider,
        limits=limits,
        opening=codec.opening(),
    )
    try:
        with anyio.move_on_after(setup_timeout_s) as scope:
            await connect(connection)
            await connection.wait_ready()
        if scope.cancelled_caught:
            raise ConnectTimeout(f"{name} was not ready within {setup_timeout_s:g} s")
        yield connection
    finally:
        await connection.aclose()
