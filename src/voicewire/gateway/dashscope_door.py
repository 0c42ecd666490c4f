"""The DashScope realtime door: any client of that wire talks to any served model."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import parse_qs

from voicewire.gateway.doors import Door
from voicewire.gateway.first_frame import fault_of, first_frame
from voicewire.gateway.observe import SessionFacts
from voicewire.gateway.session import GatewaySession
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.models.dashscope import DashScopeRealtimeModel
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope.server import DashScopeServerCodec
from voicewire.protocols.dashscope.server_requests import family_of_frame, family_of_model
from voicewire.protocols.dashscope.traits import Family

DASHSCOPE_PATHS: Final = ("/api-ws/v1/realtime", "/api-ws/v1/realtime/")
FIRST_FRAME_TIMEOUT_S: Final = 10.0
"""How long a client may keep to itself what its session is for; then it is what the model's name says."""
_NORMAL: Final = 1000


class DashScopeDoor(Door):
    """``WS /api-ws/v1/realtime?model=``: Qwen-Omni, Qwen-ASR and Qwen-TTS.

    The session is greeted at once, as the service does it. What it is for - a conversation, transcripts, speech from
    text - is told by the first event, or by the name of the model.
    """

    name = "dashscope"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        name = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("model", [""])[0]
        model = self.model_for(socket, name)
        codec = DashScopeServerCodec(
            ids=_new_id,
            model=name or model.name,
            family=family_of_model(name),
            voices=model.capabilities.voices,
            passes_settings=isinstance(model, DashScopeRealtimeModel),
            # A model that hears speech converses; one that takes text alone has nothing to do but to say it.
            is_told_to_speak="audio" in model.capabilities.input_modalities,
        )
        door_socket = _DoorSocket(socket, codec)
        socket.visit.session_id = codec.session_id
        try:
            await socket.accept(None)
            for frame in codec.data_to_send():
                await socket.send(frame)
            config = codec.settle(await self._family(door_socket, codec.family))
        except ClientGone:
            return
        house = self.house
        session = GatewaySession(door_socket, codec, house.settings, house.admission, observer=house.observer)
        facts = SessionFacts(door=self.name, model=model.name, session_id=codec.session_id)
        watched = house.watched(_fitting(model, codec.family), facts, lambda: session.told)
        await session.run(watched, config)

    async def _family(self, socket: _DoorSocket, by_name: Family) -> Family:
        frame = await first_frame(socket, self.house, FIRST_FRAME_TIMEOUT_S)
        if frame is None:
            return by_name
        socket.put_back(frame)
        # What may not be read is refused by the session, in the words of the wire.
        return by_name if fault_of(frame, self.house) else family_of_frame(frame) or by_name


class _DoorSocket(ClientSocket):
    """A client's socket that can be given back a message, and that closes after the goodbye.

    Args:
        socket: The accepted socket.
        codec: Knows when the goodbye was said.
    """

    def __init__(self, socket: ClientSocket, codec: DashScopeServerCodec) -> None:
        self._socket = socket
        self._codec = codec
        self._first: Frame | None = None
        self.visit = socket.visit
        self.tape = None  # the inner socket has it

    def put_back(self, frame: Frame) -> None:
        """Lets a message be received once more."""
        self._first = frame

    async def receive(self) -> Frame:
        """The next message."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        return await self._socket.receive()

    async def send(self, frame: Frame) -> None:
        """Sends one message; the last one is followed by the closing handshake."""
        await self._socket.send(frame)
        if frame == self._codec.last_frame:
            await self._socket.close(_NORMAL, "session finished")

    async def close(self, code: int, reason: str) -> None:
        """Starts the closing handshake."""
        await self._socket.close(code, reason)

    def abort(self) -> bool:
        """Cuts the connection."""
        return self._socket.abort()


def _fitting(model: RealtimeModel, family: Family) -> RealtimeModel:
    """The model as this family of clients needs it; one of this wire that is made for it is taken as it is."""
    if family != "tts":
        return model
    from voicewire.gateway.dashscope_speech import speaking

    return speaking(model)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
