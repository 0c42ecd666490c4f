"""The eleven events that a client of the OpenAI wire sends."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from voicewire.protocols.openai.wire_items import ClientItem, ResponseInputItem
from voicewire.protocols.openai.wire_session import (
    Modalities,
    OutputTokens,
    PromptBody,
    ReasoningBody,
    ResponseAudioBody,
    SessionBody,
    ToolBody,
    ToolChoiceBody,
)


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What all client events share."""

    event_id: str | None = None


class InputAudioBufferAppend(
    ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.append", gc=False
):
    """Audio for the input buffer, in base64 of the session's input format. There is no answer."""

    audio: str


class InputAudioBufferCommit(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Makes a user item of the input buffer."""


class InputAudioBufferClear(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Throws the input buffer away."""


class ConversationItemCreate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Adds an item."""

    item: ClientItem
    previous_item_id: str | None = None


class ConversationItemRetrieve(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Asks for an item."""

    item_id: str


class ConversationItemTruncate(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cuts assistant audio to what was heard."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(ClientEvent, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Removes an item."""

    item_id: str


class ResponseParams(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one response does differently from the session."""

    instructions: str | None | UnsetType = UNSET
    output_modalities: Modalities | UnsetType = UNSET
    audio: ResponseAudioBody | UnsetType = UNSET
    tools: list[ToolBody] | UnsetType = UNSET
    tool_choice: ToolChoiceBody | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: ReasoningBody | None | UnsetType = UNSET
    max_output_tokens: OutputTokens | UnsetType = UNSET
    conversation: Literal["auto", "none"] | UnsetType = UNSET
    metadata: dict[str, str] | None | UnsetType = UNSET
    prompt: PromptBody | None | UnsetType = UNSET
    input: list[ResponseInputItem] | UnsetType = UNSET


class ResponseCreate(ClientEvent, frozen=True, kw_only=True, tag="response.create"):
    """Asks for a response."""

    response: ResponseParams | None = None


class ResponseCancel(ClientEvent, frozen=True, kw_only=True, tag="response.cancel"):
    """Cancels a response."""

    response_id: str | None = None


class OutputAudioBufferClear(ClientEvent, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Stops playout on the server (WebRTC and SIP only)."""


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Changes the session."""

    session: SessionBody


AnyClientEvent: TypeAlias = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
    | OutputAudioBufferClear
)

CLIENT_EVENT_CLASSES: tuple[type[ClientEvent], ...] = (
    SessionUpdate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    ConversationItemCreate,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    ConversationItemDelete,
    ResponseCreate,
    ResponseCancel,
    OutputAudioBufferClear,
)
CLIENT_EVENT_TYPES: tuple[str, ...] = tuple(str(c.__struct_config__.tag) for c in CLIENT_EVENT_CLASSES)
"""The ``type`` of every client event."""

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(AnyClientEvent)


def decode_client_event(frame: str | bytes | memoryview) -> AnyClientEvent:
    """Reads one frame.

    Raises:
        msgspec.DecodeError: Not JSON, an unknown type, or fields at fault (``msgspec.ValidationError``).
        RecursionError: Nested too deeply.
        UnicodeError: Not valid Unicode.
    """
    event: AnyClientEvent = _decoder.decode(frame)
    return event
