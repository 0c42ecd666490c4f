"""One client and one agent, whatever the wire between them: what the agent doors share."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import cast

import anyio.abc
import msgspec

from voicewire.agent.agent import RealtimeAgent
from voicewire.agent.failures import AgentFailure, failure_of
from voicewire.errors import InvalidEventError
from voicewire.events.base import EventBase
from voicewire.events.client import ClientAudioAppendEvent
from voicewire.events.server import AgentResponseCreatedEvent, AgentResponseDoneEvent
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.gateway.bound_session import bound_config
from voicewire.gateway.doors import House
from voicewire.gateway.line import ClientLine, SessionEnd
from voicewire.gateway.socket import ClientSocket
from voicewire.models.model import Capabilities, RealtimeModel
from voicewire.protocols.codec import Frame

_LOG = logging.getLogger("voicewire.gateway")


class AgentLink(ABC):
    """Pumps a client's frames to an agent and the agent's events to the client.

    It is the agent's outgoing queue: what is put becomes frames at once. The agent runs in the task group of
    the line's pump, so a client that leaves, at any moment, ends it.

    Args:
        house: What all doors share.
        socket: An accepted WebSocket.
    """

    binary_is_audio = False
    """Whether binary messages are never JSON."""

    def __init__(self, house: House, socket: ClientSocket) -> None:
        self.house = house
        self.visit = socket.visit
        self.line = ClientLine(
            socket,
            house.settings,
            house.admission,
            on_end=self._ends,
            on_limit=lambda hit: self.refuse(hit.code, hit.message),
            observer=house.observer,
        )
        self.agent: RealtimeAgent | None = None

    def bound_to(self, model: RealtimeModel) -> tuple[str, str]:
        """Instructions and voice that the client's secret names; empty where it has none or names none."""
        if self.visit.session is None:
            return "", ""
        config = bound_config(self.visit.session, model.name)
        return config.instructions, config.voice

    async def run(self) -> None:
        """Serves the client until it leaves, or its agent ends, or the gateway stops."""
        await self.line.serve(self._talk)

    async def start(
        self, agent: RealtimeAgent, tasks: anyio.abc.TaskGroup, session_id: str | None
    ) -> AgentFailure | None:
        """Starts an agent; when its model does not open, the client is told and the failure returned."""
        work = partial(agent.run, self, session_id=session_id)
        return await self.started(agent, lambda: tasks.start(work, name="agent"))

    async def started(
        self, agent: RealtimeAgent, start: Callable[[], Awaitable[object]]
    ) -> AgentFailure | None:
        """Waits for the start of an agent; see ``start``."""
        try:
            await start()
        # A boundary to the model: a client must hear of any fault, and the gateway must not fall with it.
        except Exception as error:
            failure = failure_of(error)
            _LOG.warning("agent did not start", extra={"code": failure.code}, exc_info=_if_ours_not(error))
            self.refuse(failure.code, failure.message)
            return failure
        self.agent = agent
        return None

    # ------------------------------------------------------------------ the agent's queue

    async def put(self, item: EventBase, /) -> None:
        """Takes one event; never waits."""
        self.put_nowait(item)

    def put_nowait(self, item: EventBase, /) -> None:
        """Takes one event; a client that is too slow for it is ended."""
        self.line.said(item)
        if isinstance(item, AgentResponseCreatedEvent):
            self.line.response_began(item.response_id)
        elif isinstance(item, AgentResponseDoneEvent):
            self.line.response_ended(item.response_id)
        self.line.put(self.frames_of(item))

    def heard_audio(self, event: ClientAudioAppendEvent) -> None:
        """Counts the client's audio."""
        width = 2 if event.format.type in ("audio/pcm", "audio/l16") else 1
        self.line.heard_audio(len(event.audio) * 3 / 4 / width / max(1, event.format.rate))

    # ------------------------------------------------------------------ the wire

    @abstractmethod
    async def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        """Runs beside the client's frames, from the start of the connection."""

    @abstractmethod
    async def take(self, frame: Frame, tasks: anyio.abc.TaskGroup) -> None:
        """Takes one frame of the client.

        Raises:
            VoicewireError: The frame is wrong; the client is told and the session goes on.
        """

    @abstractmethod
    def frames_of(self, event: EventBase) -> Iterable[Frame]:
        """An event as frames."""

    @abstractmethod
    def refuse(self, code: str, message: str) -> None:
        """Tells the client what is wrong."""

    async def _talk(self) -> SessionEnd:
        return await self.line.pump(self._handle, self.begin)

    async def _handle(self, tasks: anyio.abc.TaskGroup) -> None:
        while True:
            frame = await self.line.receive(self.refuse, binary_is_audio=self.binary_is_audio)
            try:
                await self.take(frame, tasks)
            except Exception as error:  # the boundary to the client: whatever it sends harms nobody else
                if self.line.told is not None:
                    return  # The session ended by this very frame, and the client was told why.
                failure = failure_of(error)
                if failure.code == "internal_error":
                    _LOG.exception("a client's frame could not be handled")
                self.refuse(failure.code, failure.message)

    def _ends(self, end: SessionEnd) -> None:
        if self.agent is not None:
            self.agent.request_stop(end.reason or "the client left")


def _if_ours_not(error: Exception) -> Exception | None:
    return error if failure_of(error).code == "internal_error" else None


def read_json(frame: Frame) -> dict[str, object] | None:
    """The JSON object in a text frame; None for text that is not JSON at all (old clients send ``ping``).

    Raises:
        InvalidEventError: Binary, broken JSON, or JSON that is not an object.
    """
    if isinstance(frame, bytes):
        raise InvalidEventError("binary frames are not part of this protocol; send JSON in text frames")
    try:
        data: object = msgspec.json.decode(frame)
    except RecursionError:
        raise InvalidEventError("the event is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        if frame.lstrip()[:1] not in ("{", "["):
            return None
        raise InvalidEventError(f"the event is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidEventError(f"an event is a JSON object, not {type(data).__name__}")
    return cast("dict[str, object]", data)


def text_frame(data: dict[str, object]) -> str:
    """A JSON object as a text frame."""
    return json.dumps(data, ensure_ascii=False)


def config_for(
    capabilities: Capabilities,
    *,
    voice: str = "",
    turn_detection: TurnDetection | None | msgspec.UnsetType = msgspec.UNSET,
) -> SessionConfig:
    """The gateway's defaults, as far as a model can do them, with what the client asked for."""
    detection: TurnDetection | None = TurnDetection() if capabilities.supports_server_vad else None
    if not isinstance(turn_detection, msgspec.UnsetType):
        detection = turn_detection
    return SessionConfig(
        voice=voice,
        modality="audio" if "audio" in capabilities.output_modalities else "text",
        transcription=Transcription() if capabilities.supports_input_transcription else None,
        turn_detection=detection,
    )
