"""A recording as the provider it was made of: a WebSocket server on this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from voicewire.clock import NS_PER_MS, Clock, MonotonicClock
from voicewire.errors import CassetteMismatch
from voicewire.testing.cassette_files import load_cassette
from voicewire.testing.cassette_model import script_of
from voicewire.testing.cassette_script import Pace, ReplayScript
from voicewire.testing.running import running
from voicewire.transport.cassette import Cassette, Closed, Received

if TYPE_CHECKING:
    from voicewire.gateway.socket import Receive, Scope, Send

_POLICY_CLOSE: Final = 1008
_MAX_REASON_BYTES: Final = 120


@dataclass(slots=True)
class PlayedProvider:
    """A recording that is being served."""

    http_url: str = ""
    """Such as ``http://127.0.0.1:49152``, without a slash at the end; every path of it plays the recording."""
    ws_url: str = ""
    """The same with ``ws://``."""
    connections: int = 0
    """How many clients have connected."""
    mismatches: list[CassetteMismatch] = field(default_factory=list[CassetteMismatch])
    """Clients that left the course of the recording; their connections were closed with 1008."""


@asynccontextmanager
async def serve_cassette(
    cassette: Cassette | str | Path,
    *,
    name: str = "",
    port: int = 0,
    pace: Pace = "fast",
    on_news: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> AsyncGenerator[PlayedProvider, None]:
    """Plays a recording to whoever connects, at any path, while the context is open. Needs ``voicewire[gateway]``.

    The first client gets the recorded session's first connection, the next one its second; after the last it begins
    again. Keys are not looked at.

    Args:
        cassette: The recording, or its file.
        name: What it is called, for errors; the file's name without.
        port: 0 for any free port of 127.0.0.1.
        pace: ``fast``, or ``real-time`` for the recorded times between cause and answer.
        on_news: Told in words who connects, who leaves and why.
        clock: Times the frames.

    Yields:
        Its addresses, and which clients left the course.

    Raises:
        ConfigError: The file is no recording, or the port is in use.
    """
    from fastapi import FastAPI

    from voicewire.gateway.admission import Admission
    from voicewire.gateway.server import GatewayServer, bind
    from voicewire.gateway.settings import GatewaySettings

    name = name or ("cassette" if isinstance(cassette, Cassette) else str(cassette))
    found = (
        cassette
        if isinstance(cassette, Cassette)
        else await anyio.to_thread.run_sync(load_cassette, cassette)
    )
    provider = PlayedProvider()
    app = FastAPI(openapi_url=None)
    app.state.settings = settings = GatewaySettings(drain_s=0.0, close_grace_s=1.0)
    app.state.admission = Admission(settings.max_sessions)
    app.mount("/", _CassetteApp(found, name, pace, provider, on_news, clock or MonotonicClock()))
    ready = anyio.Event()
    with bind("127.0.0.1", port) as listener:
        server = GatewayServer(app, listener, on_ready=lambda _: ready.set(), handles_signals=False)
        provider.http_url, provider.ws_url = server.url, server.url.replace("http", "ws", 1)
        async with running(server, listener, ready):
            yield provider


class _CassetteApp:
    """The ASGI application."""

    def __init__(
        self,
        cassette: Cassette,
        name: str,
        pace: Pace,
        provider: PlayedProvider,
        on_news: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._cassette = cassette
        self._name = name
        self._pace: Pace = pace
        self._provider = provider
        self._on_news = on_news
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._play(scope, receive, send)
        else:
            body = b"This is a recorded provider session; connect a WebSocket client.\n"
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _play(self, scope: Scope, receive: Receive, send: Send) -> None:
        from voicewire.gateway.dialects import subprotocol_of

        numbers = self._cassette.connections or (1,)
        number = numbers[self._provider.connections % len(numbers)]
        self._provider.connections += 1
        who = f"client {self._provider.connections}"
        await receive()  # the handshake
        await send({"type": "websocket.accept", "subprotocol": subprotocol_of(scope)})
        self._on_news(f"{who} plays connection {number}")
        visit = _Visit(
            script_of(self._cassette, number, self._name, self._pace), scope, receive, send, self._clock
        )
        mismatch = await visit.run()
        if mismatch is not None:
            self._provider.mismatches.append(mismatch)
            self._on_news(f"{who} left the course: {mismatch}")
        else:
            self._on_news(f"{who} is gone{visit.rest}")


class _Visit:
    """One client."""

    def __init__(
        self, script: ReplayScript, scope: Scope, receive: Receive, send: Send, clock: Clock
    ) -> None:
        self._script = script
        self._scope = scope
        self._receive = receive
        self._send = send
        self._clock = clock
        self._news = anyio.Event()
        self._mismatch: CassetteMismatch | None = None

    @property
    def rest(self) -> str:
        """What was not played, in words."""
        if self._script.is_over:
            return "; it saw everything"
        expected = self._script.expected
        return f"; it did not send {expected!r}" if expected else "; there was more to come"

    async def run(self) -> CassetteMismatch | None:
        """Plays until the client or the recording ends it; gives what the client did wrong."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, tasks.cancel_scope)
            tasks.start_soon(self._speak, tasks.cancel_scope)
        return self._mismatch

    async def _listen(self, scope: anyio.CancelScope) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            text: str | None = message.get("text")
            try:
                self._script.received(text if text is not None else message["bytes"])
            except CassetteMismatch as error:
                self._mismatch = error
                reason = f"expected {error.expected or 'nothing more'}, got {error.got}"
                with suppress(OSError):
                    await self._close(_POLICY_CLOSE, reason)
                break
            self._news.set()
        scope.cancel()

    async def _speak(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                step, wait_ms = self._script.poll(self._clock.now_ns() / NS_PER_MS)
                if isinstance(step, Closed):
                    await self._end(step)
                elif step is not None:
                    await self._say(step)
                else:
                    self._news = anyio.Event()
                    with anyio.move_on_after(None if wait_ms is None else wait_ms / 1000):
                        await self._news.wait()
        except OSError:
            scope.cancel()  # the server's way to say that the client is gone

    async def _say(self, step: Received) -> None:
        frame = self._script.frame_of(step)
        key = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", key: frame})

    async def _end(self, step: Closed) -> None:
        from voicewire.gateway.socket import ABORT_EXTENSION, sendable_code

        extension: Any = self._scope.get("extensions", {}).get(ABORT_EXTENSION)
        if step.by == "lost" and extension is not None:
            extension["abort"]()
        else:
            await self._close(sendable_code(step.code), step.reason)

    async def _close(self, code: int, reason: str) -> None:
        short = reason.encode()[:_MAX_REASON_BYTES].decode("utf-8", "ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": short})
