"""The Gemini Live door: any client of that wire talks to any served model."""

from __future__ import annotations

from typing import Final

import anyio
import msgspec

from voicewire.errors import RemoteProtocolError
from voicewire.events.session import SessionConfig
from voicewire.gateway.doors import Door
from voicewire.gateway.observe import SessionFacts, new_session_id
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame
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
        try:
            await socket.accept(None)
            setup = await self._first(socket)
            if setup is None:
                return
        except ClientGone:
            return
        model = self.model_for(socket, setup.config.model)
        config = _fitted(setup.config, model)
        codec = GeminiServerCodec(msgspec.structs.replace(setup, config=config))
        house = self.house
        session = GatewaySession(socket, codec, house.settings, house.admission, observer=house.observer)
        facts = SessionFacts(door=self.name, model=model.name, session_id=new_session_id())
        await session.run(house.watched(model, facts, lambda: session.told), config)

    async def _first(self, socket: ClientSocket) -> ClientSetup | None:
        """The client's setup; None when it was refused."""
        frame: Frame | None = None
        with anyio.move_on_after(SETUP_TIMEOUT_S):
            frame = await socket.receive()
            while is_noise(frame):
                frame = await socket.receive()
        if frame is None:
            await socket.close(_POLICY, "no setup came in time")
            return None
        try:
            if len(frame) > self.house.settings.max_message_bytes:
                raise RemoteProtocolError(f"the setup has {len(frame)} bytes, which is too much")
            return read_first(frame)
        except RemoteProtocolError as error:
            await socket.close(_INVALID_ARGUMENT, f"Request contains an invalid argument: {error}")
            return None


def _fitted(config: SessionConfig, model: RealtimeModel) -> SessionConfig:
    """The configuration with a voice that the model has: clients of this wire can only name the provider's."""
    voices = model.capabilities.voices
    if config.voice and voices and config.voice not in voices:
        return msgspec.structs.replace(config, voice="")
    return config
