"""The doors of the gateway: which URL speaks which wire, and who may pass."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from voicewire.errors import OutOfCapacity
from voicewire.events.session import SessionConfig, Transcription
from voicewire.gateway.admission import Admission
from voicewire.gateway.auth import KeyRing, is_from_this_machine, presented_keys
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.settings import GatewaySettings
from voicewire.gateway.socket import ClientGone, ClientSocket, Receive, Scope, Send
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import ServerCodec
from voicewire.protocols.openai.server import OpenAIServerCodec

SUBPROTOCOL = "realtime"


@dataclass(frozen=True, slots=True)
class House:
    """What all doors share."""

    models: tuple[RealtimeModel, ...]
    settings: GatewaySettings
    keys: KeyRing
    admission: Admission

    def model_named(self, name: str) -> RealtimeModel:
        """The served model of this name; the first one for any other name."""
        return next((model for model in self.models if model.name == name), self.models[0])

    def refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Why this request may not pass, as HTTP status, code and message; None when it may."""
        if self.keys:
            if self.keys.accepts(presented_keys(scope)):
                return None
            return 401, "invalid_api_key", "no valid API key was presented; send one as a bearer token"
        if is_from_this_machine(scope):
            return None
        return 403, "forbidden", "this server has no API keys, so it serves its own machine only"


class Door(ABC):
    """One way in, as an ASGI application: who may not pass is refused before the handshake.

    Args:
        house: What all doors share.
    """

    def __init__(self, house: House) -> None:
        self.house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection, from handshake to close."""
        socket = ClientSocket(scope, receive, send)
        if refused := self.house.refusal(scope):
            status, code, message = refused
            await refuse(socket, status, code, message)
            return
        try:
            with self.house.admission.session():
                await self.serve(socket, scope)
        except OutOfCapacity as error:
            after = ("retry-after", str(int(error.retry_after_s)))
            await refuse(socket, 503, "out_of_capacity", str(error), (after,))

    @abstractmethod
    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves a client that may pass; the handshake is still to be answered."""


class OpenAIDoor(Door):
    """``WS /v1/realtime`` and Azure's ``/openai/v1/realtime``: the OpenAI wire."""

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        name = query.get("model", [""])[0]
        model = self.house.model_named(name)
        offered: Sequence[str] = scope.get("subprotocols", [])
        try:
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        except ClientGone:
            return
        is_transcription = query.get("intent") == ["transcription"]
        config = SessionConfig(
            model=name or model.name,
            transcription=Transcription() if is_transcription else None,
            is_transcription_only=is_transcription,
        )
        session = GatewaySession(
            socket, _openai_codec(config.model), self.house.settings, self.house.admission
        )
        await session.run(model, config)


async def refuse(
    socket: ClientSocket, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Answers a handshake with an HTTP error, its body as the OpenAI wire has it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"type": kind, "code": code, "message": message, "param": None}}
    await socket.refuse(status, body, headers)


def _openai_codec(name: str) -> ServerCodec:
    return OpenAIServerCodec(ids=_new_id, now_s=int(time.time()), model=name)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
