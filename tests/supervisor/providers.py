"""Every provider model, against our gateway on loopback. A new provider is one line here."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from tests.faults.leaks import SECRET
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio, Command, CreateItem, SendText
from voicewire.events.model import ModelResponseAudioTranscriptDoneEvent
from voicewire.events.session import SessionConfig
from voicewire.models import create_model
from voicewire.models.echo import EchoRealtimeModel
from voicewire.models.linked import LinkedModel
from voicewire.models.model import RealtimeConnection
from voicewire.testing import ServedGateway
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.policies import ReconnectPolicy

RATE_HZ = 24000
BOUND_S = 20.0
"""No wait is longer; a bound, not an expectation."""
FAST = ReconnectPolicy(max_attempts=3, first_delay_s=0.005, max_delay_s=0.01)
QUICK = WebSocketOptions(
    close_timeout_s=0.2,
    ping_interval_s=None,
    max_message_bytes=512 * 1024,
)


@dataclass(frozen=True)
class Provider:
    """A provider's model and where it finds our gateway."""

    name: str
    root: str = ""
    tells_starts: bool = True
    """Whether the start of an utterance is told while it lasts; else with its first words."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further arguments of the model."""
    started: str = '"response.created"'
    """In the frame that begins a response."""
    sounding: str = "audio.delta"
    """In the frames of its audio."""
    takes_calls: bool = True
    """Whether a new connection takes calls of the past; else they are told in words."""


PROVIDERS = {
    "openai": Provider("openai:gpt-realtime", "/v1"),
    "azure": Provider("azure:my-deployment"),
    "azure preview": Provider("azure:my-deployment", options={"api_version": "2025-04-01-preview"}),
    "voicelive": Provider("voicelive:gpt-realtime"),
    "xai": Provider("xai:grok-voice-latest", "/v1", takes_calls=False),
    "gemini": Provider(
        "gemini:gemini-3.8-live",
        tells_starts=False,
        started='"outputTranscription"',
        sounding='"inlineData"',
        takes_calls=False,
    ),
    "dashscope": Provider("dashscope:qwen3.5-omni-plus-realtime"),
}


def model_of(provider: str, gateway: ServedGateway, *, setup_timeout_s: float = BOUND_S) -> LinkedModel:
    """The model of a provider, pointed at a gateway, in a hurry."""
    return model_at(provider, gateway.ws_url, setup_timeout_s=setup_timeout_s)


def model_at(
    provider: str, url: str, *, setup_timeout_s: float = BOUND_S, connect_timeout_s: float = BOUND_S
) -> LinkedModel:
    """The model of a provider, pointed at any server, in a hurry.

    Args:
        provider: One of `PROVIDERS`.
        url: Scheme, host and port.
        setup_timeout_s: How long opening a session may take.
        connect_timeout_s: How long the handshake may take.
    """
    row = PROVIDERS[provider]
    model = create_model(
        row.name,
        api_key=SECRET,
        base_url=url + row.root,
        options=replace(QUICK, connect_timeout_s=connect_timeout_s),
        setup_timeout_s=setup_timeout_s,
        **row.options,
    )
    assert isinstance(model, LinkedModel)
    return model.set_link(reconnect=FAST)


class Witness(EchoRealtimeModel):
    """An echo that keeps what each of its sessions was told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[list[Command]] = []

    @asynccontextmanager
    async def _open(self, config: SessionConfig) -> AsyncGenerator[RealtimeConnection, None]:
        told: list[Command] = []
        self.sessions.append(told)
        async with super()._open(config) as connection:
            yield _Heard(connection, told)

    @property
    def texts(self) -> list[str]:
        """What the user wrote, as the newest session was told it."""
        return [text for command in self.sessions[-1] for text in _texts_of(command)]


class _Heard(RealtimeConnection):
    """Hands everything on and notes the commands."""

    def __init__(self, inner: RealtimeConnection, told: list[Command]) -> None:
        self._inner = inner
        self._told = told

    @property
    def session_id(self) -> str:
        return self._inner.session_id

    @property
    def config(self) -> SessionConfig:
        return self._inner.config

    async def send(self, command: Command) -> None:
        self._told.append(command)
        await self._inner.send(command)

    def __aiter__(self) -> AsyncIterator[EventBase]:
        return self._inner.__aiter__()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _texts_of(command: Command) -> list[str]:
    if isinstance(command, SendText):
        return [command.text]
    if isinstance(command, CreateItem) and command.item.kind == "message" and command.item.role == "user":
        return [command.item.text]
    return []


def tone(duration_ms: int) -> bytes:
    """Speech, as far as an energy detector is concerned."""
    samples = RATE_HZ * duration_ms // 1000
    return b"".join(
        struct.pack("<h", int(9000 * math.sin(2 * math.pi * 440 * i / RATE_HZ))) for i in range(samples)
    )


SPEECH = tone(600)
SILENCE = bytes(RATE_HZ * 2)


async def speak(connection: RealtimeConnection, pcm: bytes) -> None:
    """Audio in pieces of 20 ms."""
    step = RATE_HZ // 50 * 2
    for start in range(0, len(pcm), step):
        await connection.send(AppendAudio(pcm[start : start + step], RATE_HZ))


@dataclass
class Seen:
    """What an application sees of a session."""

    events: list[EventBase] = field(default_factory=list[EventBase])
    error: Exception | None = None
    is_over: bool = False
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def read(self, connection: RealtimeConnection) -> None:
        """Takes events to their end."""
        try:
            async for event in connection:
                self.events.append(event)
                self._ring()
        except Exception as error:  # the end, which the test looks at
            self.error = error
        finally:
            self.is_over = True
            self._ring()

    def of(self, kind: type[EventBase]) -> list[EventBase]:
        """The events of one type."""
        return [event for event in self.events if type(event) is kind]

    @property
    def answers(self) -> list[str]:
        """The words of the answers that were said to their end."""
        return [
            event.transcript
            for event in self.events
            if isinstance(event, ModelResponseAudioTranscriptDoneEvent)
        ]

    async def until(self, is_so: Callable[[Seen], bool]) -> None:
        """Waits until the events are so, or there are no more."""
        with anyio.fail_after(BOUND_S):
            while not is_so(self):
                assert not self.is_over, f"it ended with {self.error!r}"
                await self._news.wait()

    async def until_over(self) -> None:
        """Waits for the end."""
        with anyio.fail_after(BOUND_S):
            while not self.is_over:
                await self._news.wait()

    def _ring(self) -> None:
        self._news.set()
        self._news = anyio.Event()


@asynccontextmanager
async def watched(connection: RealtimeConnection) -> AsyncGenerator[Seen, None]:
    """Reads a connection's events while the context is open."""
    seen = Seen()
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(seen.read, connection)
        try:
            yield seen
        except Exception as error:  # raised below, as it is
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
