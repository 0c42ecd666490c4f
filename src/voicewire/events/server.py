"""Server events: what a back end tells a front end and other agents (seed 002).

``Agent*`` events are model events with the speaking agent's id and name; one function translates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Literal, cast

import msgspec
from typing_extensions import NotRequired, Required, Self, TypedDict

from voicewire.errors import InvalidEventError
from voicewire.events.base import AudioPayload, Event, EventBase, MediaFormat, parse_json, type_name
from voicewire.events.model import ModelResponseAudioDeltaEvent, ResponseStatus, ToolUseBlock


class ToolResultBlock(TypedDict):
    """The result of a function call, in the block form of seed 002."""

    type: Literal["tool_result"]
    id: str
    output: Required[str | list[dict[str, Any]]]
    name: NotRequired[str]


class ServerEventType(str, Enum):
    """The JSON ``type`` of every server event; equal to its string."""

    SERVER_SESSION_CREATED = "server_session_created"
    SERVER_SESSION_UPDATED = "server_session_updated"
    SERVER_SESSION_ENDED = "server_session_ended"
    SERVER_SESSION_RESUMED = "server_session_resumed"
    SERVER_RESUME_TOKEN = "server_resume_token"
    SERVER_ROOM_UPDATED = "server_room_updated"
    AGENT_READY = "agent_ready"
    AGENT_ENDED = "agent_ended"
    AGENT_RESPONSE_CREATED = "agent_response_created"
    AGENT_RESPONSE_DONE = "agent_response_done"
    AGENT_RESPONSE_AUDIO_DELTA = "agent_response_audio_delta"
    AGENT_RESPONSE_AUDIO_DONE = "agent_response_audio_done"
    AGENT_RESPONSE_AUDIO_TRANSCRIPT_DELTA = "agent_response_audio_transcript_delta"
    AGENT_RESPONSE_AUDIO_TRANSCRIPT_DONE = "agent_response_audio_transcript_done"
    AGENT_RESPONSE_TOOL_USE_DELTA = "agent_response_tool_use_delta"
    AGENT_RESPONSE_TOOL_USE_DONE = "agent_response_tool_use_done"
    AGENT_RESPONSE_TOOL_PROGRESS = "agent_response_tool_progress"
    AGENT_RESPONSE_TOOL_RESULT = "agent_response_tool_result"
    AGENT_INPUT_TRANSCRIPTION_DELTA = "agent_input_transcription_delta"
    AGENT_INPUT_TRANSCRIPTION_DONE = "agent_input_transcription_done"
    AGENT_INPUT_STARTED = "agent_input_started"
    AGENT_INPUT_DONE = "agent_input_done"
    AGENT_ERROR = "agent_error"
    AGENT_PLAYOUT_FLUSH = "agent_playout_flush"
    AGENT_PLAYOUT_HEARD = "agent_playout_heard"


def _tag(class_name: str) -> str:
    words = class_name.removesuffix("Event")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in words).lstrip("_")


class _Event(msgspec.Struct, EventBase, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    pass


class _AgentEvent(_Event, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    agent_id: str
    agent_name: str


class ServerSessionCreatedEvent(_Event, frozen=True, kw_only=True):
    """The session exists in the back end."""

    type: ClassVar[str] = ServerEventType.SERVER_SESSION_CREATED
    session_id: str


class ServerSessionUpdatedEvent(_Event, frozen=True, kw_only=True):
    """The session's configuration changed."""

    type: ClassVar[str] = ServerEventType.SERVER_SESSION_UPDATED
    session_id: str


class ServerSessionEndedEvent(_Event, frozen=True, kw_only=True):
    """The session is over."""

    type: ClassVar[str] = ServerEventType.SERVER_SESSION_ENDED
    session_id: str
    reason: str = ""
    code: int = 0


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a conversation as a front end shows it."""

    role: Literal["user", "assistant"]
    text: str
    """What was said; of the agent's speech, what was heard."""
    is_final: bool = True
    """Whether the text will not change any more."""
    item_id: str = ""


class ServerSessionResumedEvent(_Event, frozen=True, kw_only=True):
    """The session goes on in this connection (ADR 0012); only for front ends that asked for it."""

    type: ClassVar[str] = ServerEventType.SERVER_SESSION_RESUMED
    session_id: str
    history: tuple[HistoryEntry, ...] = ()


class ServerResumeTokenEvent(_Event, frozen=True, kw_only=True):
    """With this token another connection can take the session over, once (ADR 0012)."""

    type: ClassVar[str] = ServerEventType.SERVER_RESUME_TOKEN
    token: str
    expires_in_s: float
    """How long it is good for after the connection was lost, in seconds."""


class RoomParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a room, as the room's other events name them."""

    id: str
    """``agent_id`` of the events about them: an agent's id, or the session of a person."""
    name: str


class ServerRoomUpdatedEvent(_Event, frozen=True, kw_only=True):
    """Who is in the room now, and who has the floor (ADR 0024); sent whenever either changes."""

    type: ClassVar[str] = ServerEventType.SERVER_ROOM_UPDATED
    room_id: str
    agents: tuple[RoomParticipant, ...] = ()
    people: tuple[RoomParticipant, ...] = ()
    floor: str = ""
    """The id of who speaks or was asked to; empty when the floor is free."""


class AgentReadyEvent(_AgentEvent, frozen=True, kw_only=True):
    """The agent takes input."""

    type: ClassVar[str] = ServerEventType.AGENT_READY


class AgentEndedEvent(_AgentEvent, frozen=True, kw_only=True):
    """The agent has ended."""

    type: ClassVar[str] = ServerEventType.AGENT_ENDED
    reason: str = ""
    code: int = 0


class AgentResponseCreatedEvent(_AgentEvent, frozen=True, kw_only=True):
    """The agent begins a response."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_CREATED
    response_id: str


class AgentResponseDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """The agent finished a response."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_DONE
    response_id: str
    input_tokens: int
    output_tokens: int
    metadata: dict[str, str] = {}
    status: ResponseStatus = "completed"
    reason: str = ""


class AgentResponseAudioDeltaEvent(ModelResponseAudioDeltaEvent):
    """A piece of the agent's audio; the fields of the model's event, with the agent's id and name."""

    __slots__ = ("agent_id", "agent_name")

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_AUDIO_DELTA

    def __init__(
        self,
        *,
        agent_id: str,
        agent_name: str,
        response_id: str,
        item_id: str,
        format: MediaFormat | Mapping[str, Any],
        delta: str | None = None,
        pcm: bytes | None = None,
        payload: AudioPayload | None = None,
        content_index: int = 0,
    ) -> None:
        super().__init__(
            response_id=response_id,
            item_id=item_id,
            format=format,
            delta=delta,
            pcm=pcm,
            payload=payload,
            content_index=content_index,
        )
        self.agent_id = agent_id
        self.agent_name = agent_name

    @classmethod
    def of(cls, event: ModelResponseAudioDeltaEvent, agent_id: str, agent_name: str) -> Self:
        """The agent's form of a model's delta; the audio is handed on without converting it."""
        # What the constructor makes, without naming seven arguments twice: that is a fifth of a whole delta.
        made = object.__new__(cls)
        made._pcm = event._pcm
        made._base64 = event._base64
        made.response_id = event.response_id
        made.item_id = event.item_id
        made.format = event.format
        made.content_index = event.content_index
        made.agent_id = agent_id
        made.agent_name = agent_name
        return made

    def model_dump(self) -> dict[str, Any]:
        """The event as plain Python data, ``type`` first."""
        return {**super().model_dump(), "agent_id": self.agent_id, "agent_name": self.agent_name}

    @classmethod
    def model_validate(cls, data: object) -> Self:
        """Builds the event from plain data; raises InvalidEventError naming the field at fault."""
        delta = ModelResponseAudioDeltaEvent.model_validate(data)
        names = cast("dict[str, Any]", data)
        for field in ("agent_id", "agent_name"):
            if not isinstance(names.get(field), str):
                raise InvalidEventError(f"{cls.__name__}: field {field!r} is missing or not a string")
        return cls.of(delta, names["agent_id"], names["agent_name"])


class AgentResponseAudioDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """All audio of the part was sent."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_AUDIO_DONE
    response_id: str
    item_id: str


class AgentResponseAudioTranscriptDeltaEvent(_AgentEvent, frozen=True, kw_only=True):
    """A piece of the words that the agent says."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_AUDIO_TRANSCRIPT_DELTA
    response_id: str
    item_id: str
    delta: str


class AgentResponseAudioTranscriptDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """The agent's words are complete."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_AUDIO_TRANSCRIPT_DONE
    response_id: str
    item_id: str
    transcript: str = ""


class AgentResponseToolUseDeltaEvent(_AgentEvent, frozen=True, kw_only=True):
    """A function call's arguments so far."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_TOOL_USE_DELTA
    response_id: str
    item_id: str
    tool_use: ToolUseBlock


class AgentResponseToolUseDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """A function call is complete."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_TOOL_USE_DONE
    response_id: str
    item_id: str
    tool_use: ToolUseBlock


class AgentResponseToolProgressEvent(_AgentEvent, frozen=True, kw_only=True):
    """How far a function call has come (ADR 0026); only of tools that say so, never after the call's result."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_TOOL_PROGRESS
    id: str
    """The call, as in ``tool_use`` and ``tool_result``."""
    name: str
    message: str = ""
    """What the tool does, or its result as far as it is there; 2000 characters at most."""
    progress: float | None = None
    """How much is done, in any unit."""
    total: float | None = None
    """How much there is to do, where that is known."""


class AgentResponseToolResultEvent(_AgentEvent, frozen=True, kw_only=True):
    """A function call has its result."""

    type: ClassVar[str] = ServerEventType.AGENT_RESPONSE_TOOL_RESULT
    tool_result: ToolResultBlock


class AgentInputTranscriptionDeltaEvent(_AgentEvent, frozen=True, kw_only=True):
    """Partial transcript of the user."""

    type: ClassVar[str] = ServerEventType.AGENT_INPUT_TRANSCRIPTION_DELTA
    item_id: str
    delta: str
    is_revision: bool = False


class AgentInputTranscriptionDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """Final transcript of the user."""

    type: ClassVar[str] = ServerEventType.AGENT_INPUT_TRANSCRIPTION_DONE
    transcript: str
    item_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None


class AgentInputStartedEvent(_AgentEvent, frozen=True, kw_only=True):
    """The user began to speak."""

    type: ClassVar[str] = ServerEventType.AGENT_INPUT_STARTED
    item_id: str
    audio_start_ms: int


class AgentInputDoneEvent(_AgentEvent, frozen=True, kw_only=True):
    """The user stopped speaking."""

    type: ClassVar[str] = ServerEventType.AGENT_INPUT_DONE
    item_id: str
    audio_end_ms: int


class AgentErrorEvent(_AgentEvent, frozen=True, kw_only=True):
    """Something went wrong; the session goes on."""

    type: ClassVar[str] = ServerEventType.AGENT_ERROR
    error_type: str
    code: str
    message: str


class AgentPlayoutFlushEvent(_AgentEvent, frozen=True, kw_only=True):
    """Stop playing now and throw away all audio that came before this event; then report (``generation``).

    Only for sessions that were created with ``reports_playout``.
    """

    type: ClassVar[str] = ServerEventType.AGENT_PLAYOUT_FLUSH
    generation: int


class AgentPlayoutHeardEvent(_AgentEvent, frozen=True, kw_only=True):
    """What the ledger holds of a stretch of speech after a report; captions are drawn from it.

    Only for sessions that were created with ``reports_playout``, and of rooms with ``tells_playout``.
    """

    type: ClassVar[str] = ServerEventType.AGENT_PLAYOUT_HEARD
    item_id: str
    content_index: int = 0
    heard_samples: int
    generated_samples: int
    rate: int
    """Rate of the stretch, in which both are counted."""
    heard_text: str
    """The words that were heard: a prefix of the words that were generated."""
    is_final: bool = False
    """Whether nothing more of the stretch will be heard."""
    is_cut: bool = False
    """Whether it was interrupted: what follows ``heard_text`` was generated and never heard."""


class ServerEvents:
    """Namespace of all server events, as in seed 002."""

    EventBase = EventBase
    ServerSessionCreatedEvent = ServerSessionCreatedEvent
    ServerSessionUpdatedEvent = ServerSessionUpdatedEvent
    ServerSessionEndedEvent = ServerSessionEndedEvent
    ServerSessionResumedEvent = ServerSessionResumedEvent
    ServerResumeTokenEvent = ServerResumeTokenEvent
    ServerRoomUpdatedEvent = ServerRoomUpdatedEvent
    AgentReadyEvent = AgentReadyEvent
    AgentEndedEvent = AgentEndedEvent
    AgentResponseCreatedEvent = AgentResponseCreatedEvent
    AgentResponseDoneEvent = AgentResponseDoneEvent
    AgentResponseAudioDeltaEvent = AgentResponseAudioDeltaEvent
    AgentResponseAudioDoneEvent = AgentResponseAudioDoneEvent
    AgentResponseAudioTranscriptDeltaEvent = AgentResponseAudioTranscriptDeltaEvent
    AgentResponseAudioTranscriptDoneEvent = AgentResponseAudioTranscriptDoneEvent
    AgentResponseToolUseDeltaEvent = AgentResponseToolUseDeltaEvent
    AgentResponseToolUseDoneEvent = AgentResponseToolUseDoneEvent
    AgentResponseToolProgressEvent = AgentResponseToolProgressEvent
    AgentResponseToolResultEvent = AgentResponseToolResultEvent
    AgentInputTranscriptionDeltaEvent = AgentInputTranscriptionDeltaEvent
    AgentInputTranscriptionDoneEvent = AgentInputTranscriptionDoneEvent
    AgentInputStartedEvent = AgentInputStartedEvent
    AgentInputDoneEvent = AgentInputDoneEvent
    AgentErrorEvent = AgentErrorEvent
    AgentPlayoutFlushEvent = AgentPlayoutFlushEvent
    AgentPlayoutHeardEvent = AgentPlayoutHeardEvent

    @classmethod
    def from_model_event(cls, model_event: Event, agent_id: str, agent_name: str) -> Event:
        """The agent's form of a model event.

        Raises:
            InvalidEventError: The model event has no agent form (session, socket and item events).
        """
        if isinstance(model_event, ModelResponseAudioDeltaEvent):
            return AgentResponseAudioDeltaEvent.of(model_event, agent_id, agent_name)
        found = cast("Any", BY_TYPE.get(type_name(model_event).replace("model_", "agent_", 1)))
        if found is None:
            raise InvalidEventError(f"{type(model_event).__name__} has no agent form")
        fields: tuple[str, ...] = found.__struct_fields__
        values = {name: getattr(model_event, name) for name in fields if hasattr(model_event, name)}
        return cast("Event", found(**values, agent_id=agent_id, agent_name=agent_name))

    @classmethod
    def from_json(cls, data: str | bytes | dict[str, Any]) -> Event:
        """Builds any server event from its JSON text or data.

        Raises:
            InvalidEventError: Not an event of this family, or a field is at fault.
        """
        parsed = data if isinstance(data, dict) else parse_json(data)
        fields = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
        name = fields.get("type")
        found = BY_TYPE.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidEventError(f"not a server event: type is {name!r}")
        return found.model_validate(fields)


BY_TYPE: dict[str, type[EventBase]] = {
    value.type: value
    for value in vars(ServerEvents).values()
    if isinstance(value, type) and issubclass(value, EventBase) and value is not EventBase
}
"""Every server event class by its JSON type."""
