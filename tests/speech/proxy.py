"""A TCP line between a client and a gateway that fails at a chosen point of what the service says."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream

Kind = Literal["cut", "mute", "garbage", "refused", "throttled"]
GARBAGE = b"\x81\x09{not json"
"""A text frame, not masked."""
_STATUS = {"refused": b"401 Unauthorized", "throttled": b"429 Too Many Requests"}


class FaultyLine:
    """What goes wrong, and what was seen.

    Args:
        kind: ``cut`` resets the connection, ``mute`` passes nothing more to the client, ``garbage`` puts a frame that
            no client can read in place of what came; ``refused`` and ``throttled`` answer the handshake.
        at: The fault strikes in place of the service's frame, or handshake, that holds this.
        times: How many connections it strikes.
        after: How often ``at`` passes before.
    """

    def __init__(self, kind: Kind, at: bytes = b"HTTP/1.1 101", *, times: int = 1, after: int = 0) -> None:
        self.url = ""
        self.connections = 0
        self.strikes = 0
        self._kind = kind
        self._at = at
        self._times = times
        self._after = after

    @asynccontextmanager
    async def before(self, ws_url: str) -> AsyncGenerator[FaultyLine, None]:
        """Listens on a free port of loopback while the context is open."""
        target = urlsplit(ws_url)
        port = target.port or 80
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

        async def passed_on(client: SocketStream) -> None:
            async with client, await anyio.connect_tcp("127.0.0.1", port) as service:
                await self._talk(client, service)

        async with listener, anyio.create_task_group() as tasks:
            self.url = f"ws://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            tasks.start_soon(listener.serve, passed_on)
            yield self
            tasks.cancel_scope.cancel()

    async def _talk(self, client: SocketStream, service: SocketStream) -> None:
        self.connections += 1
        if self._kind in _STATUS:
            await client.receive()
            await client.send(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % _STATUS[self._kind])
            return
        async with anyio.create_task_group() as tasks:

            async def up() -> None:
                await _pipe(client, service)
                tasks.cancel_scope.cancel()

            tasks.start_soon(up)
            await self._down(client, service)
            tasks.cancel_scope.cancel()

    async def _down(self, client: SocketStream, service: SocketStream) -> None:
        waits_for = self._after + 1 if self.strikes < self._times else 0
        pieces = _Pieces()
        try:
            async for data in service:
                for piece in pieces.push(data):
                    if waits_for and self._at in piece:
                        waits_for -= 1
                        if not waits_for:
                            self.strikes += 1
                            if await self._strike(client):
                                return
                            continue
                    await client.send(piece)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async def _strike(self, client: SocketStream) -> bool:
        """Whether the connection is over."""
        if self._kind == "mute":
            await anyio.sleep_forever()
        if self._kind == "garbage":
            await client.send(GARBAGE)
            return False
        linger = struct.pack("ii", 1, 0)  # closing resets the connection
        import socket

        client.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return True


class _Pieces:
    """The service's bytes, cut where its handshake and its frames end: how TCP cuts them says nothing."""

    def __init__(self) -> None:
        self._data = b""
        self._is_open = False

    def push(self, data: bytes) -> list[bytes]:
        """What is whole."""
        self._data += data
        pieces: list[bytes] = []
        while 0 < (size := self._size()) <= len(self._data):
            pieces.append(self._data[:size])
            self._data = self._data[size:]
            self._is_open = True
        return pieces

    def _size(self) -> int:
        """Of the next piece; 0 when that is not known yet (RFC 6455, section 5.2)."""
        data = self._data
        if not self._is_open:
            return data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0
        length = data[1] & 0x7F if len(data) > 1 else 0
        head = {126: 4, 127: 10}.get(length, 2)
        if len(data) < head:
            return 0
        return head + (int.from_bytes(data[2:head], "big") if head > 2 else length)


async def _pipe(source: SocketStream, target: SocketStream) -> None:
    try:
        async for data in source:
            await target.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
