"""Recording a model that has no wire: its sessions are written as the OpenAI wire would have carried them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from typing_extensions import Self

from voicewire.errors import VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, CommitAudio
from voicewire.events.model import ModelSessionCreatedEvent, ModelSessionEndedEvent, ModelSessionUpdatedEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.input_audio import InputAudio
from voicewire.models.linked import LinkedModel
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.models.queue_door import RealtimeModelBase
from voicewire.protocols.openai.client import OpenAIClientCodec
from voicewire.protocols.openai.server import OpenAIServerCodec
from voicewire.transport.recorder import CassetteRecorder, CassetteTap


def with_cassette(model: RealtimeModel, record: str | Path, *, record_audio: bool = True) -> RealtimeModel:
    """The model, with all its later sessions in one cassette.

    Args:
        model: Any model; one behind a wire is changed, any other is wrapped.
        record: The file.
        record_audio: Whether audio goes into it, or only its lengths.
    """
    if isinstance(model, LinkedModel):
        return model.set_link(record=record, record_audio=record_audio)
    return RecordedModel(model, record, record_audio=record_audio)


class RecordedModel(RealtimeModelBase):
    """A model of this process whose sessions go into a cassette.

    It is recorded as the provider ``openai``: such a cassette plays to any client of that wire. The session itself
    runs as it would without it; the frames are made besides.

    Args:
        model: The model.
        record: The file.
        record_audio: Whether audio goes into it, or only its lengths.
    """

    def __init__(self, model: RealtimeModel, record: str | Path, *, record_audio: bool = True) -> None:
        super().__init__(getattr(model, "model_name", model.name))
        self.name = model.name
        self.capabilities = model.capabilities
        self._model = model
        self._recorder = CassetteRecorder(
            record, provider="openai", dialect="ga", model=f"openai:{model.name}", keeps_audio=record_audio
        )

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a conversation; see `RealtimeModel.open`."""
        return self._recorded(self._model.open(instructions=instructions, tools=tools, config=config))

    @asynccontextmanager
    async def _recorded(
        self, session: AbstractAsyncContextManager[RealtimeConnection]
    ) -> AsyncGenerator[RealtimeConnection, None]:
        async with self._recorder, session as connection:
            tap = await self._recorder.tap()
            try:
                yield _RecordedConnection(connection, tap, self.name)
            finally:
                tap.ended("client", 1000, "")


class _RecordedConnection(RealtimeConnection):
    """A connection whose commands and events are noted on their way."""

    def __init__(self, connection: RealtimeConnection, tap: CassetteTap, name: str) -> None:
        self._connection = connection
        self._writer = _WireWriter(tap, connection, name)

    @property
    def session_id(self) -> str:
        """The model's id of this session."""
        return self._connection.session_id

    @property
    def config(self) -> SessionConfig:
        """The effective configuration."""
        return self._connection.config

    async def send(self, command: Command) -> None:
        """Sends one command; noted first, so that it comes before its answer."""
        self._writer.sent(command)
        await self._connection.send(command)

    def __aiter__(self) -> AsyncIterator[EventBase]:
        """The events, each noted when it is taken."""
        return _NotedEvents(self._connection.__aiter__(), self._writer)

    async def aclose(self) -> None:
        """Ends the session; idempotent."""
        await self._connection.aclose()


class _NotedEvents:
    """Hands events on; no generator, because cancelling a wait may not end it."""

    def __init__(self, events: AsyncIterator[EventBase], writer: _WireWriter) -> None:
        self._events = events
        self._writer = writer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBase:
        event = await self._events.__anext__()
        self._writer.received(event)
        return event


class _WireWriter:
    """Puts commands and events into the frames of both sides of the OpenAI wire."""

    def __init__(self, tap: CassetteTap, connection: RealtimeConnection, name: str) -> None:
        self._tap = tap
        config = connection.config
        self._told_config = config
        self._input = InputAudio(config.input_format)
        self._client = OpenAIClientCodec(config)
        self._server = OpenAIServerCodec(config, ids=_new_id, now_s=int(time.time()), model=name)
        tap.opened(f"voicewire:{name}")
        self._answer()
        for frame in self._client.opening():
            self._pass(frame)
        self._tell(ModelSessionUpdatedEvent(session_id=connection.session_id, config=config))

    def sent(self, command: Command) -> None:
        """Notes a command that the model took."""
        try:
            for fitting in self._fitted(command):
                for frame in self._client.encode(fitting):
                    self._pass(frame)
        except VoicewireError:
            return  # the wire has no way to say it, so there is nothing of it on the wire

    def received(self, event: EventBase) -> None:
        """Notes an event that the application took."""
        if isinstance(event, ModelSessionEndedEvent):
            self._tap.ended("client" if event.is_expected else "lost", event.code or 1000, event.reason)
        elif isinstance(event, ModelSessionUpdatedEvent):
            # What is in force at the beginning was told then.
            if event.config != self._told_config:
                self._told_config = event.config
                self._tell(event)
        elif not isinstance(event, ModelSessionCreatedEvent):
            self._tell(event)

    def _fitted(self, command: Command) -> Iterator[Command]:
        """The command, its audio in the session's format."""
        if isinstance(command, AppendAudio):
            fitting = self._input.fit(command)
            if fitting is not None:
                yield fitting
            return
        if isinstance(command, CommitAudio) and (rest := self._input.finish()) is not None:
            yield rest
        yield command

    def _pass(self, frame: str | bytes) -> None:
        self._tap.sent(frame)
        # The server side takes its client's frames, so that its answers are those of a real one.
        self._server.receive(frame)
        self._answer()

    def _tell(self, event: EventBase) -> None:
        for frame in self._server.encode(event):
            self._tap.received(frame)
            # The client side takes the answers, so that its next frames are those of a real one.
            self._client.receive(frame)
        for frame in self._client.data_to_send():
            self._pass(frame)

    def _answer(self) -> None:
        for frame in self._server.data_to_send():
            self._tap.received(frame)
            self._client.receive(frame)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
