"""Every provider model, against our gateway on loopback. A new provider is one line here."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from tests.faults.leaks import SECRET
from voicewire.events.base import EventBase
from voicewire.events.commands import AppendAudio
from voicewire.models import create_model
from voicewire.models.linked import LinkedModel
from voicewire.models.model import RealtimeConnection
from voicewire.testing import ServedGateway
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.policies import ReconnectPolicy

RATE_HZ = 24000
BOUND_S = 8.0
"""No wait is longer; a bound, not an expectation."""
FAST = ReconnectPolicy(max_attempts=3, first_delay_s=0.005, max_delay_s=0.01)
QUICK = WebSocketOptions(
    connect_timeout_s=2.0,
    close_timeout_s=0.2,
    ping_interval_s=0.1,
    ping_timeout_s=0.15,
    max_message_bytes=512 * 1024,
)


@dataclass(frozen=True)
class Provider:
    """A provider's model and where it finds our gateway."""

    name: str
    root: str = ""
    tells_starts: bool = True
    """Whether the start of an utterance is told while it lasts; else with its first words."""


PROVIDERS = {
    "openai": Provider("openai:gpt-realtime", "/v1"),
    "azure": Provider("azure:my-deployment"),
    "gemini": Provider("gemini:gemini-3.8-live", tells_starts=False),
}


def model_of(provider: str, gateway: ServedGateway) -> LinkedModel:
    """The model of a provider, pointed at a gateway, in a hurry."""
    row = PROVIDERS[provider]
    model = create_model(row.name, api_key=SECRET, base_url=gateway.ws_url + row.root, options=QUICK)
    assert isinstance(model, LinkedModel)
    return model.set_link(reconnect=FAST)


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
