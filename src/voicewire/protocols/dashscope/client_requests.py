"""What a client of this wire sends: commands as events."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pybase64

from voicewire.errors import UnsupportedError
from voicewire.events.base import MediaFormat
from voicewire.events.commands import (
    AppendAudio,
    CreateItem,
    CreateResponse,
    SendImage,
    SendText,
    SendToolResult,
)
from voicewire.events.items import ContentPart, Item
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope import wire_client as wire
from voicewire.protocols.dashscope.session_config import modalities
from voicewire.protocols.dashscope.traits import WireTraits
from voicewire.protocols.openai.client_requests import append_frames
from voicewire.protocols.openai.flat import item_to_flat
from voicewire.protocols.openai.wire_client import ClientEvent
from voicewire.protocols.openai.wire_items import item_to_client_event

_UNSAYABLE = ("voice", "tools", "tool_choice", "max_output_tokens", "input_items")


def encoded(event: ClientEvent) -> str:
    """One event as a frame."""
    return msgspec.json.encode(event).decode()


def append(command: AppendAudio, wanted: MediaFormat, traits: WireTraits) -> list[Frame]:
    """The frames of audio.

    Raises:
        UnsupportedError: The session takes none, or not of this kind.
    """
    if traits.family == "tts":
        raise UnsupportedError("this session speaks text; it takes no audio")
    if command.encoding != "pcm16" or command.sample_rate_hz != wanted.rate:
        raise UnsupportedError(
            f"the session takes pcm16 at {wanted.rate} Hz, this is {command.encoding} at "
            f"{command.sample_rate_hz} Hz; convert it first"
        )
    return append_frames(command)


def item_frame(command: SendText | SendToolResult | CreateItem) -> str:
    """The ``conversation.item.create`` of a command.

    Raises:
        UnsupportedError: The wire cannot create such an item.
    """
    previous_item_id = None
    match command:
        case SendText():
            part = ContentPart(kind="text", text=command.text)
            item = Item(id="", role=command.role, content=(part,))
        case SendToolResult():
            item = Item(id="", kind="function_call_output", call_id=command.call_id, output=command.output)
        case CreateItem():
            item, previous_item_id = command.item, command.previous_item_id
    if item.kind not in ("message", "function_call", "function_call_output"):
        raise UnsupportedError(f"this wire has no items of kind {item.kind!r}")
    if any(part.kind == "image" for part in item.content):
        raise UnsupportedError("this wire takes images beside the audio only (SendImage), not in messages")
    body = cast("dict[str, Any]", msgspec.to_builtins(item_to_client_event(item)))
    return encoded(
        wire.ConversationItemCreate(
            event_id=command.command_id or None, item=item_to_flat(body), previous_item_id=previous_item_id
        )
    )


def image_frame(command: SendImage) -> str:
    """The ``input_image_buffer.append`` of an image.

    Raises:
        UnsupportedError: The image is no JPEG; the wire has no field to say what it is.
    """
    data, media_type = command.data, command.media_type
    if isinstance(data, str) and data.startswith("data:"):
        head, _, data = data[5:].partition(",")
        media_type = head.partition(";")[0]
    if media_type not in ("image/jpeg", "image/jpg"):
        raise UnsupportedError(f"this wire takes images as JPEG, not as {media_type}; convert it first")
    text = data if isinstance(data, str) else pybase64.b64encode_as_string(data)
    return encoded(wire.InputImageBufferAppend(event_id=command.command_id or None, image=text))


def response_frame(command: CreateResponse, event_id: str, traits: WireTraits) -> str:
    """A ``response.create``. Metadata stays with the codec, which gives it back with the response.

    Raises:
        UnsupportedError: The command sets what this wire cannot say.
    """
    unsayable = [name for name in _UNSAYABLE if getattr(command, name) is not None]
    if command.is_out_of_band:
        unsayable.append("is_out_of_band")
    if unsayable:
        raise UnsupportedError(f"a response on this wire has no {', '.join(unsayable)}")
    params: dict[str, Any] = {}
    if command.instructions is not None:
        params["instructions"] = command.instructions
    if command.modality is not None:
        params["modalities"] = modalities(command.modality)
    if not params and traits.is_always_create_empty:
        return encoded(wire.ResponseCreate(event_id=event_id))
    return encoded(wire.ResponseCreate(event_id=event_id, response=wire.ResponseParams(**params)))
