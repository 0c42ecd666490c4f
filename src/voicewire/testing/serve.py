"""A gateway for tests: on a free loopback port, in the caller's own event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicewire.gateway.admission import Admission
    from voicewire.gateway.cassettes import Cassettes
    from voicewire.gateway.room_plan import RoomPlan
    from voicewire.gateway.settings import GatewaySettings
    from voicewire.gateway.tls import TlsFiles
    from voicewire.models.model import RealtimeModel


@dataclass(frozen=True, slots=True)
class ServedGateway:
    """A running gateway."""

    http_url: str
    """Such as ``http://127.0.0.1:49152``, without a slash at the end."""
    ws_url: str
    """The same with ``ws://``."""
    admission: Admission
    """How many sessions run; ``await admission.wait_until_empty()`` waits for the last one's end."""


@asynccontextmanager
async def serve(
    model: str | RealtimeModel | Sequence[RealtimeModel] = "echo",
    *,
    settings: GatewaySettings | None = None,
    tls: TlsFiles | None = None,
    cassettes: Cassettes | None = None,
    rooms: RoomPlan | None = None,
) -> AsyncGenerator[ServedGateway, None]:
    """Runs a gateway while the context is open.

    It runs in the caller's event loop, so a test needs no thread and can look into the server; a client
    that blocks the loop (a synchronous SDK) has to run in a thread of its own.

    Args:
        model: A model's name, such as ``echo`` or ``scripted:FILE``, or a model, or several.
        settings: Limits and keys. The default waits for no response when the context is left.
        tls: Certificate to serve with, such as ``voicewire.gateway.tls.self_signed`` makes.
        cassettes: Where the wires of clients are recorded; whoever made it opens and closes it.
        rooms: Which agents are in its rooms; two of the first model by default.

    Yields:
        Its addresses.

    Raises:
        ConfigError, UnknownModelError: The model cannot be made.

    Leaving the context closes every connection and leaves no task, thread or socket behind.
    """
    import anyio

    from voicewire.gateway.app import create_app
    from voicewire.gateway.server import GatewayServer, bind
    from voicewire.gateway.settings import GatewaySettings
    from voicewire.models import create_model
    from voicewire.testing.running import running

    limits = settings or GatewaySettings(drain_s=0.0, close_grace_s=1.0)
    served = create_model(model) if isinstance(model, str) else model
    app = create_app(served, settings=limits, cassettes=cassettes, rooms=rooms)
    ready = anyio.Event()
    with bind("127.0.0.1", 0, needs_keys=not limits.api_keys) as listener:
        server = GatewayServer(app, listener, on_ready=lambda _: ready.set(), handles_signals=False, tls=tls)
        async with running(server, listener, ready):
            yield ServedGateway(server.url, server.url.replace("http", "ws", 1), app.state.admission)
