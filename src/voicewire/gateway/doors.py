"""The doors of the gateway: which URL speaks which wire, and who may pass."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from starlette.types import ASGIApp

from voicewire.errors import OutOfCapacity
from voicewire.events.session import SessionConfig, Transcription
from voicewire.gateway.admission import Admission
from voicewire.gateway.auth import KeyRing
from voicewire.gateway.bound_session import bound_config
from voicewire.gateway.cassettes import Cassettes
from voicewire.gateway.dialects import in_dialect, query_of, subprotocol_of
from voicewire.gateway.observe import GatewayObserver, SessionFacts
from voicewire.gateway.resume import ResumeTable
from voicewire.gateway.room_plan import RoomPlan
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientGone, ClientSocket, Receive, Scope, Send
from voicewire.gateway.visit import Visit
from voicewire.gateway.visitors import Lock, Refusal, Visitor
from voicewire.gateway.watching import WatchedModel
from voicewire.models.model import RealtimeModel
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server import OpenAIServerCodec

SUBPROTOCOL = "realtime"


@dataclass(frozen=True, slots=True)
class House:
    """What all doors share."""

    models: tuple[RealtimeModel, ...]
    settings: GatewaySettings
    keys: KeyRing
    admission: Admission
    observer: GatewayObserver = field(default_factory=GatewayObserver)
    """Told of refusals, limits, sessions and failures."""
    lock: Lock = field(default_factory=lambda: Lock(KeyRing(())))
    """Decides who may pass."""
    resumable: ResumeTable = field(default_factory=ResumeTable)
    """Sessions of the agent door that can be resumed."""
    room_plan: RoomPlan = field(default_factory=RoomPlan)
    """What the rooms are like."""
    cassettes: Cassettes | None = None
    """Where the clients' wires are recorded, if they are."""

    def model_named(self, name: str) -> RealtimeModel:
        """The served model of this name; the first one for any other name."""
        return next((model for model in self.models if model.name == name), self.models[0])

    def watched(
        self, model: RealtimeModel, facts: SessionFacts, end_of: Callable[[], tuple[int, str] | None]
    ) -> RealtimeModel:
        """The model, opened under the observer's eyes; ``end_of`` gives what the client is told of the end."""
        return WatchedModel(model, self.observer, facts, end_of)

    def http_visitor(self, scope: Scope) -> Visitor | Refusal:
        """Who sends this HTTP request, or why it may not pass; a refusal is counted and logged."""
        visitor = self.lock.visitor(scope)
        if isinstance(visitor, tuple):
            status, code, message = visitor
            self.observer.refused("http", code)
            Visit(door="http", status=status, cause=code, reason=message).log()
        return visitor

    def refusal(self, scope: Scope) -> Refusal | None:
        """Why this HTTP request may not pass; None when it may."""
        visitor = self.http_visitor(scope)
        return visitor if isinstance(visitor, tuple) else None


class Door(ABC):
    """One way in, as an ASGI application: who may not pass is refused before the handshake.

    Args:
        house: What all doors share.
    """

    name: ClassVar[str]
    """In metrics, traces and recordings."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection, from handshake to close."""
        socket = ClientSocket(scope, receive, send)
        socket.visit.door = self.name
        if self.house.cassettes is not None:
            socket.tape = self.house.cassettes.tape(scope, socket.visit)
        try:
            await self._admit(socket, scope)
        finally:
            if socket.tape is not None:
                socket.tape.end()
            socket.visit.log()

    async def _admit(self, socket: ClientSocket, scope: Scope) -> None:
        house, visitor = self.house, self.house.lock.visitor(scope)
        if isinstance(visitor, tuple):
            status, code, message = visitor
            house.observer.refused(self.name, code)
            await refuse(socket, status, code, message)
            return
        socket.visit.came_as(visitor.key_id, visitor.secret)
        most = house.settings.max_sessions_per_key if visitor.key_id else 0
        try:
            with house.admission.session(), house.admission.share_of(f"key {visitor.key_id}", most):
                await self.serve(socket, scope)
        except OutOfCapacity as error:
            house.observer.refused(self.name, "out_of_capacity")
            after = ("retry-after", str(int(error.retry_after_s)))
            await refuse(socket, 503, "out_of_capacity", str(error), (after,))

    def model_for(self, socket: ClientSocket, name: str) -> RealtimeModel:
        """The served model for a client that asks for this name.

        What its client secret names counts for more: it may be all that its holder may use.
        """
        bound = socket.visit.session or {}
        model = self.house.model_named(str(bound.get("model") or name))
        socket.visit.model = model.name
        socket.visit.asked_model = name or model.name
        return model

    @abstractmethod
    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves a client that may pass; the handshake is still to be answered."""


class OpenAIDoor(Door):
    """``WS /v1/realtime``, Azure's ``/openai/v1/realtime`` and ``/openai/realtime``: the OpenAI wire."""

    name = "openai"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        query = query_of(scope)
        bound = socket.visit.session
        name = str((bound or {}).get("model") or query.get("model") or query.get("deployment", ""))
        model = self.model_for(socket, name)
        is_transcription = query.get("intent") == "transcription"
        config = SessionConfig(
            model=name or model.name,
            transcription=Transcription() if is_transcription else None,
            is_transcription_only=is_transcription,
        )
        if bound is not None:
            config = bound_config(bound, config.model)
        house = self.house
        codec = in_dialect(_openai_codec(config.model, house.settings), scope, model)
        socket.visit.session_id = codec.session_id
        try:
            await socket.accept(subprotocol_of(scope))
        except ClientGone:
            return
        session = GatewaySession(socket, codec, house.settings, house.admission, observer=house.observer)
        facts = SessionFacts(door=self.name, model=model.name, session_id=codec.session_id)
        await session.run(house.watched(model, facts, lambda: session.told), config)


class VoiceLiveDoor(OpenAIDoor):
    """``WS /voice-live/realtime``: Azure Voice Live."""

    name = "voicelive"


class NoDoor:
    """Refuses a WebSocket whose path no door has; hands other requests on.

    Args:
        otherwise: What answers them.
    """

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "websocket":
            await self._otherwise(scope, receive, send)
            return
        socket = ClientSocket(scope, receive, send)
        socket.visit.door = "none"
        await refuse(socket, 404, "not_found", "nothing is served at this address")
        socket.visit.log()


async def refuse(
    socket: ClientSocket, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Answers a handshake with an HTTP error, its body as the OpenAI wire has it."""
    visit = socket.visit
    visit.status, visit.cause, visit.reason = status, code, message
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"type": kind, "code": code, "message": message, "param": None}}
    await socket.refuse(status, body, headers)


def _openai_codec(name: str, settings: GatewaySettings) -> OpenAIServerCodec:
    limits = ServerLimits()
    if settings.max_session_s:
        limits = ServerLimits(session_length_s=max(1, round(settings.max_session_s)))
    return OpenAIServerCodec(ids=_new_id, now_s=int(time.time()), model=name, limits=limits)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
