"""A model whose events the test writes, and an observer that remembers everything."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from voicewire.audio.format import AudioFrame
from voicewire.errors import ConnectionLost, SessionClosed, UnsupportedError
from voicewire.events.base import EventBase, MediaFormat
from voicewire.events.commands import AppendAudio, Command, SendImage
from voicewire.events.model import (
    ModelResponseAudioDeltaEvent,
    ModelResponseCreatedEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig, ToolSpec, tool_specs
from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel
from voicewire.recording.marks import Mark

RATE_HZ = 24_000


class FakeConnection(RealtimeConnection):
    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self.sent: list[Command] = []
        self.is_closed = False
        self._write, self._read = anyio.create_memory_object_stream[EventBase | Exception](1000)

    @property
    def session_id(self) -> str:
        return "fake"

    @property
    def config(self) -> SessionConfig:
        return self._config

    @property
    def orders(self) -> list[Command]:
        """What was sent besides audio."""
        return [command for command in self.sent if not isinstance(command, AppendAudio)]

    @property
    def audio_samples(self) -> int:
        return sum(len(command.pcm) // 2 for command in self.sent if isinstance(command, AppendAudio))

    async def send(self, command: Command) -> None:
        await anyio.lowlevel.checkpoint()
        if self.is_closed:
            raise SessionClosed("closed")
        if isinstance(command, SendImage):
            raise UnsupportedError("the fake model is blind")
        self.sent.append(command)

    def emit(self, *events: EventBase | Exception) -> None:
        for event in events:
            self._write.send_nowait(event)

    async def __aiter__(self) -> AsyncIterator[EventBase]:
        async for event in self._read:
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, ModelSessionEndedEvent):
                return

    async def aclose(self) -> None:
        self.is_closed = True
        self._write.close()
        self._read.close()


class FakeModel(RealtimeModel):
    name = "fake"
    capabilities = Capabilities(input_rates_hz=(RATE_HZ,), output_rate_hz=RATE_HZ)

    def __init__(self) -> None:
        self.connection: FakeConnection | None = None
        self.tools: tuple[ToolSpec, ...] = ()

    @asynccontextmanager
    async def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AsyncGenerator[FakeConnection, None]:
        self.tools = tool_specs(tools)
        self.connection = FakeConnection(config or SessionConfig())
        try:
            yield self.connection
        finally:
            await self.connection.aclose()

    @property
    def open_connection(self) -> FakeConnection:
        assert self.connection is not None
        return self.connection


class Notes:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.events: list[tuple[float, EventBase | Mark]] = []
        self.user: list[tuple[float, AudioFrame]] = []
        self.agent: list[tuple[float, bytes]] = []
        self.position_ms = 0.0
        self.origin_ns = -1

    def on_start(self, origin_ns: int) -> None:
        self.origin_ns = origin_ns

    def on_event(self, at_ms: float, what: EventBase | Mark) -> None:
        self.events.append((at_ms, what))

    def on_user_audio(self, start_ms: float, frame: AudioFrame) -> None:
        self.user.append((start_ms, frame))

    def on_agent_audio(self, start_ms: float, pcm16: bytes, sample_rate_hz: int) -> None:
        self.agent.append((start_ms, pcm16))

    def on_agent_position(self, until_ms: float) -> None:
        self.position_ms = until_ms

    def of(self, kind: type[Any]) -> list[Any]:
        return [what for _, what in self.events if isinstance(what, kind)]


def response(response_id: str) -> ModelResponseCreatedEvent:
    return ModelResponseCreatedEvent(response_id=response_id)


def speech(response_id: str, item_id: str, samples: int, *, rate_hz: int = RATE_HZ) -> EventBase:
    return ModelResponseAudioDeltaEvent(
        response_id=response_id,
        item_id=item_id,
        pcm=b"\x10\x27" * samples,
        format=MediaFormat("audio/pcm", rate_hz),
    )


LOST = ConnectionLost("the line went dead", code=1006, reason="cut")
