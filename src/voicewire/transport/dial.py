"""The way to a connected socket, and back out of a half-made connection."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from contextlib import suppress

import anyio
import anyio.lowlevel

_TRY_NEXT_ADDRESS_S = 2.5
"""How long one address of several may take, so that a dead IPv6 route does not use up the whole time."""

_RECEIVE_BUFFER_BYTES = 128 * 1024
"""What the kernel may hold for one connection: two seconds of audio in JSON, so 20 times real time at a round
trip of 100 ms. By itself it would hold megabytes of a response that comes faster than it is taken, hand them over
in one read, and the read buffer of picows, which only grows, would stay that large for the whole session."""


class Dialler:
    """Makes the socket of one connection and can take it down at any point of the handshake.

    picows leaves the socket open when ``ws_connect`` is cancelled in the middle of the handshake, so the
    socket is made here and `hang_up` ends it.
    """

    def __init__(self) -> None:
        self._sock: socket.socket | None = None

    async def dial(self, host: str, port: int) -> socket.socket:
        """Connects to the first address of a host that answers.

        Raises:
            OSError: The name is unknown, or no address answered (the error of the last one).

        Cancellation: safe; nothing stays open.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f"{host} has no address")
        for number, (family, kind, protocol, _, address) in enumerate(found, start=1):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
                with anyio.move_on_after(None if number == len(found) else _TRY_NEXT_ADDRESS_S):
                    await loop.sock_connect(sock, address)
                    self._sock = sock
                    return sock
                failure = TimeoutError(f"{host} did not answer")
            except OSError as error:
                failure = error
            finally:
                if self._sock is not sock:
                    sock.close()
        raise failure

    async def hang_up(self) -> None:
        """Ends the socket, whoever holds it now, and lets the loop notice. Runs to its end when cancelled."""
        if self._sock is None:
            return
        # The descriptor belongs to the event loop's transport by now: shutting the socket down makes that
        # transport see the end and close it; closing it here would pull it from under the selector.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        for _ in range(3):  # select, read the end, call connection_lost
            await anyio.lowlevel.cancel_shielded_checkpoint()


@functools.cache
def _default_tls() -> ssl.SSLContext:
    return ssl.create_default_context()


async def default_tls() -> ssl.SSLContext:
    """The process's TLS settings for clients; reading the certificates takes tens of milliseconds, once."""
    return await anyio.to_thread.run_sync(_default_tls)
