"""Client frames of this wire as the server side reads them: typed events, or the wire's own errors."""

from __future__ import annotations

import re
from typing import Any, Final, cast

import msgspec

from voicewire.errors import AudioError
from voicewire.events.base import decode_base64
from voicewire.events.commands import CreateItem, CreateResponse, SendImage
from voicewire.events.session import Modality
from voicewire.protocols.codec import Frame
from voicewire.protocols.dashscope import wire_client as wire
from voicewire.protocols.dashscope.traits import Family
from voicewire.protocols.openai import codes
from voicewire.protocols.openai import wire_client as ga
from voicewire.protocols.openai.flat import item_to_ga
from voicewire.protocols.openai.limits import ServerLimits
from voicewire.protocols.openai.server_requests import create_item_command, request_error
from voicewire.protocols.openai.wire_items import ClientItem
from voicewire.protocols.openai.wire_response import ErrorBody

_PLACE: Final = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_SPEECH_KEYS: Final = frozenset({"mode", "response_format"})


def family_of_model(name: str) -> Family:
    """What a model is for, by its name."""
    parts = name.lower().split("-")
    return "tts" if "tts" in parts else "asr" if "asr" in parts else "omni"


def family_of_frame(frame: Frame | None) -> Family | None:
    """What a session is for, by its first frame; None when the frame does not tell."""
    if not isinstance(frame, str):
        return None
    try:
        event = wire.decode_client_event(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    if isinstance(event, wire.InputTextBufferAppend | wire.InputTextBufferCommit):
        return "tts"
    if not isinstance(event, wire.SessionUpdate):
        return None
    if not _SPEECH_KEYS.isdisjoint(event.session):
        return "tts"
    # Only sessions that transcribe name the rate of their input beside the format.
    return "asr" if "sample_rate" in event.session else None


def read_client_frame(frame: Frame, limits: ServerLimits) -> wire.ClientEvent | ErrorBody | None:
    """Reads one frame; never raises.

    Returns:
        The event; or the error to answer with; or None for text that is not JSON at all, which is ignored.
    """
    if isinstance(frame, bytes):
        return request_error(
            codes.INVALID_EVENT, "Binary frames are not part of this protocol; send JSON in text frames."
        )
    if len(frame) > limits.max_text_chars:
        message = f"The event has {len(frame)} characters; at most {limits.max_text_chars} are allowed."
        return request_error(codes.INVALID_EVENT, message)
    try:
        return wire.decode_client_event(frame)
    except msgspec.ValidationError as error:
        return _fault_of(frame, str(error))
    except RecursionError:
        return request_error(codes.INVALID_JSON, "The event is nested too deeply.")
    except (msgspec.DecodeError, UnicodeError) as error:
        if frame.lstrip()[:1] not in ("{", "["):
            return None
        return request_error(codes.INVALID_JSON, f"The JSON of the event cannot be read: {error}.")


def _fault_of(frame: str, fault: str) -> ErrorBody | None:
    """The error for JSON that is not one of the events."""
    try:
        data: object = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return request_error(codes.INVALID_JSON, "The JSON of the event cannot be read.")
    if not isinstance(data, dict):
        return (
            request_error(codes.INVALID_EVENT, "An event is a JSON object.")
            if isinstance(data, list)
            else None
        )
    event = cast("dict[str, Any]", data)
    event_id = event["event_id"] if isinstance(event.get("event_id"), str) else None
    event_type = event.get("type")
    if not isinstance(event_type, str):
        message = "Missing required parameter: 'type'."
        return request_error(codes.MISSING_REQUIRED_PARAMETER, message, param="type", event_id=event_id)
    if event_type not in wire.CLIENT_EVENT_TYPES:
        message = f"Invalid event type: {event_type[:100]!r}."
        return request_error(codes.INVALID_VALUE, message, param="type", event_id=event_id)
    place = _PLACE.search(fault)
    param = place["path"] if place else None
    message = f"Invalid {event_type}: {fault[: place.start()] if place else fault}."
    return request_error(codes.INVALID_VALUE, message, param=param, event_id=event_id)


def image_command(event: wire.InputImageBufferAppend) -> SendImage | ErrorBody:
    """An image, checked."""
    try:
        is_empty = not decode_base64(event.image)
    except AudioError:
        is_empty = True
    if is_empty:
        message = "Invalid 'image': expected a JPEG in base64."
        return request_error(codes.INVALID_VALUE, message, param="image", event_id=event.event_id)
    return SendImage(event.image, "image/jpeg", command_id=event.event_id or "")


def item_command(event: wire.ConversationItemCreate) -> CreateItem | ErrorBody:
    """An item to create, checked."""
    body = {key: value for key, value in event.item.items() if value is not None}
    try:
        item = msgspec.convert(item_to_ga(body), ClientItem)
    except msgspec.ValidationError as error:
        message = f"Invalid item: {error}."
        return request_error(codes.INVALID_VALUE, message, param="item", event_id=event.event_id)
    return create_item_command(
        ga.ConversationItemCreate(event_id=event.event_id, item=item, previous_item_id=event.previous_item_id)
    )


def response_command(event: wire.ResponseCreate) -> CreateResponse | ErrorBody:
    """A request for a response, checked."""
    params = event.response or wire.ResponseParams()
    modality: Modality | None = None
    if params.modalities:
        if (fault := modalities_fault(params.modalities, "response.modalities")) is not None:
            return msgspec.structs.replace(fault, event_id=event.event_id)
        modality = "audio" if "audio" in params.modalities else "text"
    return CreateResponse(
        instructions=params.instructions or None, modality=modality, command_id=event.event_id or ""
    )


def modalities_fault(wanted: object, param: str) -> ErrorBody | None:
    """The error for modalities that this wire does not combine."""
    if isinstance(wanted, list):
        named = {str(name) for name in cast("list[object]", wanted)}
        if named in ({"text"}, {"text", "audio"}):
            return None
    message = f"Invalid modalities: {wanted!r}. Supported combinations are: ['text'] and ['audio', 'text']."
    return request_error(codes.INVALID_VALUE, message, param=param)
