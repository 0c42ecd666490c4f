"""The Gemini Live door: any client of that wire talks to any served model."""

from __future__ import annotations

from typing import Final

import anyio
import msgspec

from voicewire.errors import RemoteProtocolError
from voicewire.events.session import SessionConfig
from voicewire.gateway.doors import Door
from voicewire.gateway.first_frame import dismiss, fault_of, first_frame
from voicewire.gateway.observe import SessionFacts, new_session_id
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.models.gemini import GeminiRealtimeModel
from voicewire.models.model import RealtimeModel
from voicewire.protocols.gemini.server import GeminiServerCodec
from voicewire.protocols.gemini.server_requests import is_noise, read_first
from voicewire.protocols.gemini.setup import ClientSetup

_METHODS: Final = ("BidiGenerateContent", "BidiGenerateContentConstrained")
_SERVICES: Final = (
    "google.ai.generativelanguage.{version}.GenerativeService.",
    "google.ai.generativelanguage.{version}.GenerativeService/",
    "google.cloud.aiplatform.{version}.LlmBidiService/",
)
GEMINI_PATHS: Final = tuple(
    f"{root}/{service}{method}" for root in ("/ws", "//ws") for service in _SERVICES for method in _METHODS
)
"""Every path that clients of this wire use; a base address with a slash at its end gives two of them."""
SETUP_TIMEOUT_S: Final = 10.0
_INVALID_ARGUMENT: Final = 1007
_POLICY: Final = 1008


class GeminiDoor(Door):
    """``WS /ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent``, and Vertex AI's path.

    The first message says which model and which configuration. A session that cannot be set up is refused by
    closing, as the provider does it: official clients take any first message for a consent.
    """

    name = "gemini"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        socket.visit.session_id = session_id = new_session_id()
        try:
            await socket.accept(None)
            setup = await self._first(socket)
            if setup is None:
                return
        except ClientGone:
            return
        model = self.model_for(socket, setup.config.model)
        config = _fitted(setup.config, model)
        # Settings that only this wire has mean nothing to models of another one.
        passes_settings = isinstance(model, GeminiRealtimeModel)
        codec = GeminiServerCodec(
            msgspec.structs.replace(setup, config=config), passes_settings=passes_settings
        )
        if not passes_settings:
            config = msgspec.structs.replace(config, extra={})
        house = self.house
        session = GatewaySession(socket, codec, house.settings, house.admission, observer=house.observer)
        facts = SessionFacts(door=self.name, model=model.name, session_id=session_id)
        await session.run(house.watched(model, facts, lambda: session.told), config)

    async def _first(self, socket: ClientSocket) -> ClientSetup | None:
        """The client's setup; None when it was refused."""
        until_s = anyio.current_time() + SETUP_TIMEOUT_S
        frame = await first_frame(socket, self.house, SETUP_TIMEOUT_S)
        while frame is not None and is_noise(frame):
            frame = await first_frame(socket, self.house, max(0.0, until_s - anyio.current_time()))
        if frame is None:
            await dismiss(socket, self.house, _POLICY, "no setup came in time", cause="no_session")
            return None
        fault = fault_of(frame, self.house)
        try:
            if not fault:
                return read_first(frame)
        except RemoteProtocolError as error:
            fault = str(error)
        reason = f"Request contains an invalid argument: {fault}"
        await dismiss(socket, self.house, _INVALID_ARGUMENT, reason, cause="invalid_setup")
        return None


def _fitted(config: SessionConfig, model: RealtimeModel) -> SessionConfig:
    """The configuration with a voice that the model has: clients of this wire can only name the provider's."""
    voices = model.capabilities.voices
    if config.voice and voices and config.voice not in voices:
        return msgspec.structs.replace(config, voice="")
    return config
