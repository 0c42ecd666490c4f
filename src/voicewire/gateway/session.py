"""One gateway session: a client's socket, the server side of its wire and a model, in one task group."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio

from voicewire.errors import (
    ConfigError,
    ConsumerTooSlow,
    OutOfCapacity,
    ProviderError,
    SessionClosed,
    UnsupportedError,
    VoicewireError,
)
from voicewire.events.base import EventBase
from voicewire.events.commands import Command
from voicewire.events.model import (
    ModelErrorEvent,
    ModelResponseCreatedEvent,
    ModelResponseDoneEvent,
    ModelSessionEndedEvent,
)
from voicewire.events.session import SessionConfig
from voicewire.gateway.admission import Admission
from voicewire.gateway.outbox import Outbox
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientGone, ClientSocket
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.protocols.codec import Frame, ServerCodec

_LOG = logging.getLogger("voicewire.gateway")
_GOING_AWAY = 1001
_ABNORMAL = 1006
_POLICY = 1008
_INTERNAL = 1011
_TRY_LATER = 1013


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended, as the client is to be told."""

    code: int
    reason: str = ""
    is_client_gone: bool = False
    is_client_stuck: bool = False
    """The client does not read: what still waits for it is thrown away."""


_CLIENT_GONE = SessionEnd(1000, is_client_gone=True)


class GatewaySession:
    """Pumps frames both ways until one side ends; then both have ended.

    Resources and their owners: the socket belongs to the caller, the model's connection to ``run``, the four
    tasks to the task group of ``_pump``; all are gone when ``run`` returns or raises.

    Args:
        socket: An accepted WebSocket.
        codec: The server side of the wire that the client speaks.
        settings: Budgets and times.
        admission: Tells when the gateway is about to stop.
    """

    def __init__(
        self, socket: ClientSocket, codec: ServerCodec, settings: GatewaySettings, admission: Admission
    ) -> None:
        self._socket = socket
        self._codec = codec
        self._settings = settings
        self._admission = admission
        self._outbox = Outbox(settings.send_budget_bytes)
        self._scope: anyio.CancelScope | None = None
        self._end: SessionEnd | None = None
        self._active_ids: set[str] = set()
        self._quiet = anyio.Event()
        self._quiet.set()

    async def run(self, model: RealtimeModel, config: SessionConfig) -> None:
        """Opens the model, talks, and closes the client's socket with the reason of the end."""
        try:
            async with model.open(config=config) as connection:
                end = await self._pump(connection)
        except VoicewireError as error:
            end = self._failed(error)
        except Exception:
            # Task boundary: a fault in one session must not reach the server, and the client must hear of it.
            _LOG.exception("session failed")
            self._report("server_error", "internal_error", "the server failed; its log says why")
            end = SessionEnd(_INTERNAL, "internal error")
        await self._close(end)

    async def _pump(self, connection: RealtimeConnection) -> SessionEnd:
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            for pump in (self._write, self._watch_for_drain):
                tasks.start_soon(pump)
            for relay in (self._relay_commands, self._relay_events):
                tasks.start_soon(relay, connection)
        return self._end or SessionEnd(_INTERNAL, "internal error")

    def _finish(self, end: SessionEnd) -> None:
        """Ends the pumps; the first end counts."""
        if self._end is None:
            self._end = end
        if self._scope is not None:
            self._scope.cancel()

    async def _relay_commands(self, connection: RealtimeConnection) -> None:
        while True:
            try:
                frame = await self._socket.receive()
            except ClientGone:
                self._finish(_CLIENT_GONE)
                return
            if len(frame) > self._settings.max_message_bytes:
                limit_bytes = self._settings.max_message_bytes
                message = f"the message has {len(frame)} bytes; at most {limit_bytes} are allowed"
                self._report("invalid_request_error", "message_too_large", message)
                continue
            commands = self._codec.receive(frame)
            self._queue(self._codec.data_to_send())
            for command in commands:
                await self._send(connection, command)

    async def _send(self, connection: RealtimeConnection, command: Command) -> None:
        try:
            await connection.send(command)
        except SessionClosed:
            # The end event is on its way; it carries the code and the reason.
            return
        except VoicewireError as error:
            is_refusal = isinstance(error, UnsupportedError | ValueError)
            kind, code = (
                ("invalid_request_error", "unsupported") if is_refusal else ("server_error", "model_failed")
            )
            self._report(kind, code, str(error), command.command_id)

    async def _relay_events(self, connection: RealtimeConnection) -> None:
        end: SessionEnd | None = None
        try:
            async for event in connection:
                self._note(event)
                if isinstance(event, ModelSessionEndedEvent):
                    end = SessionEnd(event.code, event.reason)
                self._queue(self._codec.encode(event))
        except VoicewireError as error:
            end = end or self._failed(error)
        self._finish(end or SessionEnd(1000, "the session is over"))

    def _note(self, event: EventBase) -> None:
        """Keeps count of the responses under way, so that a drain can wait for them."""
        if isinstance(event, ModelResponseCreatedEvent):
            if not self._active_ids:
                self._quiet = anyio.Event()
            self._active_ids.add(event.response_id)
        elif isinstance(event, ModelResponseDoneEvent):
            self._active_ids.discard(event.response_id)
            if not self._active_ids:
                self._quiet.set()

    async def _watch_for_drain(self) -> None:
        await self._admission.draining.wait()
        with anyio.move_on_after(self._settings.drain_s):
            await self._quiet.wait()
        self._finish(SessionEnd(_GOING_AWAY, "the server is shutting down"))

    async def _write(self) -> None:
        try:
            while True:
                await self._socket.send(await self._outbox.first())
                self._outbox.pop()
        except ClientGone:
            self._finish(_CLIENT_GONE)

    def _queue(self, frames: list[Frame]) -> None:
        try:
            for frame in frames:
                self._outbox.put(frame)
        except ConsumerTooSlow as error:
            _LOG.warning("client too slow", extra={"pending_bytes": self._outbox.pending_bytes})
            self._finish(SessionEnd(_POLICY, str(error), is_client_stuck=True))

    def _report(self, kind: str, code: str, message: str, command_id: str = "") -> None:
        """Tells the client of trouble, in its own wire's words."""
        event = ModelErrorEvent(error_type=kind, code=code, message=message, command_id=command_id)
        self._queue(self._codec.encode(event))

    def _failed(self, error: VoicewireError) -> SessionEnd:
        """Reports the error that ended the session, or kept it from starting."""
        _LOG.warning("session ended by an error", extra={"error": str(error)})
        code = error.code if isinstance(error, ProviderError) else ""
        if isinstance(error, OutOfCapacity):
            self._report("server_error", code or "out_of_capacity", str(error))
            return SessionEnd(_TRY_LATER, str(error))
        kind = "invalid_request_error" if isinstance(error, UnsupportedError) else "server_error"
        fallback = "model_misconfigured" if isinstance(error, ConfigError) else "model_failed"
        self._report(kind, code or fallback, str(error))
        return SessionEnd(_INTERNAL, str(error))

    async def _close(self, end: SessionEnd) -> None:
        """Delivers what still waits, then closes; cuts a client that accepts neither in time."""
        if end.is_client_gone:
            return
        with anyio.move_on_after(self._settings.close_grace_s) as grace:
            try:
                while len(self._outbox) and not end.is_client_stuck:
                    await self._socket.send(await self._outbox.first())
                    self._outbox.pop()
                if end.code == _ABNORMAL and self._socket.abort():
                    return
                await self._socket.close(end.code, end.reason)
            except ClientGone:
                return
        if grace.cancelled_caught:
            self._socket.abort()
