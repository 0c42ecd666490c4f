"""Loopback servers that we did not write (websockets), and one raw enough to break every rule."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve

from voicewire.transport.frames import CloseInfo, Frame, FrameTransport

Handler = Callable[[ServerConnection], Awaitable[None]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Inbox:
    """A receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.closed: list[CloseInfo] = []
        self.opened = 0
        self._news = anyio.Event()

    def on_open(self, transport: FrameTransport) -> None:
        self.opened += 1

    def on_message(self, message: memoryview | Frame) -> None:
        self.messages.append(str(message, "utf-8") if isinstance(message, memoryview) else message)
        self._news.set()

    def on_closed(self, info: CloseInfo) -> None:
        self.closed.append(info)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not condition():
                self._news = anyio.Event()
                await self._news.wait()

    async def next_count(self, count: int) -> list[str | bytes]:
        await self.until(lambda: len(self.messages) >= count)
        return self.messages

    async def end(self) -> CloseInfo:
        await self.until(lambda: bool(self.closed))
        return self.closed[0]


@asynccontextmanager
async def serving(handler: Handler, **options: object) -> AsyncGenerator[str, None]:
    """A `websockets` server; yields its address."""
    settings = {"compression": None, "ping_interval": None, "close_timeout": 0.2, **options}
    async with websockets_serve(handler, "127.0.0.1", 0, **settings) as server:  # type: ignore[arg-type]  # a bag of options
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


@asynccontextmanager
async def serving_raw(handler: RawHandler) -> AsyncGenerator[str, None]:
    """A TCP server; yields its address as a WebSocket's."""
    handled: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for _ in range(10):  # a connection that is being accepted gets its handler, and is closed below
            await asyncio.sleep(0)
        server.close()
        for writer in handled:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        await server.wait_closed()


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, extra: str = "") -> bytes:
    """Answers a WebSocket handshake; gives the request."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b":", 1)[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + extra.encode()
        + b"Sec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )
    return request


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """One unmasked frame."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + bytes([126]) + len(payload).to_bytes(2, "big") + payload
    return head + bytes([127]) + len(payload).to_bytes(8, "big") + payload


class ManualTimers:
    """``call_later`` under the hand of the test."""

    def __init__(self) -> None:
        self.due: list[ManualTimer] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(delay_s, callback)
        self.due.append(timer)
        return timer

    def fire(self) -> float:
        """Runs the oldest timer that was not cancelled; gives its delay."""
        while self.due:
            timer = self.due.pop(0)
            if not timer.is_cancelled:
                timer.callback()
                return timer.delay_s
        raise AssertionError("no timer is running")


class ManualTimer:
    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
