"""Providers that fail, on 127.0.0.1: a good one to a chosen point of a session, and then a fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from websockets.asyncio.server import ServerConnection

from tests.faults.leaks import SECRET
from tests.models.frames import CREATED, RESPONSE_CREATED, UPDATED, delta
from tests.transport.servers import serving
from voicewire.errors import VoicewireError
from voicewire.events.base import EventBase
from voicewire.events.model import ModelResponseDoneEvent, ModelSessionEndedEvent
from voicewire.models.model import RealtimeConnection
from voicewire.models.openai import OpenAIRealtimeModel
from voicewire.transport.options import WebSocketOptions
from voicewire.transport.policies import NO_RECONNECT

BOUND_S = 5.0
"""No wait for a provider is longer; a bound, not an expectation."""
STATES = ("greeting", "configuring", "ready", "replying")
"""Before the greeting, before the confirmation, between turns, in the middle of a reply."""
QUICK = WebSocketOptions(
    connect_timeout_s=0.5,
    close_timeout_s=0.2,
    ping_interval_s=0.1,
    ping_timeout_s=0.1,
    max_message_bytes=64 * 1024,
)
Fault = Callable[[ServerConnection], Awaitable[None]]


async def cut(socket: ServerConnection) -> None:
    """The TCP connection is reset."""
    socket.transport.abort()


async def end_of_stream(socket: ServerConnection) -> None:
    """The TCP connection ends, without a closing handshake."""
    socket.transport.close()


async def half_open(socket: ServerConnection) -> None:
    """Nothing is read or written any more, and nobody says so."""
    socket.transport.pause_reading()


def close(code: int, reason: str) -> Fault:
    """A closing handshake."""

    async def fault(socket: ServerConnection) -> None:
        await socket.close(code, reason)

    return fault


def frame(content: str | bytes) -> Fault:
    """One frame."""

    async def fault(socket: ServerConnection) -> None:
        await socket.send(content)

    return fault


def error_event(code: str, kind: str = "invalid_request_error") -> str:
    """An ``error`` event that repeats the key, as some providers do."""
    body = {"type": kind, "code": code, "message": f"Incorrect API key provided: {SECRET}.", "param": None}
    return json.dumps({"type": "error", "event_id": "e9", "error": body})


@asynccontextmanager
async def failing_provider(state: str, fault: Fault) -> AsyncGenerator[str, None]:
    """A provider that is a good one up to ``state``; gives its base URL."""

    async def serve_one(socket: ServerConnection) -> None:
        place = STATES.index(state)
        if place >= 1:
            await socket.send(CREATED)
        await socket.recv()  # session.update
        if place >= 2:
            await socket.send(UPDATED)
        if place >= 3:
            await socket.send(RESPONSE_CREATED)
            await socket.send(delta(b"\x01\x02" * 480))
        await fault(socket)
        await socket.wait_closed()

    async with serving(serve_one) as url:
        yield f"{url}/v1"


def model_at(base_url: str, *, setup_timeout_s: float = 2.0) -> OpenAIRealtimeModel:
    """Our client of it, for which a lost connection is the end; what restores one is tested in tests/supervisor."""
    model = OpenAIRealtimeModel(
        "gpt-realtime", SECRET, base_url=base_url, options=QUICK, setup_timeout_s=setup_timeout_s
    )
    return model.set_link(reconnect=NO_RECONNECT)


class Outcome:
    """What an application saw of a session."""

    def __init__(self) -> None:
        self.was_open = False
        self.events: list[EventBase] = []
        self.error: VoicewireError | None = None

    @property
    def ends(self) -> list[ModelSessionEndedEvent]:
        """The end events."""
        return [event for event in self.events if isinstance(event, ModelSessionEndedEvent)]

    @property
    def failed_responses(self) -> list[ModelResponseDoneEvent]:
        """The ends of responses."""
        return [event for event in self.events if isinstance(event, ModelResponseDoneEvent)]


async def talked_with(model: OpenAIRealtimeModel) -> Outcome:
    """Opens a session and takes its events to their end."""
    outcome = Outcome()
    with anyio.fail_after(BOUND_S):
        try:
            async with model.open() as connection:
                outcome.was_open = True
                await _take(connection, outcome)
        except VoicewireError as error:
            outcome.error = error
    return outcome


async def _take(connection: RealtimeConnection, outcome: Outcome) -> None:
    async for event in connection:
        outcome.events.append(event)


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncGenerator[str, None]:
    """A server that answers a handshake with these bytes, or with nothing at all; gives its base URL."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            if answer is not None:
                writer.write(answer)
                await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up first

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()
