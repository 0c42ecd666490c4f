"""What a user of ``RTLowLevelClient`` gets: server messages, as ``rtclient.models`` has them."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias, cast

import msgspec

from voicewire.clients.base import Model
from voicewire.clients.models import NoTurnDetection, SemanticVAD, ServerVAD, TurnDetection
from voicewire.errors import RemoteProtocolError


class RealtimeError(Model, kw_only=True):
    """What went wrong."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class ServerMessageBase(Model, kw_only=True):
    """Every server message has an id."""

    type: ClassVar[str] = ""
    event_id: str = ""

    def model_dump(self, **_: object) -> dict[str, Any]:
        """The message as plain data, ``type`` first."""
        return {"type": self.type, **Model.model_dump(self)}


class UnknownMessage(ServerMessageBase, kw_only=True):
    """A message that this program has never heard of."""

    # A class of the wire has one type; this one has whatever came.
    type: str = "unknown"  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride]
    """Its own type."""
    raw: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """The whole message."""


class ErrorMessage(ServerMessageBase, kw_only=True):
    """Something is wrong; the session goes on."""

    type: ClassVar[str] = "error"
    error: RealtimeError


class Session(Model, kw_only=True):
    """The settings in force."""

    id: str = ""
    model: str = ""
    modalities: set[str] = msgspec.field(default_factory=set[str])
    instructions: str = ""
    voice: Any = ""
    input_audio_format: str = "pcm16"
    output_audio_format: str = "pcm16"
    input_audio_transcription: Any = None
    turn_detection: Any = None
    tools: list[Any] = msgspec.field(default_factory=list[Any])
    tool_choice: Any = "auto"
    temperature: float | None = None
    max_response_output_tokens: Any = None
    expires_at: int | None = None

    def __post_init__(self) -> None:
        detection: object = self.turn_detection
        if isinstance(detection, dict):
            self.turn_detection = _turn_detection(cast("dict[str, Any]", detection))


def _turn_detection(fields: dict[str, Any]) -> TurnDetection | dict[str, Any]:
    kinds: dict[object, type[TurnDetection]] = {
        "server_vad": ServerVAD, "semantic_vad": SemanticVAD, "none": NoTurnDetection
    }  # fmt: skip
    kind = kinds.get(fields.get("type"))
    return fields if kind is None else msgspec.convert(fields, kind)


class SessionCreatedMessage(ServerMessageBase, kw_only=True):
    """The session is open."""

    type: ClassVar[str] = "session.created"
    session: Session


class SessionUpdatedMessage(ServerMessageBase, kw_only=True):
    """A change of the session is in force."""

    type: ClassVar[str] = "session.updated"
    session: Session


class InputAudioBufferCommittedMessage(ServerMessageBase, kw_only=True):
    """The audio became a user item."""

    type: ClassVar[str] = "input_audio_buffer.committed"
    item_id: str
    previous_item_id: str | None = None


class InputAudioBufferClearedMessage(ServerMessageBase, kw_only=True):
    """The audio was thrown away."""

    type: ClassVar[str] = "input_audio_buffer.cleared"


class InputAudioBufferSpeechStartedMessage(ServerMessageBase, kw_only=True):
    """The user began to speak."""

    type: ClassVar[str] = "input_audio_buffer.speech_started"
    item_id: str
    audio_start_ms: int


class InputAudioBufferSpeechStoppedMessage(ServerMessageBase, kw_only=True):
    """The user stopped speaking."""

    type: ClassVar[str] = "input_audio_buffer.speech_stopped"
    item_id: str
    audio_end_ms: int


class ContentPart(Model, kw_only=True):
    """One part of a message: ``input_text``, ``input_audio``, ``text`` or ``audio``."""

    type: str = ""
    text: str | None = None
    transcript: str | None = None
    audio: str | None = None


class ResponseItemBase(Model, kw_only=True):
    """One entry of the conversation; which fields it has depends on its ``type``."""

    type: str = ""
    id: str | None = None
    status: str | None = None


class ResponseMessageItem(ResponseItemBase, kw_only=True):
    """A message."""

    role: str = ""
    content: list[ContentPart] = msgspec.field(default_factory=list[ContentPart])


class ResponseFunctionCallItem(ResponseItemBase, kw_only=True):
    """A function call."""

    name: str = ""
    call_id: str = ""
    arguments: str = ""


class ResponseFunctionCallOutputItem(ResponseItemBase, kw_only=True):
    """The result of a call."""

    call_id: str = ""
    output: str = ""


ResponseItem: TypeAlias = (
    ResponseMessageItem | ResponseFunctionCallItem | ResponseFunctionCallOutputItem | ResponseItemBase
)
_ITEMS: dict[object, type[ResponseItemBase]] = {
    "message": ResponseMessageItem,
    "function_call": ResponseFunctionCallItem,
    "function_call_output": ResponseFunctionCallOutputItem,
}


def _item(value: object) -> ResponseItemBase:
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return msgspec.convert(fields, _ITEMS.get(fields.get("type"), ResponseItemBase))


class _WithItem(ServerMessageBase, kw_only=True):
    item: Any = None

    def __post_init__(self) -> None:
        item: object = self.item
        if isinstance(item, dict):
            self.item = _item(cast("object", item))


class ItemCreatedMessage(_WithItem, kw_only=True):
    """An item entered the conversation."""

    type: ClassVar[str] = "conversation.item.created"
    previous_item_id: str | None = None


class ItemTruncatedMessage(ServerMessageBase, kw_only=True):
    """An item was cut to what was heard."""

    type: ClassVar[str] = "conversation.item.truncated"
    item_id: str
    content_index: int = 0
    audio_end_ms: int = 0


class ItemDeletedMessage(ServerMessageBase, kw_only=True):
    """An item was removed."""

    type: ClassVar[str] = "conversation.item.deleted"
    item_id: str


class ItemInputAudioTranscriptionDeltaMessage(ServerMessageBase, kw_only=True):
    """A piece of the user's words."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.delta"
    item_id: str
    content_index: int = 0
    delta: str = ""


class ItemInputAudioTranscriptionCompletedMessage(ServerMessageBase, kw_only=True):
    """The user's words are complete."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.completed"
    item_id: str
    content_index: int = 0
    transcript: str = ""


class ItemInputAudioTranscriptionFailedMessage(ServerMessageBase, kw_only=True):
    """The user's words could not be made out."""

    type: ClassVar[str] = "conversation.item.input_audio_transcription.failed"
    item_id: str
    content_index: int = 0
    error: RealtimeError


class InputTokenDetails(Model, kw_only=True):
    """Input tokens by kind."""

    cached_tokens: int = 0
    text_tokens: int = 0
    audio_tokens: int = 0


class OutputTokenDetails(Model, kw_only=True):
    """Output tokens by kind."""

    text_tokens: int = 0
    audio_tokens: int = 0


class Usage(Model, kw_only=True):
    """Tokens of a response."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails | None = None
    output_token_details: OutputTokenDetails | None = None


class ResponseStatusDetails(Model, kw_only=True):
    """Why a response has its status."""

    type: str | None = None
    reason: str | None = None
    error: Any = None


class Response(Model, kw_only=True):
    """A response, as far as it is."""

    id: str = ""
    status: str = ""
    status_details: ResponseStatusDetails | None = None
    output: list[Any] = msgspec.field(default_factory=list[Any])
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        entries: list[object] = self.output
        self.output = [
            _item(cast("object", entry)) if isinstance(entry, dict) else entry for entry in entries
        ]


class ResponseCreatedMessage(ServerMessageBase, kw_only=True):
    """A response begins."""

    type: ClassVar[str] = "response.created"
    response: Response


class ResponseDoneMessage(ServerMessageBase, kw_only=True):
    """A response ended."""

    type: ClassVar[str] = "response.done"
    response: Response


class ResponseOutputItemAddedMessage(_WithItem, kw_only=True):
    """A response has a new item."""

    type: ClassVar[str] = "response.output_item.added"
    response_id: str = ""
    output_index: int = 0


class ResponseOutputItemDoneMessage(_WithItem, kw_only=True):
    """An item of a response is complete."""

    type: ClassVar[str] = "response.output_item.done"
    response_id: str = ""
    output_index: int = 0


class _OfPart(ServerMessageBase, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ResponseContentPartAddedMessage(_OfPart, kw_only=True):
    """An item has a new content part."""

    type: ClassVar[str] = "response.content_part.added"
    part: ContentPart

    @property
    def content(self) -> ContentPart:
        """The part, by its other name."""
        return self.part


class ResponseContentPartDoneMessage(_OfPart, kw_only=True):
    """A content part is complete."""

    type: ClassVar[str] = "response.content_part.done"
    part: ContentPart

    @property
    def content(self) -> ContentPart:
        """The part, by its other name."""
        return self.part


class ResponseTextDeltaMessage(_OfPart, kw_only=True):
    """A piece of text."""

    type: ClassVar[str] = "response.text.delta"
    delta: str = ""


class ResponseTextDoneMessage(_OfPart, kw_only=True):
    """The text is complete."""

    type: ClassVar[str] = "response.text.done"
    text: str = ""


class ResponseAudioTranscriptDeltaMessage(_OfPart, kw_only=True):
    """A piece of the words of the audio."""

    type: ClassVar[str] = "response.audio_transcript.delta"
    delta: str = ""


class ResponseAudioTranscriptDoneMessage(_OfPart, kw_only=True):
    """The words of the audio are complete."""

    type: ClassVar[str] = "response.audio_transcript.done"
    transcript: str = ""


class ResponseAudioDeltaMessage(_OfPart, kw_only=True):
    """A piece of audio, in base64."""

    type: ClassVar[str] = "response.audio.delta"
    delta: str = ""

    def as_json(self) -> dict[str, Any]:
        """The message as plain data; what ``model_dump`` gives, at a tenth of its price."""
        return {
            "type": self.type,
            "event_id": self.event_id,
            "response_id": self.response_id,
            "item_id": self.item_id,
            "output_index": self.output_index,
            "content_index": self.content_index,
            "delta": self.delta,
        }


class ResponseAudioDoneMessage(_OfPart, kw_only=True):
    """The audio is complete."""

    type: ClassVar[str] = "response.audio.done"


class ResponseFunctionCallArgumentsDeltaMessage(ServerMessageBase, kw_only=True):
    """A piece of a call's arguments."""

    type: ClassVar[str] = "response.function_call_arguments.delta"
    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str = ""
    delta: str = ""


class ResponseFunctionCallArgumentsDoneMessage(ServerMessageBase, kw_only=True):
    """A call's arguments are complete."""

    type: ClassVar[str] = "response.function_call_arguments.done"
    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str = ""
    name: str | None = None
    arguments: str = ""


class RateLimits(Model, kw_only=True):
    """One limit."""

    name: str = ""
    limit: int = 0
    remaining: int = 0
    reset_seconds: float = 0.0


class RateLimitsUpdatedMessage(ServerMessageBase, kw_only=True):
    """What is left of the account's limits."""

    type: ClassVar[str] = "rate_limits.updated"
    rate_limits: list[RateLimits] = msgspec.field(default_factory=list[RateLimits])


ServerMessageType: TypeAlias = ServerMessageBase
BY_TYPE: dict[str, type[ServerMessageBase]] = {
    kind.type: kind
    for kind in list(globals().values())
    if isinstance(kind, type)
    and issubclass(kind, ServerMessageBase)
    and kind not in (ServerMessageBase, UnknownMessage)
    and kind.type
}
"""Server messages by their wire type."""


def create_message_from_dict(data: dict[str, Any]) -> ServerMessageBase:
    """The message that plain data stands for; an `UnknownMessage` when its type is not known.

    Raises:
        RemoteProtocolError: The data lacks a field of its type.
    """
    kind = BY_TYPE.get(str(data.get("type")))
    if kind is None:
        event_id = data.get("event_id")
        return UnknownMessage(
            type=str(data.get("type", "")), event_id=event_id if isinstance(event_id, str) else "", raw=data
        )
    if "part" not in data and "content" in data:
        data = {**data, "part": data["content"]}
    try:
        return msgspec.convert(data, kind, strict=False)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"the server sent a {kind.type} that cannot be read: {error}") from error
