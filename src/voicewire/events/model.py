"""Model events: what a conversation with any model reports. One event means one thing on every provider.

The first seventeen are those of seed 002, with its JSON types and required fields; optional fields were
added to them, never taken away. The rest is what a complete conversation needs besides.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Literal, cast

import msgspec
from typing_extensions import NotRequired, Self, TypedDict

from voicewire.errors import InvalidEventError
from voicewire.events.base import AudioPayload, Event, EventBase, MediaFormat, parse_json, type_name
from voicewire.events.items import Item
from voicewire.events.session import SessionConfig

ResponseStatus = Literal["completed", "cancelled", "incomplete", "failed"]


class ModelEventType(str, Enum):
    """The JSON ``type`` of every model event; equal to its string."""

    MODEL_SESSION_CREATED = "model_session_created"
    MODEL_SESSION_ENDED = "model_session_ended"
    MODEL_RESPONSE_CREATED = "model_response_created"
    MODEL_RESPONSE_DONE = "model_response_done"
    MODEL_RESPONSE_AUDIO_DELTA = "model_response_audio_delta"
    MODEL_RESPONSE_AUDIO_DONE = "model_response_audio_done"
    MODEL_RESPONSE_AUDIO_TRANSCRIPT_DELTA = "model_response_audio_transcript_delta"
    MODEL_RESPONSE_AUDIO_TRANSCRIPT_DONE = "model_response_audio_transcript_done"
    MODEL_RESPONSE_TOOL_USE_DELTA = "model_response_tool_use_delta"
    MODEL_RESPONSE_TOOL_USE_DONE = "model_response_tool_use_done"
    MODEL_INPUT_TRANSCRIPTION_DELTA = "model_input_transcription_delta"
    MODEL_INPUT_TRANSCRIPTION_DONE = "model_input_transcription_done"
    MODEL_INPUT_STARTED = "model_input_started"
    MODEL_INPUT_DONE = "model_input_done"
    MODEL_ERROR = "model_error"
    MODEL_WEBSOCKET_CONNECT = "model_websocket_connect"
    MODEL_WEBSOCKET_DISCONNECT = "model_websocket_disconnect"
    MODEL_SESSION_UPDATED = "model_session_updated"
    MODEL_RESPONSE_TEXT_DELTA = "model_response_text_delta"
    MODEL_RESPONSE_TEXT_DONE = "model_response_text_done"
    MODEL_ITEM_ADDED = "model_item_added"
    MODEL_ITEM_DONE = "model_item_done"
    MODEL_ITEM_RETRIEVED = "model_item_retrieved"
    MODEL_ITEM_TRUNCATED = "model_item_truncated"
    MODEL_ITEM_DELETED = "model_item_deleted"
    MODEL_INPUT_COMMITTED = "model_input_committed"
    MODEL_INPUT_CLEARED = "model_input_cleared"
    MODEL_INPUT_TRANSCRIPTION_FAILED = "model_input_transcription_failed"
    MODEL_AUDIO_DROPPED = "model_audio_dropped"
    MODEL_PROVIDER_EVENT = "model_provider_event"


class ToolUseBlock(TypedDict):
    """A function call, in the block form of seed 002."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    raw_input: NotRequired[str]


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts of one response, by kind; the totals are on the event."""

    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0


def _tag(class_name: str) -> str:
    words = class_name.removesuffix("Event")
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in words).lstrip("_")
    return {
        "model_provider": "model_provider_event",
        "websocket_connect": "model_websocket_connect",
        "websocket_disconnect": "model_websocket_disconnect",
    }.get(snake, snake)


class _Event(msgspec.Struct, EventBase, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    pass


class ModelSessionCreatedEvent(_Event, frozen=True, kw_only=True):
    """The session with the provider exists (the socket's session, not the front end's)."""

    type: ClassVar[str] = ModelEventType.MODEL_SESSION_CREATED
    session_id: str
    config: SessionConfig | None = None


class ModelSessionUpdatedEvent(_Event, frozen=True, kw_only=True):
    """The configuration changed; ``config`` is the whole effective one."""

    type: ClassVar[str] = ModelEventType.MODEL_SESSION_UPDATED
    session_id: str
    config: SessionConfig
    command_id: str = ""


class ModelSessionEndedEvent(_Event, frozen=True, kw_only=True):
    """The session is over: exactly one per session, whatever ended it."""

    type: ClassVar[str] = ModelEventType.MODEL_SESSION_ENDED
    session_id: str
    reason: str
    code: int = 0
    """Close code of the wire (1000 normal, 1006 cut without a closing handshake, ...)."""
    is_expected: bool = False
    """True when our own side asked for the end."""


class ModelResponseCreatedEvent(_Event, frozen=True, kw_only=True):
    """The model begins a response."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_CREATED
    response_id: str
    is_out_of_band: bool = False
    metadata: dict[str, str] = {}


class ModelResponseDoneEvent(_Event, frozen=True, kw_only=True):
    """The one terminal event of a response; nothing of it follows."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_DONE
    response_id: str
    input_tokens: int
    output_tokens: int
    metadata: dict[str, str] = {}
    status: ResponseStatus = "completed"
    reason: str = ""
    """``turn_detected``, ``client_cancelled``, ``max_output_tokens``, ``content_filter``, an error code."""
    message: str = ""
    """The error's message, when the response failed."""
    usage: TokenUsage = TokenUsage()
    output: tuple[Item, ...] = ()
    """The items of the response, in order."""


class ModelResponseAudioDeltaEvent(EventBase):
    """A piece of the reply's audio.

    Args:
        response_id: The response it belongs to.
        item_id: The item it belongs to.
        delta: The bytes in base64; or give ``pcm``.
        format: Media type and rate.
        pcm: The raw bytes.
        payload: The audio of another event, handed on without converting it.
        content_index: Which content part of the item.
    """

    __slots__ = ("_payload", "content_index", "format", "item_id", "response_id")

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_AUDIO_DELTA

    def __init__(
        self,
        *,
        response_id: str,
        item_id: str,
        format: MediaFormat,
        delta: str | None = None,
        pcm: bytes | None = None,
        payload: AudioPayload | None = None,
        content_index: int = 0,
    ) -> None:
        self.response_id = response_id
        self.item_id = item_id
        self.format = format
        self.content_index = content_index
        self._payload = payload or AudioPayload(pcm, delta)

    @property
    def payload(self) -> AudioPayload:
        """The audio, to be handed on without converting it."""
        return self._payload

    @property
    def pcm(self) -> bytes:
        """The raw bytes (decoded on first use if they came as base64)."""
        return self._payload.pcm

    @property
    def delta(self) -> str:
        """The bytes in base64 (encoded on first use if they came raw)."""
        return self._payload.base64

    def model_dump(self) -> dict[str, Any]:
        """The event as plain Python data, ``type`` first."""
        return {
            "type": type_name(self),
            "response_id": self.response_id,
            "item_id": self.item_id,
            "delta": self.delta,
            "format": {"type": self.format.type, "rate": self.format.rate},
            "content_index": self.content_index,
        }

    def model_dump_json(self) -> str:
        """The event as one JSON object."""
        return msgspec.json.encode(self.model_dump()).decode()

    @classmethod
    def model_validate(cls, data: object) -> Self:
        """Builds the event from plain data; raises InvalidEventError naming the field at fault."""
        fields = _validated_delta(cls, data)
        return cls(
            response_id=fields.response_id,
            item_id=fields.item_id,
            delta=fields.delta,
            format=fields.format,
            content_index=fields.content_index,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModelResponseAudioDeltaEvent)
            and type(self) is type(other)
            and (self.response_id, self.item_id, self.format)
            == (other.response_id, other.item_id, other.format)
            and self.payload == other.payload
        )

    def __hash__(self) -> int:
        return hash((self.response_id, self.item_id, self.payload))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(response_id={self.response_id!r}, item_id={self.item_id!r}, "
            f"format={self.format!r}, delta=<audio>)"
        )


class DeltaFields(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON fields of an audio delta, for validation only."""

    response_id: str
    item_id: str
    delta: str
    format: MediaFormat
    content_index: int = 0


def _validated_delta(cls: type[EventBase], data: object) -> DeltaFields:
    try:
        return msgspec.convert(data, DeltaFields)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"{cls.__name__}: {error}") from error


class ModelResponseAudioDoneEvent(_Event, frozen=True, kw_only=True):
    """All audio of this content part was delivered."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_AUDIO_DONE
    response_id: str
    item_id: str
    content_index: int = 0


class ModelResponseAudioTranscriptDeltaEvent(_Event, frozen=True, kw_only=True):
    """A piece of the words that the reply's audio says."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_AUDIO_TRANSCRIPT_DELTA
    response_id: str
    item_id: str
    delta: str
    content_index: int = 0
    audio_start_ms: int | None = None
    """Where in this content part's audio these words begin, where the model knows."""


class ModelResponseAudioTranscriptDoneEvent(_Event, frozen=True, kw_only=True):
    """The words of this content part are complete."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_AUDIO_TRANSCRIPT_DONE
    response_id: str
    item_id: str
    transcript: str = ""
    content_index: int = 0


class ModelResponseTextDeltaEvent(_Event, frozen=True, kw_only=True):
    """A piece of a text answer (text modality)."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_TEXT_DELTA
    response_id: str
    item_id: str
    delta: str
    content_index: int = 0


class ModelResponseTextDoneEvent(_Event, frozen=True, kw_only=True):
    """The text of this content part is complete."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_TEXT_DONE
    response_id: str
    item_id: str
    text: str = ""
    content_index: int = 0


class ModelResponseToolUseDeltaEvent(_Event, frozen=True, kw_only=True):
    """Arguments of a function call so far (``raw_input``); ``input`` stays empty until they are complete."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_TOOL_USE_DELTA
    response_id: str
    item_id: str
    tool_use: ToolUseBlock
    delta: str = ""
    """What this event added."""


class ModelResponseToolUseDoneEvent(_Event, frozen=True, kw_only=True):
    """A function call is complete and waits for its result."""

    type: ClassVar[str] = ModelEventType.MODEL_RESPONSE_TOOL_USE_DONE
    response_id: str
    item_id: str
    tool_use: ToolUseBlock


class ModelInputTranscriptionDeltaEvent(_Event, frozen=True, kw_only=True):
    """Partial transcript of the user's utterance."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_TRANSCRIPTION_DELTA
    item_id: str
    delta: str
    """What was added; or, with ``is_revision``, the whole partial text, which replaces the earlier one."""
    is_revision: bool = False


class ModelInputTranscriptionDoneEvent(_Event, frozen=True, kw_only=True):
    """Final transcript of the user's utterance."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_TRANSCRIPTION_DONE
    transcript: str
    item_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    duration_s: float | None = None
    """Seconds of audio, where the provider bills by time."""


class ModelInputTranscriptionFailedEvent(_Event, frozen=True, kw_only=True):
    """The utterance could not be transcribed; the conversation goes on."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_TRANSCRIPTION_FAILED
    item_id: str
    code: str = ""
    message: str = ""


class ModelInputStartedEvent(_Event, frozen=True, kw_only=True):
    """The user began to speak."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_STARTED
    item_id: str
    audio_start_ms: int
    """Position in all audio appended in this session, prefix padding included."""


class ModelInputDoneEvent(_Event, frozen=True, kw_only=True):
    """The user stopped speaking."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_DONE
    item_id: str
    audio_end_ms: int


class ModelInputCommittedEvent(_Event, frozen=True, kw_only=True):
    """The input buffer became a user item."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_COMMITTED
    item_id: str
    previous_item_id: str | None = None


class ModelInputClearedEvent(_Event, frozen=True, kw_only=True):
    """The input buffer was thrown away."""

    type: ClassVar[str] = ModelEventType.MODEL_INPUT_CLEARED


class ModelItemAddedEvent(_Event, frozen=True, kw_only=True):
    """An item entered the conversation; its content may still grow."""

    type: ClassVar[str] = ModelEventType.MODEL_ITEM_ADDED
    item: Item
    previous_item_id: str | None = None
    response_id: str | None = None
    """The response that makes the item; None for items of the user."""


class ModelItemDoneEvent(_Event, frozen=True, kw_only=True):
    """An item is complete, or marked incomplete."""

    type: ClassVar[str] = ModelEventType.MODEL_ITEM_DONE
    item: Item
    previous_item_id: str | None = None
    response_id: str | None = None


class ModelItemRetrievedEvent(_Event, frozen=True, kw_only=True):
    """An item as the model has it, audio included."""

    type: ClassVar[str] = ModelEventType.MODEL_ITEM_RETRIEVED
    item: Item


class ModelItemTruncatedEvent(_Event, frozen=True, kw_only=True):
    """An assistant item was cut to what was heard."""

    type: ClassVar[str] = ModelEventType.MODEL_ITEM_TRUNCATED
    item_id: str
    audio_end_ms: int
    content_index: int = 0


class ModelItemDeletedEvent(_Event, frozen=True, kw_only=True):
    """An item was removed."""

    type: ClassVar[str] = ModelEventType.MODEL_ITEM_DELETED
    item_id: str


class ModelErrorEvent(_Event, frozen=True, kw_only=True):
    """Recoverable trouble; the session goes on."""

    type: ClassVar[str] = ModelEventType.MODEL_ERROR
    error_type: str
    code: str
    message: str
    param: str | None = None
    command_id: str = ""
    """The command that caused it, when that is known."""


class ModelAudioDroppedEvent(_Event, frozen=True, kw_only=True):
    """Audio was lost or left out, declared in samples."""

    type: ClassVar[str] = ModelEventType.MODEL_AUDIO_DROPPED
    samples: int
    sample_rate_hz: int
    direction: Literal["input", "output"] = "input"
    reason: str = ""


class ModelProviderEvent(_Event, frozen=True, kw_only=True):
    """Anything a provider sends that has no common meaning, unknown events included; never thrown away."""

    type: ClassVar[str] = ModelEventType.MODEL_PROVIDER_EVENT
    name: str
    raw: dict[str, Any] = {}
    is_known: bool = True
    """False when our codec had never heard of it."""


class WebsocketConnectEvent(_Event, frozen=True, kw_only=True):
    """The connection to the provider is open again (after a reconnect)."""

    type: ClassVar[str] = ModelEventType.MODEL_WEBSOCKET_CONNECT


class WebsocketDisconnectEvent(_Event, frozen=True, kw_only=True):
    """The connection to the provider was lost; the session may still be restored."""

    type: ClassVar[str] = ModelEventType.MODEL_WEBSOCKET_DISCONNECT


class ModelEvents:
    """Namespace of all model events, as in seed 002."""

    EventBase = EventBase
    ModelSessionCreatedEvent = ModelSessionCreatedEvent
    ModelSessionUpdatedEvent = ModelSessionUpdatedEvent
    ModelSessionEndedEvent = ModelSessionEndedEvent
    ModelResponseCreatedEvent = ModelResponseCreatedEvent
    ModelResponseDoneEvent = ModelResponseDoneEvent
    ModelResponseAudioDeltaEvent = ModelResponseAudioDeltaEvent
    ModelResponseAudioDoneEvent = ModelResponseAudioDoneEvent
    ModelResponseAudioTranscriptDeltaEvent = ModelResponseAudioTranscriptDeltaEvent
    ModelResponseAudioTranscriptDoneEvent = ModelResponseAudioTranscriptDoneEvent
    ModelResponseTextDeltaEvent = ModelResponseTextDeltaEvent
    ModelResponseTextDoneEvent = ModelResponseTextDoneEvent
    ModelResponseToolUseDeltaEvent = ModelResponseToolUseDeltaEvent
    ModelResponseToolUseDoneEvent = ModelResponseToolUseDoneEvent
    ModelInputTranscriptionDeltaEvent = ModelInputTranscriptionDeltaEvent
    ModelInputTranscriptionDoneEvent = ModelInputTranscriptionDoneEvent
    ModelInputTranscriptionFailedEvent = ModelInputTranscriptionFailedEvent
    ModelInputStartedEvent = ModelInputStartedEvent
    ModelInputDoneEvent = ModelInputDoneEvent
    ModelInputCommittedEvent = ModelInputCommittedEvent
    ModelInputClearedEvent = ModelInputClearedEvent
    ModelItemAddedEvent = ModelItemAddedEvent
    ModelItemDoneEvent = ModelItemDoneEvent
    ModelItemRetrievedEvent = ModelItemRetrievedEvent
    ModelItemTruncatedEvent = ModelItemTruncatedEvent
    ModelItemDeletedEvent = ModelItemDeletedEvent
    ModelErrorEvent = ModelErrorEvent
    ModelAudioDroppedEvent = ModelAudioDroppedEvent
    ModelProviderEvent = ModelProviderEvent
    WebsocketConnectEvent = WebsocketConnectEvent
    WebsocketDisconnectEvent = WebsocketDisconnectEvent

    @classmethod
    def from_json(cls, data: str | bytes | dict[str, Any]) -> Event:
        """Builds any model event from its JSON text or data.

        Raises:
            InvalidEventError: Not an event of this family, or a field is at fault.
        """
        fields = data if isinstance(data, dict) else parse_json(data)
        name = cast("dict[str, Any]", fields).get("type") if isinstance(fields, dict) else None
        found = BY_TYPE.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidEventError(f"not a model event: type is {name!r}")
        return found.model_validate(fields)


BY_TYPE: dict[str, type[EventBase]] = {
    value.type: value
    for value in vars(ModelEvents).values()
    if isinstance(value, type) and issubclass(value, EventBase) and value is not EventBase
}
"""Every model event class by its JSON type."""
