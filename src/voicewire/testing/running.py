"""A gateway's server in the caller's own event loop, for as long as a context is open."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio

    from voicewire.gateway.server import GatewayServer


@asynccontextmanager
async def running(
    server: GatewayServer, listener: socket.socket, ready: anyio.Event
) -> AsyncGenerator[None, None]:
    """Serves while the context is open; leaving it stops the server and waits for its end.

    Args:
        server: A server that leaves signals alone.
        listener: Its socket.
        ready: What the server sets when it takes connections.
    """
    import anyio

    async def run() -> None:
        # Shielded: a cancelled server would leave its connections open; told to stop, it closes them.
        with anyio.CancelScope(shield=True):
            await server.serve([listener])

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await ready.wait()
        try:
            yield
        except Exception as error:
            # Raised below, as it is: out of the task group it would come as an exception group.
            failure = error
        finally:
            server.stop()
    if failure is not None:
        raise failure
