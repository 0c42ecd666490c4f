"""The forty-six events that a server of the OpenAI wire sends.

Read leniently: providers of this wire leave out what their clients do not need and add keys of their own,
which are ignored. Only the ids and payloads without which an event means nothing are required.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.protocols.openai.wire_items import ServerContent, ServerItem
from voicewire.protocols.openai.wire_response import ErrorBody, ResponseBody, Usage


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all server events share."""

    event_id: str = ""


class ErrorEvent(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """Something went wrong; the session goes on unless the code says otherwise."""

    error: ErrorBody


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The first event."""

    session: dict[str, Any] | None


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The whole session as it is now in force."""

    session: dict[str, Any] | None


class ConversationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation."""

    id: str | None = None
    object: str | None = "realtime.conversation"


class ConversationCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.created"):
    """The conversation exists."""

    conversation: ConversationBody


class _ItemEvent(ServerEvent, frozen=True, kw_only=True):
    previous_item_id: str | None = None
    item: ServerItem


class ConversationItemAdded(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item entered the conversation."""


class ConversationItemDone(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is complete."""


class ConversationItemCreated(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """An item entered the conversation (the beta's event, still part of the schema)."""


class ConversationItemRetrieved(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    """An item, its audio included."""

    item: ServerItem


class ConversationItemTruncated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    """Assistant audio was cut."""

    item_id: str
    content_index: int = 0
    audio_end_ms: int = 0


class ConversationItemDeleted(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """An item was removed."""

    item_id: str


class InputTranscriptionDelta(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """More words of the user."""

    item_id: str
    content_index: int | None = 0
    delta: str | None = None
    logprobs: list[Any] | None | UnsetType = UNSET


class TranscriptionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a transcription cost, in tokens or by duration."""

    type: str = ""
    input_tokens: int | None | UnsetType = UNSET
    output_tokens: int | None | UnsetType = UNSET
    total_tokens: int | None | UnsetType = UNSET
    input_token_details: dict[str, Any] | None | UnsetType = UNSET
    seconds: float | None | UnsetType = UNSET


class InputTranscriptionCompleted(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"
):
    """All words of the user."""

    item_id: str
    content_index: int | None = 0
    transcript: str | None = None
    usage: TranscriptionUsage | None = None
    languages: list[Any] | None | UnsetType = UNSET
    logprobs: list[Any] | None | UnsetType = UNSET


class InputTranscriptionSegment(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.segment"
):
    """A stretch of one speaker (diarizing models)."""

    item_id: str
    content_index: int | None = 0
    id: str | None = None
    text: str | None = None
    speaker: str | None = None
    start: float | None = None
    end: float | None = None


class InputTranscriptionFailed(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"
):
    """The words of the user could not be found."""

    item_id: str
    content_index: int | None = 0
    error: ErrorBody | None = None


class InputAudioBufferCommitted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The input buffer became an item."""

    previous_item_id: str | None = None
    item_id: str


class InputAudioBufferCleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The input buffer is empty."""


class SpeechStarted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """The user speaks."""

    audio_start_ms: int = 0
    item_id: str


class SpeechStopped(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """The user stopped speaking."""

    audio_end_ms: int = 0
    item_id: str


class TimeoutTriggered(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"):
    """The user was silent for too long; the model speaks by itself."""

    audio_start_ms: int = 0
    audio_end_ms: int = 0
    item_id: str


class DtmfReceived(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"):
    """A key was pressed on a phone."""

    event: str = ""
    received_at: int = 0


class ResponseCreated(ServerEvent, frozen=True, kw_only=True, tag="response.created"):
    """A response begins."""

    response: ResponseBody


class ResponseDone(ServerEvent, frozen=True, kw_only=True, tag="response.done"):
    """A response ended."""

    response: ResponseBody
    usage: Usage | None | UnsetType = UNSET
    """Here instead of in the response on xAI."""


class _OutputItemEvent(ServerEvent, frozen=True, kw_only=True):
    response_id: str
    output_index: int = 0
    item: ServerItem


class OutputItemAdded(_OutputItemEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """The response begins an item."""


class OutputItemDone(_OutputItemEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """The response finished an item."""


class _PartEvent(ServerEvent, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """An item of the response begins a content part."""

    part: ServerContent | None = None


class ContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """An item of the response finished a content part."""

    part: ServerContent | None = None


class OutputTextDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """More text."""

    delta: str


class OutputTextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    """All text of the part."""

    text: str = ""


class OutputAudioDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.delta", gc=False):
    """More audio, in base64 of the output format."""

    delta: str


class OutputAudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """The part's audio is complete."""


class OutputTranscriptDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """More words of the part's audio."""

    delta: str


class OutputTranscriptDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """All words of the part's audio."""

    transcript: str = ""


class _CallEvent(ServerEvent, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0


class FunctionArgumentsDelta(
    _CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """More of a call's arguments."""

    call_id: str = ""
    delta: str


class FunctionArgumentsDone(
    _CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """All of a call's arguments."""

    call_id: str = ""
    name: str | None | UnsetType = UNSET
    arguments: str


class McpArgumentsDelta(_CallEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"):
    """More of an MCP call's arguments."""

    delta: str
    obfuscation: str | None | UnsetType = UNSET


class McpArgumentsDone(_CallEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    """All of an MCP call's arguments."""

    arguments: str


class _McpCallEvent(ServerEvent, frozen=True, kw_only=True):
    item_id: str
    output_index: int = 0


class McpCallInProgress(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    """The provider calls an MCP tool."""


class McpCallCompleted(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    """The MCP tool answered."""


class McpCallFailed(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """The MCP tool failed."""


class McpListToolsInProgress(ServerEvent, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The provider asks an MCP server for its tools."""

    item_id: str


class McpListToolsCompleted(ServerEvent, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """The tools of an MCP server are known."""

    item_id: str


class McpListToolsFailed(ServerEvent, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """The tools of an MCP server could not be listed."""

    item_id: str


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and what is left of it."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(ServerEvent, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """What is left of the limits."""

    rate_limits: list[RateLimit]


class _OutputBufferEvent(ServerEvent, frozen=True, kw_only=True):
    response_id: str


class OutputAudioBufferStarted(
    _OutputBufferEvent, frozen=True, kw_only=True, tag="output_audio_buffer.started"
):
    """The server begins to play (WebRTC and SIP only)."""


class OutputAudioBufferStopped(
    _OutputBufferEvent, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"
):
    """The server played everything (WebRTC and SIP only)."""


class OutputAudioBufferCleared(
    _OutputBufferEvent, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"
):
    """The server stopped playing (WebRTC and SIP only)."""


MappedServerEvent: TypeAlias = (
    OutputAudioDelta
    | OutputTranscriptDelta
    | OutputTextDelta
    | FunctionArgumentsDelta
    | OutputAudioDone
    | OutputTranscriptDone
    | OutputTextDone
    | FunctionArgumentsDone
    | ContentPartAdded
    | ContentPartDone
    | OutputItemAdded
    | OutputItemDone
    | ResponseCreated
    | ResponseDone
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | InputTranscriptionDelta
    | InputTranscriptionCompleted
    | InputTranscriptionFailed
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | SpeechStarted
    | SpeechStopped
    | SessionCreated
    | SessionUpdated
    | ErrorEvent
)
"""Events that have a meaning common to all providers."""

PassedServerEvent: TypeAlias = (
    ConversationCreated
    | InputTranscriptionSegment
    | TimeoutTriggered
    | DtmfReceived
    | McpArgumentsDelta
    | McpArgumentsDone
    | McpCallInProgress
    | McpCallCompleted
    | McpCallFailed
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | RateLimitsUpdated
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
)
"""Events that are handed on as they came."""

AnyServerEvent: TypeAlias = MappedServerEvent | PassedServerEvent

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyServerEvent)
decode_server_event: Callable[[str | bytes | memoryview], AnyServerEvent] = _decoder.decode
"""Reads one frame; raises one of ``UNREADABLE``."""
UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
"""What a frame that is no known event makes ``decode_server_event`` raise."""


def _classes(union: Any) -> tuple[type[ServerEvent], ...]:
    return tuple(getattr(union, "__args__", ()))


PASSED_EVENT_CLASSES = _classes(PassedServerEvent)
SERVER_EVENT_CLASSES = _classes(AnyServerEvent)
SERVER_EVENT_TYPES: frozenset[str] = frozenset(str(c.__struct_config__.tag) for c in SERVER_EVENT_CLASSES)
"""The ``type`` of every server event."""
