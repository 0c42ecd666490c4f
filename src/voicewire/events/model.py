"""Model events: what a conversation with any model reports. One event means one thing on every provider.

The first seventeen are those of seed 002, with its JSON types and required fields; optional fields were
added to them, never taken away. The rest is what a complete conversation needs besides.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

import msgspec

from voicewire.errors import InvalidEventError
from voicewire.events.audio_delta import ModelResponseAudioDeltaEvent as ModelResponseAudioDeltaEvent
from voicewire.events.base import Event, EventBase, parse_json
from voicewire.events.items import Item
from voicewire.events.model_types import ModelEventType as ModelEventType
from voicewire.events.model_types import ResponseStatus as ResponseStatus
from voicewire.events.model_types import TokenUsage as TokenUsage
from voicewire.events.model_types import ToolUseBlock as ToolUseBlock
from voicewire.events.session import SessionConfig


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
    """The connection to the provider is open again; the conversation goes on, and everything said is in it."""

    type: ClassVar[str] = ModelEventType.MODEL_WEBSOCKET_CONNECT
    session_id: str = ""
    """The provider's id of the session from here on."""
    attempts: int = 0
    """How many attempts it took."""
    outage_ms: int = 0
    """How long there was no connection."""
    is_planned: bool = False
    """Whether this was a change before a limit, without a loss."""
    is_resumed: bool = False
    """Whether the provider resumed the session itself; else it was told the history."""
    items_told: int = 0
    """Items of the history that the new connection was told."""
    items_forgotten: int = 0
    """Items that it was not told, because there were too many."""
    replayed_audio_ms: int = 0
    """How much of the user's audio it was given again."""


class WebsocketDisconnectEvent(_Event, frozen=True, kw_only=True):
    """The connection to the provider was lost; it is being restored."""

    type: ClassVar[str] = ModelEventType.MODEL_WEBSOCKET_DISCONNECT
    code: int = 0
    """Close code of the wire."""
    reason: str = ""


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
        parsed = data if isinstance(data, dict) else parse_json(data)
        fields = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
        name = fields.get("type")
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
