"""``WS /ws/{user_id}/{session_id}``: client events in, server events out (seed 002)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import anyio
import anyio.abc

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.incoming import SessionRequest
from voicewire.agent.wording import Voice
from voicewire.errors import LocalProtocolError
from voicewire.events.base import EventBase
from voicewire.events.client import ClientAudioAppendEvent, ClientEvents, ClientSessionCreateEvent
from voicewire.events.server import (
    AgentEndedEvent,
    AgentResponseAudioDeltaEvent,
)
from voicewire.gateway.agent_link import AgentLink, config_for, read_json, text_frame
from voicewire.gateway.doors import SUBPROTOCOL, Door, House, refuse
from voicewire.gateway.line import NORMAL, POLICY, SessionEnd
from voicewire.gateway.observe import SessionFacts, consent_in
from voicewire.gateway.resume import REFUSED, Bond, ResumableSession, ResumeRequest
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope, Tape
from voicewire.models.model import RealtimeModel
from voicewire.protocols.codec import Frame

_LOG = logging.getLogger("voicewire.gateway")
DEFAULT_INSTRUCTIONS: Final = "You are a helpful assistant."
DEFAULT_NAME: Final = "Friday"
_ID: Final = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")
_TUTORIAL_DELTA: Final = "response_audio_delta"


class AgentDoor(Door):
    """Lets a front end create an agent, talk with it and end it, as often as it likes in one connection."""

    name = "agent"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one front end."""
        ids = await ids_in(socket, scope, ("user_id", "session_id"))
        if ids is None:
            return
        socket.visit.user_id, socket.visit.session_id = ids["user_id"], ids["session_id"]
        most = self.house.settings.max_sessions_per_user
        with self.house.admission.share_of(f"user {ids['user_id']}", most):
            if await accepted(socket, scope):
                await FrontEnd(self.house, socket, ids["session_id"], ids["user_id"]).run()


async def ids_in(socket: ClientSocket, scope: Scope, names: Sequence[str]) -> dict[str, str] | None:
    """The ids in the address; None when one of them is none, and then the handshake was refused."""
    ids: dict[str, str] = scope.get("path_params", {})
    for name in names:
        if _ID.fullmatch(ids.get(name, "")) is None:
            message = f"{name} must be 1 to 64 letters, digits, '_', '-' or '.', and not only dots"
            await refuse(socket, 400, "invalid_id", message)
            return None
    return ids


async def accepted(socket: ClientSocket, scope: Scope) -> bool:
    """Completes the handshake with a front end; False when it is gone."""
    offered: Sequence[str] = scope.get("subprotocols", [])
    try:
        # A browser that offers subprotocols (its key travels in one) wants one of them chosen.
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    except ClientGone:
        return False
    return True


class FrontEnd(AgentLink):
    """One front end.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
        session_id: The session in the address; the connection is this one's, whatever an event says.
        user_id: The user in the address.
    """

    def __init__(
        self, house: House, socket: ClientSocket, session_id: str, user_id: str = "anonymous"
    ) -> None:
        super().__init__(house, socket)
        self._session_id = session_id
        self._user_id = user_id
        self._tape = socket.tape or Tape()
        self._model: RealtimeModel | None = None
        self._speaks_tutorial = False
        self._session: ResumableSession | None = None
        self._client_code = 0
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
                self.line.finish(SessionEnd(POLICY, reason, cause="no_session"))
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
                consent = consent_in(event.config)
                await self._create_or_resume(request, ResumeRequest.read(event.config), tasks, consent)
                return
            if self._asks_for_model(request) and self._served(request) is not self._model:
                raise LocalProtocolError(
                    "field 'model_provider' cannot change in a session; send client_session_end first"
                )
        if agent is None:
            raise LocalProtocolError("there is no session; send client_session_create first")
        if isinstance(event, ClientAudioAppendEvent):
            self.heard_audio(event)
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

    async def _create_or_resume(
        self,
        request: SessionRequest,
        going_on: ResumeRequest,
        tasks: anyio.abc.TaskGroup,
        wants_recording: bool | None,
    ) -> None:
        grace_s = self.house.settings.resume_grace_s
        if not going_on.token:
            await self._create(request, going_on, tasks, wants_recording)
            return
        session = self.house.resumable.claim(going_on.token, self._bond)
        if session is None:
            _LOG.warning("resume refused", extra={"user_id": self._user_id, "session_id": self._session_id})
            self.refuse("resume_refused", REFUSED)
            return
        if session.refuses_recording:
            self._tape.refuse()
        self._free = anyio.Event()
        self._in_use.set()
        self._session, self.agent, self._model = session, session.agent, session.model
        self.line.meter = session.meter
        await session.move_to(self, grace_s)

    @property
    def _bond(self) -> Bond:
        return Bond(self._user_id, self._session_id, self.visit.key_id)

    async def _create(
        self,
        request: SessionRequest,
        going_on: ResumeRequest,
        tasks: anyio.abc.TaskGroup,
        wants_recording: bool | None,
    ) -> None:
        if wants_recording is False:
            self._tape.refuse()
        model = self._served(request)
        self.visit.model = model.name
        facts = SessionFacts(
            door=AgentDoor.name,
            model=model.name,
            session_id=self._session_id,
            user_id=self._user_id,
            wants_recording=wants_recording,
        )
        default, voice = self.bound_to(model)
        session: ResumableSession | None = None
        if going_on.wants_token and self.house.settings.resume_grace_s:
            session = ResumableSession(self._bond, self.house.resumable, self, self.line.meter)
            session.refuses_recording = wants_recording is False
        agent = RealtimeAgent(
            request.agent_name or DEFAULT_NAME,
            request.instructions_after(default or DEFAULT_INSTRUCTIONS),
            self.house.watched(model, facts, lambda: self.line.told),
            config=config_for(
                model.capabilities, voice=request.voice or voice, turn_detection=request.turn_detection
            ),
            client_tools=request.tools or (),
            reports_playout=request.reports_playout,
        )
        self._free = anyio.Event()
        self._in_use.set()
        self._model = model
        going_on.tell(agent)
        if session is None:
            failure = await self.start(agent, tasks, self._session_id)
        else:
            queue = session
            failure = await self.started(agent, lambda: agent.start(queue, session_id=self._session_id))
        if failure is not None:
            self._in_use = anyio.Event()
            self._free.set()
        elif session is not None:
            session.agent, session.model, self._session = agent, model, session
            session.give_token(self.house.settings.resume_grace_s)

    def lose(self) -> None:
        """Another connection has taken the session."""
        self.agent, self._session = None, None
        reason = "the session goes on in another connection"
        self.line.finish(SessionEnd(NORMAL, reason, cause="resumed_elsewhere"))

    def _ends(self, end: SessionEnd) -> None:
        self._client_code = end.client_code
        if self._session is None or end.cause != "client_left":
            super()._ends(end)

    async def _talk(self) -> SessionEnd:
        try:
            return await super()._talk()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """The connection is over: a session that may be resumed waits, any other ends here."""
        session, house = self._session, self.house
        if session is None or self.agent is None:
            return
        settings, admission = house.settings, house.admission
        # A closed tab says goodbye, as a reload does, and only a reload is back in a moment.
        grace_s = min(settings.closed_grace_s, settings.resume_grace_s)
        grace_s = grace_s if self._client_code else settings.resume_grace_s
        is_full = admission.waiting_count >= settings.max_waiting_sessions
        if self.agent.is_running and grace_s and not is_full and not admission.is_draining:
            session.leave(grace_s, admission)
            return
        with anyio.CancelScope(shield=True):
            await session.end()

    def _asks_for_model(self, request: SessionRequest) -> bool:
        return bool(request.model or request.model_provider)

    def _served(self, request: SessionRequest) -> RealtimeModel:
        """The model by its name, or the first one of the provider, or the first one; or the client secret's."""
        if self.visit.session is not None and self.visit.session.get("model"):
            return self.house.model_named(str(self.visit.session["model"]))
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
