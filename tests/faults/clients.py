"""Clients of the gateway that misbehave, and models that are slow; all on 127.0.0.1."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import ClientConnection, connect

from voicewire.events.session import SessionConfig, ToolSpec
from voicewire.models.model import Capabilities, RealtimeConnection, RealtimeModel
from voicewire.testing import ServedGateway

BOUND_S = 5.0
"""No wait of a client is longer; a bound, not an expectation."""
MANUAL = {
    "type": "session.update",
    "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
}


def text_item(text: str) -> dict[str, Any]:
    """The event that adds a user's text."""
    content = [{"type": "input_text", "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": content},
    }


def append(audio: bytes) -> dict[str, Any]:
    """The event that appends audio."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


class Client:
    """A well-behaved client, with bounded waits."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, *frames: dict[str, Any] | str | bytes) -> None:
        """Sends events, or frames as they are."""
        for frame in frames:
            await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of this type; the others are passed over."""
        with anyio.fail_after(BOUND_S):
            while True:
                event: dict[str, Any] = json.loads(await self.socket.recv())
                if event["type"] == kind:
                    return event

    async def error_of(self, frame: dict[str, Any] | str | bytes) -> dict[str, Any]:
        """The error that a frame is answered with, before anything else is answered."""
        await self.say(frame, {"type": "nothing", "event_id": "after"})
        error: dict[str, Any] = (await self.until("error"))["error"]
        return error

    async def is_served(self) -> None:
        """Proves that the session works: a text turn from end to end."""
        await self.say(text_item("hi"), {"type": "response.create"})
        done = await self.until("response.done")
        assert done["response"]["status"] == "completed"


@asynccontextmanager
async def client_of(
    gateway: ServedGateway, model: str = "echo", **options: Any
) -> AsyncGenerator[Client, None]:
    """A client that has been greeted."""
    async with connect(f"{gateway.ws_url}/v1/realtime?model={model}", max_size=None, **options) as socket:
        client = Client(socket)
        await client.until("session.created")
        yield client


class RawClient:
    """A client that is no more than a TCP connection: it can stop, and die, wherever it likes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def say(self, data: bytes) -> None:
        """Sends bytes."""
        with anyio.fail_after(BOUND_S):
            await self._loop.sock_sendall(self._sock, data)

    async def shake_hands(self, path: str = "/v1/realtime?model=echo") -> None:
        """Completes the WebSocket handshake."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.say(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await self.read_until(b"\r\n\r\n")
        assert b" 101 " in self._received.split(b"\r\n", 1)[0]

    async def read_until(self, mark: bytes) -> None:
        """Reads until these bytes have come."""
        with anyio.fail_after(BOUND_S):
            while mark not in self._received:
                data = await self._loop.sock_recv(self._sock, 65536)
                assert data, f"the server closed before {mark!r}: {self._received[-300:]!r}"
                self._received += data

    async def send(self, *events: dict[str, Any]) -> None:
        """Sends events as masked text frames."""
        for event in events:
            await self.say(masked(1, json.dumps(event).encode()))

    async def read_to_the_end(self) -> bytes:
        """Everything until the server closes or cuts the connection."""
        with anyio.fail_after(BOUND_S):
            try:
                while data := await self._loop.sock_recv(self._sock, 65536):
                    self._received += data
            except ConnectionError:
                pass  # cut by the server, which is one of its ways to end
        return self._received

    def vanish(self, *, is_reset: bool) -> None:
        """Is gone: by a reset, or by a plain end of the TCP connection; never by a closing handshake."""
        if is_reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


@asynccontextmanager
async def raw_client(
    gateway: ServedGateway, *, receive_buffer_bytes: int = 0
) -> AsyncGenerator[RawClient, None]:
    """A TCP connection to a gateway that has said nothing yet."""
    with socket.socket() as sock:
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.setblocking(False)
        parts = urlsplit(gateway.http_url)
        await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, parts.port))
        yield RawClient(sock)


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame (with a mask of zeros)."""
    head = bytes([0x80 | opcode])
    if len(payload) < 126:
        return head + bytes([0x80 | len(payload)]) + bytes(4) + payload
    if len(payload) < 65536:
        return head + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload
    return head + bytes([0x80 | 127]) + len(payload).to_bytes(8, "big") + bytes(4) + payload


class SlowModel(RealtimeModel):
    """A model that stops at a point and never comes further.

    Args:
        stops_in_send: In ``send``; else already while it opens.
    """

    capabilities = Capabilities()

    def __init__(self, *, stops_in_send: bool = False) -> None:
        self.name = "slow"
        self.is_reached = anyio.Event()
        """Set when it has stopped."""
        self.is_over = anyio.Event()
        """Set when its context has been left."""
        self._stops_in_send = stops_in_send

    @asynccontextmanager
    async def open(
        self,
        *,
        instructions: str = "",
        tools: Iterable[ToolSpec | Mapping[str, Any]] | None = None,
        config: SessionConfig | None = None,
    ) -> AsyncGenerator[RealtimeConnection, None]:
        try:
            if not self._stops_in_send:
                await self.stop()
            from tests.gateway.fakes import FakeConnection

            model = self

            class SlowConnection(FakeConnection):
                async def send(self, command: object) -> None:
                    await model.stop()

            connection = SlowConnection()
            try:
                yield connection
            finally:
                await connection.aclose()
        finally:
            self.is_over.set()

    async def stop(self) -> None:
        """Says that the point is reached, and waits for ever."""
        self.is_reached.set()
        await anyio.sleep_forever()
