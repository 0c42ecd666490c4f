"""What a client of the OpenAI wire sends: commands as events."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pybase64

from voicewire.errors import UnsupportedError
from voicewire.events.commands import (
    AppendAudio,
    ClearAudio,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendText,
    SendToolResult,
    TruncateItem,
)
from voicewire.protocols.codec import Frame
from voicewire.protocols.openai.limits import MAX_APPEND_BYTES
from voicewire.protocols.openai.session_config import (
    tool_body,
    tool_choice_body,
    voice_body,
)
from voicewire.protocols.openai.wire_client import (
    ClientEvent,
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCreate,
    ResponseParams,
)
from voicewire.protocols.openai.wire_items import (
    FunctionCallOutputItem,
    InputImagePart,
    InputTextPart,
    ItemReference,
    MessageItem,
    OutputTextPart,
    item_to_client_event,
)
from voicewire.protocols.openai.wire_session import format_body

_APPEND_PREFIX = '{"type":"input_audio_buffer.append","audio":"'
_APPEND_SUFFIX = '"}'
_MAX_APPEND_CHARS = MAX_APPEND_BYTES // 6 * 8
"""Base64 of the largest append; a multiple of 8 characters (6 bytes) never splits a sample."""


def encoded(event: ClientEvent) -> str:
    """One event as a frame."""
    return msgspec.json.encode(event).decode()


def session_update(body: dict[str, Any], event_id: str) -> str:
    """A ``session.update`` with a session that may hold keys of one provider only."""
    return msgspec.json.encode({"type": "session.update", "event_id": event_id, "session": body}).decode()


def append_frames(command: AppendAudio) -> list[Frame]:
    """The frames of audio: none for no audio, several above the limit of one event."""
    text = command.base64
    if not command.command_id and 0 < len(text) <= _MAX_APPEND_CHARS:
        return [f"{_APPEND_PREFIX}{text}{_APPEND_SUFFIX}"]  # one allocation; two with ``+``
    if not text:
        return []
    if command.command_id:
        event_id = msgspec.json.encode(command.command_id).decode()
        prefix = f'{{"type":"input_audio_buffer.append","event_id":{event_id},"audio":"'
    else:
        prefix = _APPEND_PREFIX
    if len(text) <= _MAX_APPEND_CHARS:
        return [prefix + text + _APPEND_SUFFIX]
    return [
        prefix + text[start : start + _MAX_APPEND_CHARS] + _APPEND_SUFFIX
        for start in range(0, len(text), _MAX_APPEND_CHARS)
    ]


def frame_of(
    command: CommitAudio
    | ClearAudio
    | SendText
    | SendImage
    | SendToolResult
    | CreateItem
    | DeleteItem
    | RetrieveItem,
) -> str:
    """The frame of a command that is always exactly one, whatever else is going on.

    Raises:
        UnsupportedError: The wire cannot create such an item.
    """
    event_id = command.command_id or None
    match command:
        case CommitAudio():
            return encoded(InputAudioBufferCommit(event_id=event_id))
        case ClearAudio():
            return encoded(InputAudioBufferClear(event_id=event_id))
        case DeleteItem():
            return encoded(ConversationItemDelete(event_id=event_id, item_id=command.item_id))
        case RetrieveItem():
            return encoded(ConversationItemRetrieve(event_id=event_id, item_id=command.item_id))
        case SendText():
            return encoded(ConversationItemCreate(event_id=event_id, item=_text_item(command)))
        case SendImage():
            return encoded(ConversationItemCreate(event_id=event_id, item=_image_item(command)))
        case SendToolResult():
            result = FunctionCallOutputItem(call_id=command.call_id, output=command.output)
            return encoded(ConversationItemCreate(event_id=event_id, item=result))
        case CreateItem():
            item = item_to_client_event(command.item)
            if isinstance(item, ItemReference):
                raise UnsupportedError("an item reference is only allowed in the input of a response")
            return encoded(
                ConversationItemCreate(
                    event_id=event_id, item=item, previous_item_id=command.previous_item_id
                )
            )


def _text_item(command: SendText) -> MessageItem:
    is_assistant = command.role == "assistant"
    part = OutputTextPart(text=command.text) if is_assistant else InputTextPart(text=command.text)
    return MessageItem(role=command.role, content=[part])


def _image_item(command: SendImage) -> MessageItem:
    data = command.data
    if isinstance(data, str) and data.startswith("data:"):
        uri = data
    else:
        text = data if isinstance(data, str) else pybase64.b64encode_as_string(data)
        uri = f"data:{command.media_type};base64,{text}"
    return MessageItem(role="user", content=[InputImagePart(image_url=uri)])


def truncation(command: TruncateItem, end_ms: int) -> str:
    """The frame that cuts an item; one that deletes it when nothing is left."""
    event_id = command.command_id or None
    if end_ms <= 0:
        return encoded(ConversationItemDelete(event_id=event_id, item_id=command.item_id))
    return encoded(
        ConversationItemTruncate(
            event_id=event_id,
            item_id=command.item_id,
            content_index=command.content_index,
            audio_end_ms=end_ms,
        )
    )


def response_create(command: CreateResponse, event_id: str) -> str:
    """A ``response.create``; without parameters when the command has none."""
    params = _response_params(command)
    if not params and not command.extra:
        return encoded(ResponseCreate(event_id=event_id))
    body = cast("dict[str, Any]", msgspec.to_builtins(ResponseParams(**params)))
    extra = dict(command.extra)
    if (media_type := extra.pop("output_format", None)) is not None:
        body.setdefault("audio", {}).setdefault("output", {})["format"] = format_body(media_type)
    if mcp_tools := extra.pop("mcp_tools", None):
        body.setdefault("tools", []).extend(mcp_tools)
    body.update(extra)
    return msgspec.json.encode({"type": "response.create", "event_id": event_id, "response": body}).decode()


def _response_params(command: CreateResponse) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if command.instructions is not None:
        params["instructions"] = command.instructions
    if command.modality is not None:
        params["output_modalities"] = [command.modality]
    if command.voice is not None:
        params["audio"] = {"output": {"voice": voice_body(command.voice)}}
    if command.tools is not None:
        params["tools"] = [tool_body(tool) for tool in command.tools]
    if command.tool_choice is not None:
        params["tool_choice"] = tool_choice_body(command.tool_choice)
    if command.max_output_tokens is not None:
        params["max_output_tokens"] = command.max_output_tokens
    if command.metadata:
        params["metadata"] = command.metadata
    if command.input_items is not None:
        params["input"] = [item_to_client_event(item) for item in command.input_items]
    if command.is_out_of_band:
        params["conversation"] = "none"
    return params
