"""The types of model events, and the values that several of them carry."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import msgspec
from typing_extensions import NotRequired, TypedDict

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
