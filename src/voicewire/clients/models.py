"""What a user of ``RTLowLevelClient`` sends: client messages and the values in them, as ``rtclient.models`` has them.

Shapes are those of the beta wire, which the clients of that time know; `link` says them in today's.
Strings are not limited to the values of 2024: newer voices, formats and models pass.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from voicewire.clients.base import Model

Voice: TypeAlias = str
AudioFormat: TypeAlias = str
"""``pcm16``, ``g711_ulaw``, ``g711_alaw``; the spellings with a hyphen are understood."""
Modality: TypeAlias = Literal["text", "audio"]
MessageRole: TypeAlias = Literal["system", "assistant", "user"]
ItemParamStatus: TypeAlias = Literal["completed", "incomplete"]
ResponseItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]
ResponseStatus: TypeAlias = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
Temperature: TypeAlias = float
MaxTokensType: TypeAlias = int | Literal["inf"]
ToolsDefinition: TypeAlias = list[Any]


class NoTurnDetection(Model, kw_only=True):
    """Turns are ended by hand."""

    type: Literal["none"] = "none"


class ServerVAD(Model, kw_only=True):
    """The server ends a turn after silence."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVAD(Model, kw_only=True):
    """The server ends a turn when the words sound finished."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection: TypeAlias = NoTurnDetection | ServerVAD | SemanticVAD


class FunctionToolChoice(Model, kw_only=True):
    """The model must call this function."""

    type: Literal["function"] = "function"
    function: str


ToolChoice: TypeAlias = str | FunctionToolChoice


class InputAudioTranscription(Model, kw_only=True):
    """The user's audio is transcribed."""

    model: str = "whisper-1"
    language: str | None = None
    prompt: str | None = None


class ClientMessageBase(Model, kw_only=True):
    """Every client message may have an id; an error that it causes names it."""

    event_id: str | None = None


class SessionUpdateParams(Model, kw_only=True):
    """The settings that are to change."""

    model: str | None = None
    modalities: set[Modality] | None = None
    voice: Voice | None = None
    instructions: str | None = None
    input_audio_format: AudioFormat | None = None
    output_audio_format: AudioFormat | None = None
    input_audio_transcription: InputAudioTranscription | None = None
    turn_detection: TurnDetection | None = None
    tools: ToolsDefinition | None = None
    tool_choice: ToolChoice | None = None
    temperature: Temperature | None = None
    max_response_output_tokens: MaxTokensType | None = None


class SessionUpdateMessage(ClientMessageBase, kw_only=True):
    """Changes the session."""

    type: Literal["session.update"] = "session.update"
    session: SessionUpdateParams


class InputAudioBufferAppendMessage(ClientMessageBase, kw_only=True):
    """Appends audio, in base64."""

    type: Literal["input_audio_buffer.append"] = "input_audio_buffer.append"
    audio: str


class InputAudioBufferCommitMessage(ClientMessageBase, kw_only=True):
    """Ends the turn."""

    type: Literal["input_audio_buffer.commit"] = "input_audio_buffer.commit"


class InputAudioBufferClearMessage(ClientMessageBase, kw_only=True):
    """Takes the audio back that is in no turn yet."""

    type: Literal["input_audio_buffer.clear"] = "input_audio_buffer.clear"


class InputTextContentPart(Model, kw_only=True):
    """Text of the user or the system."""

    type: Literal["input_text"] = "input_text"
    text: str


class InputAudioContentPart(Model, kw_only=True):
    """Audio of the user, in base64."""

    type: Literal["input_audio"] = "input_audio"
    audio: str
    transcript: str | None = None


class OutputTextContentPart(Model, kw_only=True):
    """Text of the assistant."""

    type: Literal["text"] = "text"
    text: str


SystemContentPart: TypeAlias = InputTextContentPart
UserContentPart: TypeAlias = InputTextContentPart | InputAudioContentPart
AssistantContentPart: TypeAlias = OutputTextContentPart


class SystemMessageItem(Model, kw_only=True):
    """A message of the system."""

    type: Literal["message"] = "message"
    role: Literal["system"] = "system"
    id: str | None = None
    content: list[SystemContentPart]
    status: ItemParamStatus | None = None


class UserMessageItem(Model, kw_only=True):
    """A message of the user."""

    type: Literal["message"] = "message"
    role: Literal["user"] = "user"
    id: str | None = None
    content: list[Any]
    status: ItemParamStatus | None = None


class AssistantMessageItem(Model, kw_only=True):
    """A message of the assistant."""

    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    id: str | None = None
    content: list[AssistantContentPart]
    status: ItemParamStatus | None = None


class FunctionCallItem(Model, kw_only=True):
    """A call that the model has made."""

    type: Literal["function_call"] = "function_call"
    id: str | None = None
    name: str
    call_id: str
    arguments: str
    status: ItemParamStatus | None = None


class FunctionCallOutputItem(Model, kw_only=True):
    """The result of a call."""

    type: Literal["function_call_output"] = "function_call_output"
    id: str | None = None
    call_id: str
    output: str
    status: ItemParamStatus | None = None


MessageItem: TypeAlias = SystemMessageItem | UserMessageItem | AssistantMessageItem
Item: TypeAlias = MessageItem | FunctionCallItem | FunctionCallOutputItem


class ItemCreateMessage(ClientMessageBase, kw_only=True):
    """Adds an item to the conversation."""

    type: Literal["conversation.item.create"] = "conversation.item.create"
    previous_item_id: str | None = None
    item: Any


class ItemTruncateMessage(ClientMessageBase, kw_only=True):
    """Cuts an assistant item to what was heard."""

    type: Literal["conversation.item.truncate"] = "conversation.item.truncate"
    item_id: str
    content_index: int
    audio_end_ms: int


class ItemDeleteMessage(ClientMessageBase, kw_only=True):
    """Removes an item."""

    type: Literal["conversation.item.delete"] = "conversation.item.delete"
    item_id: str


class ResponseCreateParams(Model, kw_only=True):
    """What a response is to be like; what is not set is the session's."""

    commit: bool | None = None
    cancel_previous: bool | None = None
    append_input_items: list[Any] | None = None
    input_items: list[Any] | None = None
    instructions: str | None = None
    modalities: set[Modality] | None = None
    voice: Voice | None = None
    temperature: Temperature | None = None
    max_output_tokens: MaxTokensType | None = None
    tools: ToolsDefinition | None = None
    tool_choice: ToolChoice | None = None
    output_audio_format: AudioFormat | None = None
    conversation: str | None = None
    """``none`` keeps the response out of the conversation."""
    metadata: dict[str, str] | None = None


class ResponseCreateMessage(ClientMessageBase, kw_only=True):
    """Asks for a response."""

    type: Literal["response.create"] = "response.create"
    response: ResponseCreateParams | None = None


class ResponseCancelMessage(ClientMessageBase, kw_only=True):
    """Cancels a response; the active one when none is named."""

    type: Literal["response.cancel"] = "response.cancel"
    response_id: str | None = None


UserMessageType: TypeAlias = (
    SessionUpdateMessage
    | InputAudioBufferAppendMessage
    | InputAudioBufferCommitMessage
    | InputAudioBufferClearMessage
    | ItemCreateMessage
    | ItemTruncateMessage
    | ItemDeleteMessage
    | ResponseCreateMessage
    | ResponseCancelMessage
)
