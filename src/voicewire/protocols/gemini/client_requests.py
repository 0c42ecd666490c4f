"""What a client of the Gemini Live wire sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import msgspec
import pybase64

from voicewire.errors import UnsupportedError
from voicewire.events.commands import SendImage
from voicewire.events.items import ContentPart, Item
from voicewire.protocols.codec import Frame
from voicewire.protocols.gemini.codes import INPUT_RATE_HZ, SCHEDULINGS

ACTIVITY_START: Final = '{"realtimeInput":{"activityStart":{}}}'
ACTIVITY_END: Final = '{"realtimeInput":{"activityEnd":{}}}'
STREAM_END: Final = '{"realtimeInput":{"audioStreamEnd":true}}'
END_OF_TURN: Final = '{"clientContent":{"turnComplete":true}}'

_AUDIO_PREFIX: Final = '{"realtimeInput":{"audio":{"data":"'
_AUDIO_SUFFIX: Final = f'","mimeType":"audio/pcm;rate={INPUT_RATE_HZ}"}}}}}}'
_MAX_AUDIO_CHARS: Final = 1 << 19
"""Base64 of the largest audio message; a multiple of 8 characters (6 bytes) never splits a sample."""

Json = dict[str, Any]


class SetupFrame(str):
    """A ``setup``. It begins a connection; sent on one that has begun, it asks the transport for a new one."""

    __slots__ = ()


def setup_frame(body: Mapping[str, Any]) -> SetupFrame:
    """The first message of a session."""
    return SetupFrame(encoded({"setup": body}))


def encoded(message: Mapping[str, Any]) -> str:
    """One message as a frame."""
    return msgspec.json.encode(message).decode()


def audio_frames(base64: str) -> list[Frame]:
    """The frames of audio: none for no audio, several for very much of it."""
    if 0 < len(base64) <= _MAX_AUDIO_CHARS:
        return [_AUDIO_PREFIX + base64 + _AUDIO_SUFFIX]
    return [
        _AUDIO_PREFIX + base64[start : start + _MAX_AUDIO_CHARS] + _AUDIO_SUFFIX
        for start in range(0, len(base64), _MAX_AUDIO_CHARS)
    ]


def content_frame(turns: Iterable[Json], *, is_complete: bool) -> str:
    """Turns of the conversation; with ``is_complete`` the model answers now."""
    content: Json = {"turns": list(turns), "turnComplete": is_complete}
    return encoded({"clientContent": content})


def text_turn(role: str, text: str) -> Json:
    """A turn of text; the wire knows the roles ``user`` and ``model``, so instructions are the user's."""
    return {"role": "model" if role == "assistant" else "user", "parts": [{"text": text}]}


def image_frame(command: SendImage) -> str:
    """An image, shown as a frame of video.

    Raises:
        UnsupportedError: The image is only named by its address.
    """
    if isinstance(command.data, bytes):
        data, media_type = pybase64.b64encode_as_string(command.data), command.media_type
    elif command.data.startswith("data:"):
        data, media_type = _from_uri(command.data)
    elif command.data.startswith(("http:", "https:")):
        raise UnsupportedError("the Gemini Live wire takes an image itself, not its address; fetch it first")
    else:
        data, media_type = command.data, command.media_type
    return encoded({"realtimeInput": {"video": {"data": data, "mimeType": media_type}}})


def _from_uri(uri: str) -> tuple[str, str]:
    head, _, data = uri.removeprefix("data:").partition(",")
    return data, head.partition(";")[0] or "image/jpeg"


def item_turn(item: Item) -> Json:
    """A message or a call as a turn of the conversation.

    Raises:
        UnsupportedError: The wire has no such item.
    """
    if item.kind == "function_call":
        call = {"id": item.call_id, "name": item.name, "args": json_object(item.arguments or "")}
        return {"role": "model", "parts": [{"functionCall": call}]}
    if item.kind != "message":
        raise UnsupportedError(f"the Gemini Live wire has no item of kind {item.kind!r}")
    role = "model" if item.role == "assistant" else "user"
    return {"role": role, "parts": [_part(part) for part in item.content]}


def _part(part: ContentPart) -> Json:
    if part.kind == "image":
        if not (part.image_url or "").startswith("data:"):
            raise UnsupportedError("the Gemini Live wire takes an image itself, not its address")
        data, media_type = _from_uri(part.image_url or "")
        return {"inlineData": {"data": data, "mimeType": media_type}}
    if part.kind == "audio" and part.audio and not part.text:
        return {"inlineData": {"data": part.audio, "mimeType": f"audio/pcm;rate={INPUT_RATE_HZ}"}}
    return {"text": part.text}


def function_response(call_id: str, name: str, output: str, *, default_scheduling: str | None = None) -> Json:
    """One result. A ``scheduling`` inside the result itself wins over the default one."""
    result = json_object(output)
    if not result:
        result = {"output": output}
    body: Json = {"id": call_id, "name": name, "response": result}
    said = result.get("scheduling")
    scheduling = said if said in SCHEDULINGS else default_scheduling
    if scheduling:
        body["scheduling"] = scheduling
    return body


def results_frame(responses: list[Json]) -> str:
    """Results of function calls."""
    return encoded({"toolResponse": {"functionResponses": responses}})


def json_object(text: str) -> Json:
    """A JSON object as data; empty for anything else."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return cast("Json", value) if isinstance(value, dict) else {}


def call_item(call_id: str, name: str, arguments: Mapping[str, Any]) -> Item:
    """A function call as an item of its own."""
    text = msgspec.json.encode(arguments).decode()
    return Item(id=f"item_{call_id}", kind="function_call", call_id=call_id, name=name, arguments=text)
