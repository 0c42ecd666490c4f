"""One gateway session: a client's socket, the server side of its wire and a model, in one task group."""

from __future__ import annotations

import logging

from voicewire.errors import (
    ConfigError,
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
from voicewire.gateway.cuts import ShadowConversation
from voicewire.gateway.fitting import fitting_command, fitting_config
from voicewire.gateway.limits import LimitHit
from voicewire.gateway.line import INTERNAL, NORMAL, TRY_LATER, ClientLine, SessionEnd
from voicewire.gateway.observe import GatewayObserver
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientSocket
from voicewire.models.model import RealtimeConnection, RealtimeModel
from voicewire.protocols.codec import ServerCodec

_LOG = logging.getLogger("voicewire.gateway")


class GatewaySession:
    """Pumps frames both ways until one side ends; then both have ended.

    Resources and their owners: the socket belongs to the caller, the model's connection to ``_talk``, the tasks
    to the client's line; all are gone when ``run`` returns or raises.

    Args:
        socket: An accepted WebSocket.
        codec: The server side of the wire that the client speaks.
        settings: Budgets and times.
        admission: Tells when the gateway is about to stop.
        observer: Told of what passes and what fails.
    """

    def __init__(
        self,
        socket: ClientSocket,
        codec: ServerCodec,
        settings: GatewaySettings,
        admission: Admission,
        *,
        observer: GatewayObserver | None = None,
    ) -> None:
        self._codec = codec
        self._shadow: ShadowConversation | None = None
        """Answers what a model of another wire cannot be told."""
        self._observer = observer or GatewayObserver()
        self._line = ClientLine(
            socket, settings, admission, on_limit=self._tell_limit, observer=self._observer
        )

    @property
    def told(self) -> tuple[int, str] | None:
        """Code and reason of the end; None before it is known."""
        return self._line.told

    async def run(self, model: RealtimeModel, config: SessionConfig) -> None:
        """Opens the model, talks, and closes the client's socket with the reason of the end."""
        await self._line.serve(lambda: self._talk(model, config))

    async def _talk(self, model: RealtimeModel, config: SessionConfig) -> SessionEnd:
        if not model.capabilities.supports_truncation:
            self._shadow = ShadowConversation()
        try:
            async with model.open(config=fitting_config(config, model)) as connection:
                return await self._line.pump(
                    lambda _: self._relay_commands(connection, model),
                    lambda _: self._relay_events(connection),
                )
        except VoicewireError as error:
            return self._failed(error)
        except Exception:
            # Task boundary: a fault in one session must not reach the server, and the client must hear of it.
            _LOG.exception("session failed")
            self._report("server_error", "internal_error", "the server failed; its log says why")
            return SessionEnd(INTERNAL, "internal error", cause="internal_error")

    async def _relay_commands(self, connection: RealtimeConnection, model: RealtimeModel) -> None:
        while True:
            frame = await self._line.receive(self._refuse)
            commands = self._codec.receive(frame)
            self._line.put(self._codec.data_to_send())
            for command in commands:
                self._line.heard(command)
                await self._send(connection, fitting_command(command, model))

    async def _send(self, connection: RealtimeConnection, command: Command) -> None:
        shadow = self._shadow
        try:
            if shadow is None or not shadow.knows_better(command):
                await connection.send(command)
                return
        except SessionClosed:
            # The end event is on its way; it carries the code and the reason.
            return
        except VoicewireError as error:
            is_ours = isinstance(error, UnsupportedError) and shadow is not None
            if not is_ours or not self._answered(command):
                self._report_refusal(command, error)
            return
        self._answered(command)

    def _answered(self, command: Command) -> bool:
        """Whether the gateway answers a command in the place of a model that cannot."""
        answer = None if self._shadow is None else self._shadow.answer(command)
        if answer is not None:
            self._line.put(self._codec.encode(answer))
        return answer is not None

    def _report_refusal(self, command: Command, error: VoicewireError) -> None:
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
                if self._shadow is not None:
                    self._shadow.note(event)
                if isinstance(event, ModelSessionEndedEvent):
                    end = SessionEnd(event.code, event.reason)
                self._line.put(self._codec.encode(event))
        except VoicewireError as error:
            end = end or self._failed(error)
        self._line.finish(end or SessionEnd(NORMAL, "the session is over"))

    def _note(self, event: EventBase) -> None:
        """Keeps count of what the session costs, and of responses under way, so that a drain can wait for them."""
        self._line.said(event)
        if isinstance(event, ModelResponseCreatedEvent):
            self._line.response_began(event.response_id)
        elif isinstance(event, ModelResponseDoneEvent):
            self._line.response_ended(event.response_id)

    def _tell_limit(self, hit: LimitHit) -> None:
        self._report(hit.error_type, hit.code, hit.message)

    def _refuse(self, code: str, message: str) -> None:
        self._report("invalid_request_error", code, message)

    def _report(self, kind: str, code: str, message: str, command_id: str = "") -> None:
        """Tells the client of trouble, in its own wire's words."""
        self._observer.failed(code)
        event = ModelErrorEvent(error_type=kind, code=code, message=message, command_id=command_id)
        self._line.put(self._codec.encode(event))

    def _failed(self, error: VoicewireError) -> SessionEnd:
        """Reports the error that ended the session, or kept it from starting."""
        code = error.code if isinstance(error, ProviderError) else ""
        if isinstance(error, OutOfCapacity):
            self._report("server_error", code or "out_of_capacity", str(error))
            return SessionEnd(TRY_LATER, str(error), cause="out_of_capacity")
        kind = "invalid_request_error" if isinstance(error, UnsupportedError) else "server_error"
        fallback = "model_misconfigured" if isinstance(error, ConfigError) else "model_failed"
        self._report(kind, code or fallback, str(error))
        return SessionEnd(INTERNAL, str(error), cause=fallback)
