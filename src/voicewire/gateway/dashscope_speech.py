"""Text to speech for clients of Qwen-TTS: any served model says the text, one piece after the other."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from voicewire.conversation.orders import StartResponse, StopGeneration, WorkOrder
from voicewire.errors import VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.commands import CancelResponse, Command, SendText
from voicewire.events.model import ModelErrorEvent, ModelResponseDoneEvent, TokenUsage
from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.hosted import HostedConnection, open_hosted
from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel

if TYPE_CHECKING:
    from voicewire.audio.format import AudioFrame


class SpeakingModel(RealtimeModel):
    """A model whose texts wait for one another: each is answered by its own response.

    Args:
        model: Says the texts.
    """

    def __init__(self, model: RealtimeModel) -> None:
        self.name = model.name
        self.capabilities = model.capabilities
        self._model = model

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens the model's conversation; see `RealtimeModel.open`."""
        return self._open(instructions, tools, config)

    @asynccontextmanager
    async def _open(
        self,
        instructions: str,
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None,
        config: SessionConfig | None,
    ) -> AsyncGenerator[RealtimeConnection, None]:
        async with self._model.open(instructions=instructions, tools=tools, config=config) as connection:
            yield SpeakingConnection(connection)


class SpeakingConnection(RealtimeConnection):
    """A conversation that is given one text at a time.

    The texts that wait are bounded by what a client may have in its receive budget.

    Args:
        connection: The model's own.
    """

    def __init__(self, connection: RealtimeConnection) -> None:
        self._inner = connection
        self._events = aiter(connection)
        self._waiting: deque[SendText] = deque()
        self._current: SendText | None = None
        self._sending = anyio.Lock()

    @property
    def session_id(self) -> str:
        """The model's id of this session."""
        return self._inner.session_id

    @property
    def config(self) -> SessionConfig:
        """The effective configuration."""
        return self._inner.config

    async def send(self, command: Command) -> None:
        """Sends a command; a text waits until the one before it was said."""
        async with self._sending:
            if isinstance(command, CancelResponse):
                self._waiting.clear()
            elif isinstance(command, SendText):
                if self._current is not None:
                    self._waiting.append(command)
                    return
                self._current = command
            await self._inner.send(command)

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return self

    async def __anext__(self) -> EventBase:
        event = await anext(self._events)
        if self._ends_current(event):
            async with self._sending:
                self._current = self._waiting.popleft() if self._waiting else None
                if self._current is not None:
                    await self._inner.send(self._current)
        return event

    def _ends_current(self, event: EventBase) -> bool:
        if isinstance(event, ModelResponseDoneEvent):
            return True
        current = self._current
        return (
            isinstance(event, ModelErrorEvent)
            and current is not None
            and event.command_id == current.command_id
        )

    async def aclose(self) -> None:
        """Ends the session; idempotent."""
        await self._inner.aclose()


class EngineVoice(RealtimeModel):
    """The embedded engine's voice alone: says each text as it is written. No brain, no ear.

    Args:
        model: The engine's model, whose name and voices it has.
    """

    def __init__(self, model: RealtimeModel) -> None:
        self.name = model.name
        heard = model.capabilities
        self.capabilities = Capabilities(
            input_modalities=frozenset({"text"}),
            output_modalities=frozenset({"audio"}),
            output_rate_hz=heard.output_rate_hz,
            voices=heard.voices,
            languages=heard.languages,
            supports_tools=False,
            supports_server_vad=False,
            supports_input_transcription=False,
        )

    def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AbstractAsyncContextManager[RealtimeConnection]:
        """Opens a session that speaks; see `RealtimeModel.open`."""
        return self._open(config or SessionConfig(turn_detection=None, transcription=None))

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        async with open_hosted(
            EngineSpeaker,
            name=self.name,
            config=config,
            capabilities=self.capabilities,
            session=secrets.token_hex(8),
        ) as connection:
            yield connection


class EngineSpeaker:
    """Says the newest text of a conversation, clause by clause, in a worker thread."""

    def __init__(self, connection: HostedConnection) -> None:
        self._connection = connection
        self._scopes: dict[int, anyio.CancelScope] = {}

    def on_audio(self, frame: AudioFrame) -> None:
        """There is no ear."""

    def on_order(self, order: WorkOrder) -> None:
        """Speaks, or stops speaking."""
        if isinstance(order, StartResponse):
            self._connection.spawn(self._respond, order, name=f"speech {order.generation}")
        elif isinstance(order, StopGeneration) and (scope := self._scopes.get(order.generation)) is not None:
            scope.cancel()

    async def _respond(self, order: StartResponse) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[order.generation] = scope
            try:
                await self._say(order)
            except VoicewireError as error:
                self._connection.response_failed(order.generation, code="speech_failed", message=str(error))
            finally:
                del self._scopes[order.generation]

    async def _say(self, order: StartResponse) -> None:
        from voicewire.engine.text import ClauseSplitter

        connection = self._connection
        text = next((item.text for item in reversed(order.history) if item.role != "assistant"), "")
        splitter = ClauseSplitter()
        for clause in [*splitter.push(text), *splitter.flush()]:
            connection.apply(connection.host.response_text(order.generation, clause))
            pcm16, rate_hz = await anyio.to_thread.run_sync(_speech, clause, order.config)
            await connection.room()
            if pcm16:
                connection.response_audio(order.generation, pcm16, rate_hz)
        usage = TokenUsage(input_text_tokens=len(text))
        connection.response_finished(order.generation, usage)


def _speech(clause: str, config: SessionConfig) -> tuple[bytes, int]:
    """A clause as 16-bit mono, and its rate. In a worker thread: the models are loaded by the first call."""
    from voicewire.audio.pcm import float32_to_pcm16
    from voicewire.engine.text import for_speech
    from voicewire.engine.tts import create_synthesizer
    from voicewire.errors import UnsupportedError

    synthesizer = create_synthesizer(config.voice or None)
    spoken = for_speech(clause)
    if not spoken.strip():
        return b"", synthesizer.sample_rate_hz
    check = synthesizer.speakable(spoken)
    if not check.is_speakable:
        raise UnsupportedError(f"the engine cannot say {clause.strip()[:80]!r}: {check.reason}")
    speech = synthesizer.synthesize(spoken, speed=config.speed)
    return float32_to_pcm16(speech.samples), speech.sample_rate_hz


def speaking(model: RealtimeModel) -> RealtimeModel:
    """The model as one that says texts: the engine by its voice alone, any other by being told to."""
    from voicewire.engine.local import LocalRealtimeModel

    return SpeakingModel(EngineVoice(model) if isinstance(model, LocalRealtimeModel) else model)
