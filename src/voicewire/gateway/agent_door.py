"""``WS /ws/{user_id}/{session_id}``: client events in, server events out (seed 002)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, cast

import anyio
import anyio.abc

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.incoming import SessionRequest
from voicewire.agent.wording import Voice
from voicewire.errors import LocalProtocolError
from voicewire.events.base import EventBase
from voicewire.events.client import ClientEvents, ClientSessionCreateEvent
from voicewire.events.server import (
    AgentEndedEvent,
    AgentResponseAudioDeltaEvent,
)
from voicewire.gateway.agent_link import AgentLink, config_for, read_json, text_frame
from voicewire.gateway.doors import Door, House, refuse
from voicewire.gateway.line import POLICY, SessionEnd
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame

DEFAULT_INSTRUCTIONS: Final = "You are a helpful assistant."
DEFAULT_NAME: Final = "Friday"
_ID: Final = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")
_TUTORIAL_DELTA: Final = "response_audio_delta"


class AgentDoor(Door):
    """Lets a front end create an agent, talk with it and end it, as often as it likes in one connection."""

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one front end."""
        ids: dict[str, str] = scope.get("path_params", {})
        for name in ("user_id", "session_id"):
            if _ID.fullmatch(ids.get(name, "")) is None:
                message = f"{name} must be 1 to 64 letters, digits, '_', '-' or '.', and not only dots"
                await refuse(socket, 400, "invalid_id", message)
                return
        try:
            await socket.accept(None)
        except ClientGone:
            return
        await FrontEnd(self.house, socket, ids["session_id"]).run()


class FrontEnd(AgentLink):
    """One front end.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
        session_id: The session in the address; the connection is this one's, whatever an event says.
    """

    def __init__(self, house: House, socket: ClientSocket, session_id: str) -> None:
        super().__init__(house, socket)
        self._session_id = session_id
        self._model: RealtimeModel | None = None
        self._speaks_tutorial = False
        self._in_use = anyio.Event()
        self._free = anyio.Event()

    async def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        """Ends a connection that is not used for a session."""
        limit_s = self.house.settings.create_timeout_s
        while True:
            with anyio.move_on_after(limit_s) as limit:
                await self._in_use.wait()
            if limit.cancelled_caught:
                reason = f"no session was created within {limit_s:g} s; send client_session_create"
                self.refuse("no_session", reason)
                self.line.finish(SessionEnd(POLICY, reason))
                return
            await self._free.wait()

    async def take(self, frame: Frame, tasks: anyio.abc.TaskGroup) -> None:
        """Takes one client event.

        Raises:
            InvalidEventError: Not an event; the message names the field at fault.
            LocalProtocolError: There is no session, or it cannot be changed like this.
        """
        data = read_json(frame)
        if data is None:
            return
        event = ClientEvents.from_json(self._understood(data))
        agent = self.agent if self.agent is not None and self.agent.is_running else None
        if isinstance(event, ClientSessionCreateEvent):
            request = SessionRequest.read(event.config)
            if agent is None:
                await self._create(request, tasks)
                return
            if self._asks_for_model(request) and self._served(request) is not self._model:
                raise LocalProtocolError(
                    "field 'model_provider' cannot change in a session; send client_session_end first"
                )
        if agent is None:
            raise LocalProtocolError("there is no session; send client_session_create first")
        await agent.handle_input(event)

    def frames_of(self, event: EventBase) -> Iterable[Frame]:
        """An event as its JSON; audio once more by the tutorial's name for who speaks as the tutorial does."""
        if isinstance(event, AgentEndedEvent):
            self._in_use = anyio.Event()
            self._free.set()
        yield event.model_dump_json()
        if self._speaks_tutorial and isinstance(event, AgentResponseAudioDeltaEvent):
            yield text_frame({**event.model_dump(), "type": _TUTORIAL_DELTA})

    def refuse(self, code: str, message: str) -> None:
        """Reports trouble with the front end's own frames."""
        voice = Voice("", "") if self.agent is None else Voice(self.agent.id, self.agent.name)
        self.put_nowait(voice.error("invalid_request_error", code, message))

    async def _create(self, request: SessionRequest, tasks: anyio.abc.TaskGroup) -> None:
        model = self._served(request)
        agent = RealtimeAgent(
            request.agent_name or DEFAULT_NAME,
            request.instructions_after(DEFAULT_INSTRUCTIONS),
            model,
            config=config_for(
                model.capabilities, voice=request.voice or "", turn_detection=request.turn_detection
            ),
            client_tools=request.tools or (),
        )
        self._free = anyio.Event()
        self._in_use.set()
        self._model = model
        if await self.start(agent, tasks, self._session_id) is not None:
            self._in_use = anyio.Event()
            self._free.set()

    def _asks_for_model(self, request: SessionRequest) -> bool:
        return bool(request.model or request.model_provider)

    def _served(self, request: SessionRequest) -> RealtimeModel:
        """The model by its name, or the first one of the provider, or the first one."""
        if request.model:
            return self.house.model_named(request.model)
        prefix = request.model_provider
        of_provider = (
            model
            for model in self.house.models
            if prefix and (model.name == prefix or model.name.startswith(f"{prefix}:"))
        )
        return next(of_provider, self.house.models[0])

    def _understood(self, data: dict[str, Any]) -> dict[str, Any]:
        """Two spellings of seed 002's own front ends that its events do not have.

        The tutorial's JavaScript sends ``format: {encoding: "pcm16", sample_rate: 16000}``, and listens for
        ``response_audio_delta``; the example page sends an image as ``data``.
        """
        kind: object = data.get("type")
        given: object = data.get("format")
        if kind == "client_audio_append" and isinstance(given, dict):
            audio = cast("dict[str, Any]", given)
            if audio.get("encoding") == "pcm16" and "sample_rate" in audio and "rate" not in audio:
                self._speaks_tutorial = True
                return {**data, "format": {"type": "audio/pcm", "rate": audio["sample_rate"]}}
        if kind == "client_image_append" and "image" not in data and "data" in data:
            return {**data, "image": data["data"]}
        return data
