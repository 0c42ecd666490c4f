"""The three neighbours of a gateway session, in memory: a client's socket, a wire, a model."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from voicewire.errors import VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.commands import Command, SendText
from voicewire.events.model import ModelSessionEndedEvent
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.gateway.socket import ABORT_EXTENSION, ClientSocket, Message
from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel
from voicewire.protocols.codec import Frame


class FakeClient:
    """The ASGI server's side of one WebSocket: what the client sends, and what reaches it."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[Message] = []
        self.is_cut = False
        self._reads = anyio.Event()
        if reads:
            self._reads.set()
        self._into, self._out_of = anyio.create_memory_object_stream[Message](100)
        scope = {"extensions": {ABORT_EXTENSION: {"abort": self._cut}}, "headers": []}
        self.socket = ClientSocket(scope, self._out_of.receive, self._take)

    def say(self, text: str) -> None:
        """The client sends a text message."""
        self._into.send_nowait({"type": "websocket.receive", "text": text})

    def vanish(self) -> None:
        """The connection is gone."""
        self._into.send_nowait({"type": "websocket.disconnect", "code": 1006})

    def read_on(self) -> None:
        """The client begins to read."""
        self._reads.set()

    def frames(self) -> list[dict[str, Any]]:
        """The messages that reached the client."""
        return [json.loads(message["text"]) for message in self.sent if message["type"] == "websocket.send"]

    def closes(self) -> list[tuple[int, str]]:
        """Code and reason of every close."""
        return [(m["code"], m["reason"]) for m in self.sent if m["type"] == "websocket.close"]

    def close_streams(self) -> None:
        """Ends the fake."""
        self._into.close()
        self._out_of.close()

    def _cut(self) -> None:
        self.is_cut = True

    async def _take(self, message: Message) -> None:
        await self._reads.wait()
        self.sent.append(message)


class FakeCodec:
    """A wire of one sentence: every client frame is a text for the model, every event is its own JSON."""

    def receive(self, frame: Frame) -> list[Command]:
        return [SendText(str(frame))]

    def encode(self, event: EventBase) -> list[Frame]:
        return [event.model_dump_json()]

    def data_to_send(self) -> list[Frame]:
        return []


class FakeConnection(RealtimeConnection):
    """Yields the events it is given; keeps the commands it gets."""

    def __init__(self, refusal: VoicewireError | None = None) -> None:
        self.commands: list[Command] = []
        self.is_closed = False
        self.refusal = refusal
        self.got_command = anyio.Event()
        self._into, self._out_of = anyio.create_memory_object_stream[EventBase | Exception](1000)

    def happen(self, *events: EventBase | Exception) -> None:
        """The model reports these, or its iterator raises."""
        for event in events:
            self._into.send_nowait(event)

    @property
    def session_id(self) -> str:
        return "sess_fake"

    @property
    def config(self) -> SessionConfig:
        return SessionConfig()

    async def send(self, command: Command) -> None:
        self.commands.append(command)
        self.got_command.set()
        if self.refusal is not None:
            raise self.refusal

    async def __aiter__(self) -> AsyncIterator[EventBase]:
        async for event in self._out_of:
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, ModelSessionEndedEvent):
                return

    async def aclose(self) -> None:
        self.is_closed = True
        self._into.close()
        self._out_of.close()


class FakeModel(RealtimeModel):
    """Opens the one connection it is given, or fails to."""

    capabilities = Capabilities()

    def __init__(
        self, connection: FakeConnection | None = None, failure: Exception | None = None, name: str = "fake"
    ) -> None:
        self.name = name
        self.connection = connection
        self.failure = failure

    @asynccontextmanager
    async def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AsyncGenerator[RealtimeConnection, None]:
        try:
            if self.failure is not None:
                raise self.failure
            assert self.connection is not None
            yield self.connection
        finally:
            if self.connection is not None:
                await self.connection.aclose()
