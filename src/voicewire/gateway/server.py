"""Runs the gateway under uvicorn: binds, serves, drains, stops."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import socket
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import anyio
import uvicorn
from fastapi import FastAPI

from voicewire.errors import ConfigError, VoicewireError
from voicewire.gateway.admission import Admission
from voicewire.gateway.app import create_app
from voicewire.gateway.auth import is_loopback
from voicewire.gateway.cassettes import Cassettes
from voicewire.gateway.handshakes import TimedHttpProtocol
from voicewire.gateway.observe import GatewayObserver
from voicewire.gateway.recordings import Recordings
from voicewire.gateway.room_plan import RoomPlan
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.tls import TlsFiles
from voicewire.gateway.transport import AbortableWebSocketProtocol
from voicewire.models.model import RealtimeModel

_LOG = logging.getLogger("voicewire.gateway")
_BACKLOG = 128
_OVERSIZE_BYTES = 8 * 1024 * 1024


class GatewayServer(uvicorn.Server):
    """uvicorn's server that ends its sessions in order before it closes their sockets.

    Args:
        app: What ``create_app`` made.
        listener: A bound, listening socket; the server closes it.
        on_ready: Called with the server's URL when connections are taken.
        handles_signals: Whether SIGTERM and SIGINT stop it (only in the main thread).
        tls: Certificate to serve with; without one it speaks plain HTTP and WebSocket.
        warm_up: Starts to load models, in threads of their own; ``/readyz`` waits for what it returns.
    """

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        *,
        on_ready: Callable[[str], None] = lambda _: None,
        handles_signals: bool = True,
        tls: TlsFiles | None = None,
        warm_up: Callable[[], Iterable[Future[None]]] = tuple,
    ) -> None:
        settings: GatewaySettings = app.state.settings
        config = uvicorn.Config(
            app,
            http=TimedHttpProtocol,
            ws=AbortableWebSocketProtocol,
            # The gateway answers a message above its limit in the words of the wire; only one far above it
            # costs the connection (close code 1009).
            ws_max_size=settings.max_message_bytes + _OVERSIZE_BYTES,
            ws_per_message_deflate=False,
            # uvicorn's own log lines hold whole URLs, and some clients put their key into the query.
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            backlog=_BACKLOG,
            timeout_graceful_shutdown=max(1, round(settings.close_grace_s)),
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        super().__init__(config)
        self.url = _url_of(listener, is_tls=tls is not None)
        self._app = app
        self._on_ready = on_ready
        self._handles_signals = handles_signals
        self._warm_up = warm_up
        self._loading: list[Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: anyio.CancelScope | None = None
        self._draining: anyio.CancelScope | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to take connections and says so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        # Not earlier: it would take its share of the time until connections are taken.
        self._loading = list(self._warm_up())
        admission: Admission = self._app.state.admission
        admission.is_warming = bool(self._loading)
        if self._handles_signals:
            _freeze()
        self._on_ready(self.url)

    async def main_loop(self) -> None:
        """Runs until it is told to stop; notes when all is loaded."""
        async with anyio.create_task_group() as tasks:
            self._ticking = tasks.cancel_scope
            tasks.start_soon(self._wait_until_warm)
            await super().main_loop()
            tasks.cancel_scope.cancel()

    def stop(self) -> None:
        """Stops at once, from within its event loop; ``should_exit`` is looked at ten times a second."""
        self.should_exit = True
        if self._ticking is not None:
            self._ticking.cancel()

    async def _wait_until_warm(self) -> None:
        admission: Admission = self._app.state.admission
        try:
            for loading in self._loading:
                await asyncio.shield(asyncio.wrap_future(loading))
        except VoicewireError as error:
            # Whoever asks for the model is told so; other models are served meanwhile.
            _LOG.warning("a model could not be loaded", extra={"reason": str(error)})
            return
        admission.is_warming = False
        if self._handles_signals:
            _freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, lets responses under way end, then closes what is left.

        uvicorn alone would close every WebSocket at once, in the middle of a sentence.
        """
        for server in self.servers:
            server.close()
        admission: Admission = self._app.state.admission
        settings: GatewaySettings = self._app.state.settings
        admission.draining.set()
        with anyio.move_on_after(settings.drain_s + settings.close_grace_s) as self._draining:
            await admission.wait_until_empty()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Notes the signal; the second SIGINT ends the wait for responses under way."""
        super().handle_exit(sig, frame)
        if self.force_exit and self._loop is not None and self._draining is not None:
            # A signal handler runs between two byte codes of any task: only this call is safe from there.
            self._loop.call_soon_threadsafe(self._draining.cancel)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handles the signals while the server runs; none is raised again: a drained server exits with 0."""
        if not self._handles_signals:
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _freeze() -> None:
    """Takes what was imported, which lives as long as the process does, out of the garbage collector's sight.

    A collection that walks through all of it stops every session for 20 to 150 ms (docs/adr/0013).
    """
    gc.collect()
    gc.freeze()


def serve(
    models: RealtimeModel | Sequence[RealtimeModel],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    settings: GatewaySettings | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
    tls: TlsFiles | None = None,
    observers: Iterable[GatewayObserver] = (),
    recordings: Recordings | None = None,
    cassettes: Cassettes | None = None,
    rooms: RoomPlan | None = None,
    warm_up: Callable[[], Iterable[Future[None]]] = tuple,
) -> None:
    """Serves until SIGTERM or SIGINT, drains, and returns.

    Args:
        models: The models to serve; the first one is the default.
        host: Address to listen on; anything but this machine's own needs API keys in ``settings``.
        port: 0 for any free port.
        settings: Limits and keys.
        on_ready: Called with the URL, such as ``http://127.0.0.1:8080``, when connections are taken.
        tls: Certificate to serve with.
        observers: Told of what happens, besides the metrics.
        recordings: Where sessions are recorded; opened and closed here.
        cassettes: Where the wires of clients are recorded; opened and closed here.
        rooms: Which agents are in the rooms; two of the first model by default.
        warm_up: Starts to load models, in threads of their own; ``/readyz`` waits for what it returns.

    Raises:
        ConfigError: The host is not this machine's own and there are no keys; the port is in use.
    """
    limits = settings or GatewaySettings()
    app = create_app(
        models,
        settings=limits,
        observers=observers,
        recordings=recordings,
        cassettes=cassettes,
        rooms=rooms,
    )
    with (
        bind(host, port, needs_keys=not limits.api_keys) as listener,
        recordings or nullcontext(),
        cassettes or nullcontext(),
    ):
        server = GatewayServer(app, listener, on_ready=on_ready, tls=tls, warm_up=warm_up)
        server.run(sockets=[listener])


def bind(host: str, port: int, *, needs_keys: bool = True) -> socket.socket:
    """A listening TCP socket.

    Args:
        host: Name or address.
        port: 0 for any free port.
        needs_keys: True when no API keys are set, which only a loopback address may do.

    Raises:
        ConfigError: Not allowed, in use, or no such address; the message says which.
    """
    if needs_keys and not is_loopback(host):
        raise ConfigError(
            f"host {host!r} can be reached from other machines and no API keys are set; "
            "give --api-keys FILE or VOICEWIRE_API_KEYS, or listen on 127.0.0.1"
        )
    try:
        found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"host {host!r} is not an address of this machine: {error.strerror or error}; use 127.0.0.1, "
            "or 0.0.0.0 for every address"
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host!r} is in use; stop the other program or give another --port"
            ) from error
        raise ConfigError(
            f"cannot listen on {host!r} port {port}: {error.strerror or error}; give another --host or --port"
        ) from error
    return listener


def _url_of(listener: socket.socket, *, is_tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
